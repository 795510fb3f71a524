"""When a phone shakes hands: at once when it must, with growing waits when that does not help, never while the host is away."""

from __future__ import annotations

from dispatch.sealed.session import HANDSHAKE_LIMIT_MS
from mobile_sim.tending import BEGIN_WITHIN_MS, Tending

NOW = 1_000_000
LATER = 80_000_000


def reached(instance: bytes = b"one") -> Tending:
    tending = Tending()
    tending.host_is(reachable=True, instance=instance)
    return tending


def in_session() -> Tending:
    tending = reached()
    tending.started(NOW)
    tending.finished(NOW)
    tending.begun()
    return tending


def test_there_is_none_while_the_host_is_away() -> None:
    assert Tending().due_in(NOW, renewal_in_ms=LATER) is None
    tending = in_session()
    tending.host_is(reachable=False, instance=b"one")
    tending.refused()
    assert tending.due_in(NOW, renewal_in_ms=LATER) is None


def test_it_is_due_at_once_when_the_host_is_there() -> None:
    assert reached().due_in(NOW, renewal_in_ms=LATER) == 0


def test_a_session_that_is_old_is_renewed_and_one_that_is_to_stay_is_not() -> None:
    tending = in_session()

    assert tending.due_in(NOW, renewal_in_ms=700) == 700
    assert tending.due_in(NOW, renewal_in_ms=0) == 0
    assert tending.due_in(NOW, renewal_in_ms=None) is None


def test_a_renewal_that_gets_no_answer_is_tried_again_and_the_session_goes_on() -> None:
    tending = in_session()
    tending.started(NOW)

    assert tending.confirmed
    assert tending.due_in(NOW, renewal_in_ms=0) == HANDSHAKE_LIMIT_MS
    assert tending.due_in(NOW + HANDSHAKE_LIMIT_MS, renewal_in_ms=0) == 0


def test_another_process_of_the_host_needs_another_session_at_once() -> None:
    tending = in_session()
    tending.host_is(reachable=True, instance=b"two")

    assert tending.due_in(NOW, renewal_in_ms=LATER) == 0


def test_the_same_process_that_is_back_needs_none() -> None:
    tending = in_session()
    tending.host_is(reachable=False, instance=b"one")
    tending.host_is(reachable=True, instance=b"one")

    assert tending.due_in(NOW, renewal_in_ms=LATER) == LATER


def test_a_new_stream_begins_with_a_handshake() -> None:
    tending = in_session()
    tending.stream_lost()
    assert tending.due_in(NOW, renewal_in_ms=LATER) is None
    tending.host_is(reachable=True, instance=b"one")
    assert tending.due_in(NOW, renewal_in_ms=LATER) == 0


def test_a_command_that_did_not_open_calls_for_one_at_once() -> None:
    tending = in_session()
    tending.refused()

    assert tending.due_in(NOW, renewal_in_ms=LATER) == 0


def test_one_without_an_answer_is_given_up_and_tried_again_with_growing_waits() -> None:
    tending, now, waits = reached(), NOW, []
    for _ in range(8):
        assert tending.due_in(now, renewal_in_ms=LATER) == 0
        tending.started(now)
        started = now
        assert tending.is_open
        while (wait := tending.due_in(now, renewal_in_ms=LATER)) != 0:
            assert wait is not None
            now += wait
        waits.append(now - started)

    assert waits[0] == HANDSHAKE_LIMIT_MS
    assert waits == sorted(waits)
    assert waits[-1] == 30_000


def test_a_session_that_the_host_does_not_begin_is_tried_anew_after_ten_seconds() -> None:
    tending = reached()
    tending.started(NOW)
    tending.finished(NOW)

    assert not tending.confirmed
    assert tending.due_in(NOW, renewal_in_ms=LATER) == BEGIN_WITHIN_MS
    assert tending.due_in(NOW + BEGIN_WITHIN_MS, renewal_in_ms=LATER) == 0


def test_a_begin_ends_the_waiting_and_the_backing_off() -> None:
    tending = reached()
    for _ in range(4):
        tending.started(NOW)
    tending.finished(NOW)
    tending.begun()

    assert tending.confirmed
    tending.refused()
    assert tending.due_in(NOW, renewal_in_ms=LATER) == 0
