"""The table of verdicts: complete, and final where it must be."""

from __future__ import annotations

import itertools

import pytest
from dispatch.api.error.v1.error_pb2 import Reason
from dispatch_relay import verdict
from dispatch_relay.presence import Presence, Standing
from dispatch_relay.verdict import Effect, Event, Status


def test_the_table_has_a_step_for_every_status_and_event() -> None:
    assert set(verdict.STEPS) == set(itertools.product(Status, Event))


@pytest.mark.parametrize("event", Event)
@pytest.mark.parametrize("final", [Status.ACCEPTED, Status.REFUSED])
def test_a_verdict_is_final(final: Status, event: Event) -> None:
    assert verdict.STEPS[final, event].status is final


@pytest.mark.parametrize("event", Event)
def test_an_accepted_command_is_never_withdrawn(event: Event) -> None:
    assert verdict.STEPS[Status.ACCEPTED, event].effect in {Effect.NOTHING, Effect.ANSWER_AGAIN}


def test_only_a_take_in_time_accepts() -> None:
    accepting = {key for key, step in verdict.STEPS.items() if step.effect is Effect.ACCEPT}
    assert accepting == {(Status.PENDING, Event.TAKEN)}


@pytest.mark.parametrize(("now_ms", "event"), [(99, Event.TAKEN), (100, Event.TAKEN_TOO_LATE)])
def test_a_take_is_too_late_as_soon_as_the_time_is_over(now_ms: int, event: Event) -> None:
    assert verdict.on_take(now_ms=now_ms, deadline_ms=100) is event


@pytest.mark.parametrize(
    ("standing", "reason"),
    [
        (Standing.REACHABLE, Reason.REASON_NOT_TAKEN_IN_TIME),
        (Standing.RECONNECTING, Reason.REASON_HOST_UNREACHABLE),
        (Standing.ASLEEP, Reason.REASON_HOST_ASLEEP),
    ],
)
def test_being_too_late_has_the_reason_that_fits_the_host(standing: Standing, reason: Reason.ValueType) -> None:
    assert verdict.why_too_late(Presence(standing)) == reason


@pytest.mark.parametrize("standing", Standing)
def test_a_command_waits_only_for_a_host_that_may_take_it(standing: Standing) -> None:
    waits = verdict.on_post(Presence(standing)) is Event.POSTED
    assert waits == (standing in {Standing.REACHABLE, Standing.RECONNECTING})
