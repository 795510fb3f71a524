"""The table of presence: which pairs it has, and what the other end is told."""

from __future__ import annotations

import itertools

import pytest
from dispatch.api.relay.v1.relay_pb2 import Reachability
from dispatch_relay import presence
from dispatch_relay.presence import Event, Presence, Standing

_HAS_NO_STREAM = {Standing.NEVER_CONNECTED, Standing.UNREACHABLE, Standing.REVOKED}
_FROM_A_STREAM = {
    Event.SAID_ASLEEP, Event.SAID_APP_CLOSED, Event.SAID_RESTARTING, Event.SAID_AWAKE, Event.BYE, Event.BROKE,
    Event.LEASE_LOST,
}  # fmt: skip


@pytest.mark.parametrize(("standing", "event"), list(itertools.product(Standing, Event)))
def test_every_pair_is_listed_or_can_not_happen(standing: Standing, event: Event) -> None:
    impossible = (
        (standing in _HAS_NO_STREAM and event in _FROM_A_STREAM)
        or (event is Event.GRACE_OVER and standing is not Standing.RECONNECTING)
        or (event is Event.ATTACHED and standing is Standing.REVOKED)
    )
    assert ((standing, event) in presence.STEPS) != impossible
    if impossible:
        with pytest.raises(KeyError):
            presence.after(Presence(standing), event, now_ms=1)


@pytest.mark.parametrize("said", [Event.SAID_ASLEEP, Event.SAID_APP_CLOSED])
@pytest.mark.parametrize("then", [Event.BYE, Event.BROKE, Event.LEASE_LOST, Event.RELAY_STARTED])
def test_a_notice_stays_true_whatever_becomes_of_the_stream(said: Event, then: Event) -> None:
    gone = presence.after(Presence(Standing.REACHABLE), said, now_ms=5)
    assert presence.after(gone, then, now_ms=9) is gone


def test_a_restart_of_the_relay_is_no_absence_of_the_host() -> None:
    after = presence.after(Presence(Standing.REACHABLE, since_ms=3), Event.RELAY_STARTED, now_ms=9)
    assert not after.absent
    assert after.reachability == Reachability.REACHABILITY_RECONNECTING


def test_since_is_the_time_of_the_last_change() -> None:
    first = presence.after(Presence(), Event.ATTACHED, now_ms=5)
    assert first.since_ms == 5
    assert presence.after(first, Event.ATTACHED, now_ms=9).since_ms == 5


@pytest.mark.parametrize("standing", Standing)
def test_every_absence_has_a_cause_and_nothing_else_has(standing: Standing) -> None:
    end = Presence(standing)
    assert bool(end.cause) == end.absent == (end.reachability == Reachability.REACHABILITY_ABSENT)
