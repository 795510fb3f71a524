"""What is known of a task, however often and in whatever order relays report it."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from dispatch.api.error.v1.error_pb2 import Reason
from dispatch.api.relay.v1.relay_pb2 import OUTCOME_DONE, OUTCOME_FAILED
from dispatch.ids import AccountId, DeviceId, PairId, TaskId
from dispatch_pairing.history import Report, added, first
from dispatch_pairing.model import Pairing, TaskRecord

PAIRING = Pairing(
    pair_id=PairId(b"p" * 16),
    account_id=AccountId(b"a" * 16),
    host_id=DeviceId(b"h" * 16),
    phone_id=DeviceId(b"t" * 16),
    created_ms=1,
)
ACCEPTED = Report(
    pair_id=PAIRING.pair_id, task_id=TaskId(b"1" * 16), posted_ms=100, accepted=True, reason=0, outcome=0, ended_ms=0
)
REFUSED = replace(ACCEPTED, accepted=False, posted_ms=50, reason=Reason.REASON_HOST_ASLEEP)
DONE = replace(ACCEPTED, outcome=OUTCOME_DONE, ended_ms=200)
UNTOLD = replace(ACCEPTED, reason=Reason.REASON_NOT_PAIRED, ended_ms=300)


def known_after(*reports: Report) -> TaskRecord:
    record = first(reports[0], PAIRING)
    for report in reports[1:]:
        record = added(record, first(report, PAIRING))
    return record


def test_a_refused_attempt_that_is_followed_by_an_accepted_one_becomes_accepted() -> None:
    assert known_after(REFUSED, ACCEPTED) == known_after(ACCEPTED, REFUSED) == known_after(ACCEPTED)


def test_the_last_of_several_refused_attempts_counts() -> None:
    again = replace(REFUSED, posted_ms=60, reason=Reason.REASON_HOST_UNREACHABLE)

    assert known_after(REFUSED, again) == known_after(again, REFUSED) == known_after(again)


def test_an_outcome_never_changes_once_it_was_told() -> None:
    other = replace(DONE, outcome=OUTCOME_FAILED, reason=Reason.REASON_AGENT_FAILED, ended_ms=900)

    assert known_after(DONE, other) == known_after(DONE)


def test_an_outcome_outweighs_that_none_would_be_told() -> None:
    assert known_after(UNTOLD, DONE) == known_after(DONE, UNTOLD) == known_after(DONE)


def test_an_outcome_alone_says_that_the_task_was_accepted() -> None:
    assert known_after(replace(DONE, accepted=False)).accepted


@pytest.mark.parametrize("seed", range(20))
def test_any_order_and_any_repetition_leads_to_the_same(seed: int) -> None:
    chance = random.Random(seed)
    reports = [REFUSED, replace(REFUSED, posted_ms=70, reason=Reason.REASON_QUEUE_FULL), ACCEPTED, UNTOLD, DONE]
    # A relay that lost its log knows only that it heard the outcome, and when.
    reports.append(replace(DONE, posted_ms=200))
    told = reports * 2
    chance.shuffle(told)

    assert known_after(*told) == known_after(DONE)


@pytest.mark.parametrize(
    "spoilt",
    [
        {"pair_id": PairId(b"short")},
        {"task_id": TaskId(b"")},
        {"posted_ms": 0},
        {"posted_ms": 2**60},
        {"ended_ms": -1},
        {"outcome": 99},
        {"reason": 9_999},
    ],
    ids=str,
)
def test_what_no_honest_relay_says_is_not_kept(spoilt: dict[str, object]) -> None:
    assert DONE.sound
    assert not replace(DONE, **spoilt).sound  # type: ignore[arg-type] # each value is of the kind of its field
