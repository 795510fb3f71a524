"""The table of a task's life, pair by pair."""

from __future__ import annotations

from itertools import product

import pytest
from dispatch.api.relay.v1.relay_pb2 import Outcome
from dispatch_host.tasks import OPEN, OUTCOMES, QUEUED, STEPS, Event, NoStep, State, after


@pytest.mark.parametrize(("state", "event"), list(product(State, Event)))
def test_each_pair_is_in_the_table_or_raises(state: State, event: Event) -> None:
    if (state, event) in STEPS:
        assert after(state, event) is STEPS[state, event]
    else:
        with pytest.raises(NoStep):
            after(state, event)


@pytest.mark.parametrize("state", list(OUTCOMES))
def test_what_is_over_stays_over(state: State) -> None:
    assert [event for event in Event if (state, event) in STEPS] == []


@pytest.mark.parametrize("state", sorted(OPEN))
def test_whatever_is_accepted_can_be_interrupted_and_cancelled(state: State) -> None:
    assert after(state, Event.INTERRUPT) is State.INTERRUPTED
    assert after(state, Event.CANCEL) is State.CANCELLED


def test_nothing_starts_without_its_go() -> None:
    assert {before for (before, event) in STEPS if event is Event.START} == QUEUED
    assert {before for (before, event) in STEPS if event is Event.GO} == {State.HANDED_OVER}


def test_every_outcome_of_the_contract_has_its_state() -> None:
    assert sorted(OUTCOMES.values()) == sorted(set(Outcome.values()) - {Outcome.OUTCOME_UNSPECIFIED})


def test_every_state_can_be_reached() -> None:
    reached = {State.HANDED_OVER}
    while new := {after for (before, _), after in STEPS.items() if before in reached} - reached:
        reached |= new
    assert reached == set(State)
