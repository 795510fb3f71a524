"""A host that comes and goes: what its phone and its person are still told, and when."""

from __future__ import annotations

from dispatch_relay.presence import Presence, Standing
from dispatch_relay.steadiness import LOSSES, WINDOW_MS, Steadiness

LEASE_MS = 5_000
THERE = Presence(Standing.REACHABLE)
AWAY = Presence(Standing.UNREACHABLE)


def dropped(times: int, *, every_ms: int = 1_000, steadiness: Steadiness | None = None) -> Steadiness:
    """Let a host drop and return; the phone hears what it may."""
    steadiness = steadiness or Steadiness()
    for number in range(times):
        at_ms = number * every_ms
        steadiness.lost(now_ms=at_ms)
        for presence in (AWAY, THERE):
            if steadiness.may_tell(presence, now_ms=at_ms, every_ms=LEASE_MS):
                steadiness.told(presence, now_ms=at_ms)
    return steadiness


def test_a_host_is_unsteady_from_its_third_loss_in_a_minute_until_a_minute_is_over() -> None:
    assert not dropped(LOSSES - 1).unsteady(now_ms=2_000)

    steadiness = dropped(LOSSES)

    assert steadiness.unsteady(now_ms=2_000)
    assert not steadiness.unsteady(now_ms=WINDOW_MS)


def test_losses_that_are_far_apart_say_nothing() -> None:
    assert not dropped(10, every_ms=WINDOW_MS // 2).unsteady(now_ms=10 * WINDOW_MS // 2)


def test_a_steady_host_is_told_of_at_once() -> None:
    steadiness = Steadiness()
    steadiness.lost(now_ms=0)

    assert steadiness.may_tell(AWAY, now_ms=0, every_ms=LEASE_MS)
    assert steadiness.may_call(now_ms=0)


def test_bad_news_of_an_unsteady_host_waits_for_a_lease_and_is_then_due() -> None:
    steadiness = dropped(LOSSES)
    steadiness.lost(now_ms=3_000)

    assert not steadiness.may_tell(AWAY, now_ms=3_000, every_ms=LEASE_MS)
    assert steadiness.owed_ms is not None
    assert 3_000 < steadiness.owed_ms <= 3_000 + LEASE_MS
    assert steadiness.owed_ms in steadiness.due_ms()


def test_that_a_host_is_there_is_never_held_back() -> None:
    steadiness = dropped(LOSSES)
    steadiness.told(AWAY, now_ms=3_000)

    assert steadiness.may_tell(THERE, now_ms=3_001, every_ms=LEASE_MS)


def test_of_a_thousand_drops_the_phone_hears_once_a_lease() -> None:
    steadiness, told = Steadiness(), 0
    for number in range(1_000):
        at_ms = number * 10
        if steadiness.owed_ms is not None and at_ms >= steadiness.owed_ms:
            steadiness.told(THERE, now_ms=at_ms)
            told += 1
        steadiness.lost(now_ms=at_ms)
        for presence in (AWAY, THERE):
            if steadiness.may_tell(presence, now_ms=at_ms, every_ms=LEASE_MS):
                steadiness.told(presence, now_ms=at_ms)
                told += 1

    assert told <= 2 * LOSSES + 2 * (10_000 // LEASE_MS + 1)


def test_who_was_called_for_a_host_that_comes_and_goes_is_called_again_only_if_it_stays_away() -> None:
    steadiness = dropped(LOSSES)

    assert not steadiness.may_call(now_ms=3_000)
    assert steadiness.call_due_ms == 3_000 + WINDOW_MS
    steadiness.back()
    assert steadiness.call_due_ms is None


def test_nothing_is_due_once_all_is_forgotten() -> None:
    steadiness = dropped(LOSSES)
    steadiness.told(THERE, now_ms=WINDOW_MS * 2)
    steadiness.forget_old(now_ms=WINDOW_MS * 2)

    assert steadiness.due_ms() == []
