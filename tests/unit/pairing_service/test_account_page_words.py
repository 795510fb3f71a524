"""What the account page decides without a store: who may come in by a request's head, and the words for times and fates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
from dispatch import errors
from dispatch.api.error.v1.error_pb2 import Reason
from dispatch.api.relay.v1.relay_pb2 import Outcome
from dispatch.ids import AccountId, DeviceId, PairId, TaskId
from dispatch.runtime.origins import host_of, same_origin
from dispatch_pairing.metrics import WEB_TURNED_AWAY
from dispatch_pairing.model import TaskRecord
from dispatch_pairing.web import words
from dispatch_pairing.web.guard import Turned, read_body
from starlette.types import Message

NOW_MS = 1_800_000_000_000
SECOND_MS, MINUTE_MS, HOUR_MS, DAY_MS = 1_000, 60_000, 3_600_000, 86_400_000
TASK = TaskRecord(
    pair_id=PairId(b"p" * 16),
    task_id=TaskId(b"t" * 16),
    account_id=AccountId(b"a" * 16),
    phone_id=DeviceId(b"f" * 16),
    host_id=DeviceId(b"h" * 16),
    posted_ms=NOW_MS,
    accepted=True,
    reason=0,
    outcome=Outcome.OUTCOME_DONE,
    ended_ms=NOW_MS + 61_000,
)


async def read(messages: Sequence[Message], *, limit_bytes: int = 10) -> bytes | Turned:
    rest = iter(messages)

    async def receive() -> Message:
        return next(rest)

    return await read_body(receive, limit_bytes=limit_bytes, within_ms=MINUTE_MS)


def part(body: bytes, *, more: bool) -> Message:
    return {"type": "http.request", "body": body, "more_body": more}


async def test_a_body_is_read_to_its_end() -> None:
    assert await read([part(b"01234", more=True), part(b"56789", more=False)]) == b"0123456789"
    assert await read([{"type": "http.request"}]) == b""


async def test_a_body_that_is_too_large_is_none_however_it_is_cut() -> None:
    assert await read([part(b"x" * 11, more=False)]) is Turned.TOO_LARGE
    assert await read([part(b"x", more=True)] * 10 + [part(b"x", more=False)]) is Turned.TOO_LARGE
    assert await read([part(b"x" * 600_000, more=True)] * 2) is Turned.TOO_LARGE


async def test_half_a_body_is_none() -> None:
    assert await read([part(b"form_token=good", more=True), {"type": "http.disconnect"}], limit_bytes=99) is (
        Turned.TOO_SLOW
    )


@pytest.mark.parametrize(
    ("header", "host"),
    [
        ("Dispatch.Example", "dispatch.example"),
        ("dispatch.example:443", "dispatch.example"),
        ("[::1]:7304", "::1"),
        ("[::1]", "::1"),
        ("127.0.0.1", "127.0.0.1"),
        ("", ""),
        ("a b", ""),
        ("dispatch.example:99999", ""),
        ("dispatch.example@evil.example", ""),
        ("dispatch.example/", ""),
    ],
)
def test_the_host_of_a_header(header: str, host: str) -> None:
    assert host_of(header) == host


@pytest.mark.parametrize(
    ("origin", "scheme", "host", "same"),
    [
        ("https://dispatch.example", "https", "dispatch.example", True),
        ("https://dispatch.example:443", "https", "dispatch.example", True),
        ("https://DISPATCH.example", "https", "dispatch.example", True),
        ("http://dispatch.example", "https", "dispatch.example", False),
        ("http://127.0.0.1:7304", "http", "127.0.0.1:7304", True),
        ("http://127.0.0.1", "http", "127.0.0.1:7304", False),
        ("https://other.example", "https", "dispatch.example", False),
        ("https://dispatch.example.evil.example", "https", "dispatch.example", False),
        ("https://dispatch.example:bad", "https", "dispatch.example", False),
        ("https://[", "https", "dispatch.example", False),
        ("null", "https", "dispatch.example", False),
        ("", "https", "dispatch.example", False),
        ("file://dispatch.example", "http", "dispatch.example", False),
    ],
)
def test_what_the_same_origin_is(origin: str, scheme: str, host: str, same: bool) -> None:
    assert same_origin(origin, scheme=scheme, host=host) is same


def test_every_reason_to_turn_away_is_counted_and_has_an_answer() -> None:
    assert [one.value for one in Turned] == list(WEB_TURNED_AWAY)
    for one in Turned:
        assert 400 <= one.status < 500
        assert one.sentence.endswith(".")


@pytest.mark.parametrize(
    ("age_ms", "said"),
    [
        (-HOUR_MS, "just now"),
        (0, "just now"),
        (MINUTE_MS - 1, "just now"),
        (MINUTE_MS, "1 minute ago"),
        (59 * MINUTE_MS, "59 minutes ago"),
        (HOUR_MS, "1 hour ago"),
        (DAY_MS - 1, "23 hours ago"),
        (2 * DAY_MS, "2 days ago"),
        (30 * DAY_MS, "on 2026-12-16"),
    ],
)
def test_how_long_ago(age_ms: int, said: str) -> None:
    assert words.ago(NOW_MS - age_ms, now_ms=NOW_MS) == said


@pytest.mark.parametrize(
    ("length_ms", "said"),
    [
        (0, "less than 1 s"),
        (999, "less than 1 s"),
        (1_000, "1 s"),
        (59_499, "59 s"),
        (59_999, "1 min"),
        (125_000, "2 min 5 s"),
        (HOUR_MS, "1 h"),
        (HOUR_MS + 5_000, "1 h"),
        (90 * MINUTE_MS, "1 h 30 min"),
        (50 * HOUR_MS, "2 d 2 h"),
    ],
)
def test_how_long(length_ms: int, said: str) -> None:
    assert words.span(length_ms) == said


@pytest.mark.parametrize(
    ("length_ms", "said"),
    [(0, "1 second"), (1, "1 second"), (30_000, "30 seconds"), (119_001, "2 minutes"), (121_000, "3 minutes")],
)
def test_how_long_to_wait_is_never_too_short(length_ms: int, said: str) -> None:
    assert words.wait(length_ms) == said


@pytest.mark.parametrize("at_ms", [-1, 0, 2**53, 2**63 - 1])
def test_no_time_that_is_kept_breaks_the_page(at_ms: int) -> None:
    assert words.moment(at_ms).endswith("UTC")
    assert words.machine(at_ms).endswith("Z")
    assert words.ago(at_ms, now_ms=NOW_MS)
    assert words.lasted(replace(TASK, ended_ms=at_ms)) is not None


def test_every_outcome_and_every_reason_has_its_words() -> None:
    said = {words.fate(replace(TASK, outcome=outcome)).word for outcome in Outcome.values()}
    assert len(said) == len(Outcome.values())
    assert words.fate(replace(TASK, outcome=99)) is words.RUNNING
    for reason in errors.all_reasons():
        assert words.why(replace(TASK, reason=reason)) == errors.kind_of(reason).sentence


def test_what_was_refused_never_ran_and_says_so() -> None:
    refused = replace(TASK, accepted=False, outcome=0, reason=Reason.REASON_HOST_ASLEEP)

    assert words.fate(refused) is words.REFUSED
    assert words.why(refused) == "The computer is asleep. It never ran."
    assert words.why(replace(refused, reason=0)) == "It never ran."
    assert words.why(replace(refused, reason=4_711)) == "Reason 4711. It never ran."
    assert words.lasted(refused) == ""
