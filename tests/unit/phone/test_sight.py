"""What a line may say of how its host is: the relay's word, unless the host itself has answered since."""

from __future__ import annotations

import pytest
from dispatch.api.error.v1.error_pb2 import Reason
from dispatch.api.relay.v1.relay_pb2 import Presence, Reachability
from mobile_sim.sight import Sight

NOW = 1_000_000
WALL = 1_700_000_000_000
THERE = Presence(state=Reachability.REACHABILITY_REACHABLE, instance=b"one")
NOT_QUITE = Presence(state=Reachability.REACHABILITY_RECONNECTING, instance=b"one")
AWAY = Presence(state=Reachability.REACHABILITY_ABSENT, cause=Reason.REASON_HOST_ASLEEP, instance=b"one")


def told(*words: Presence) -> Sight:
    sight = Sight()
    for word in words:
        sight.told(word, now_ms=NOW)
    return sight


@pytest.mark.parametrize(
    ("word", "reachable", "absent", "gone"),
    [(THERE, True, False, False), (NOT_QUITE, False, True, False), (AWAY, False, True, True)],
)
def test_the_relays_word_counts(word: Presence, reachable: bool, absent: bool, gone: bool) -> None:
    sight = told(word)

    assert (sight.reachable, sight.absent, sight.gone) == (reachable, absent, gone)


def test_nothing_is_known_before_the_relay_has_spoken_and_when_its_stream_is_lost() -> None:
    lost = told(AWAY)
    lost.relay_lost()

    for sight in (Sight(), lost):
        assert (sight.presence, sight.reachable, sight.absent, sight.gone) == (None, False, False, False)


def test_an_answer_to_what_went_out_behind_the_last_word_outranks_it() -> None:
    sight = told(THERE, AWAY)

    there = sight.answered(sight.times_told, wall_ms=WALL)

    assert there is not None
    assert (there.state, there.instance, there.since_ms) == (Reachability.REACHABILITY_REACHABLE, b"one", WALL)


def test_an_answer_to_what_went_out_before_it_does_not() -> None:
    sight = told(THERE)
    word = sight.times_told
    sight.told(AWAY, now_ms=NOW)

    assert sight.answered(word, wall_ms=WALL) is None


def test_an_answer_says_nothing_new_of_a_host_that_is_there() -> None:
    assert told(THERE).answered(1, wall_ms=WALL) is None
    assert Sight().answered(0, wall_ms=WALL) is None


def test_a_cause_that_is_none_of_an_absent_host_is_not_repeated() -> None:
    assert told(AWAY).cause == Reason.REASON_HOST_ASLEEP
    lied = Presence(state=Reachability.REACHABILITY_ABSENT, cause=Reason.REASON_QUEUE_FULL)
    assert told(lied).cause == Reason.REASON_HOST_UNREACHABLE
    assert Sight().cause == Reason.REASON_HOST_UNREACHABLE


def test_the_age_is_the_youngest_of_what_was_heard() -> None:
    sight = Sight()
    assert sight.age_ms(NOW) is None

    sight.heard(now_ms=NOW)
    sight.told(Presence(state=Reachability.REACHABILITY_REACHABLE, lease_age_ms=5_000), now_ms=NOW + 1_000)

    assert sight.age_ms(NOW + 1_500) == 1_500
