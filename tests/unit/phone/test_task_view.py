"""What a person is told of a task, from what is known of it: every pair of state and fact, and what liars can't do."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import NamedTuple

import pytest
from dispatch import errors
from dispatch.cli import Exit, exit_of
from mobile_sim.exits import exit_of_view
from mobile_sim.facts import Fact, Kind
from mobile_sim.task_view import (
    OUTCOMES,
    OVER,
    STEPS,
    WITH_HOST,
    State,
    TaskView,
    after,
    event_of,
    last_line,
    view_of,
)

RELAY = (Kind.HANDED_OVER, Kind.TAKEN, Kind.REFUSED)
OWN = (Kind.SENT, Kind.NOT_SENT, Kind.UNCONFIRMED)


def fact(kind: Kind, *, attempt: int = 1, reason: str = "", outcome: str = "done", text: str = "") -> Fact:
    reason = reason or ("HOST_UNREACHABLE" if kind in (Kind.REFUSED, Kind.NOT_SENT, Kind.OUT_OF_CONTACT) else "")
    return Fact(kind=kind, at_ms=7, attempt=attempt, reason=reason, outcome=outcome, text=text)


@pytest.mark.parametrize(("state", "kind"), list(itertools.product(State, Kind)))
def test_every_fact_in_every_state_leaves_a_state_that_can_be_shown(state: State, kind: Kind) -> None:
    if state is State.OUT_OF_CONTACT:  # shown, never stored
        return
    view = after(TaskView(state=state, attempt=1, reason="HOST_ASLEEP" if state in OVER else ""), fact(kind))

    assert view.state is not State.OUT_OF_CONTACT
    assert last_line(view)["state"] == view.shown_state
    assert isinstance(exit_of_view(view), Exit)
    event = event_of(view, fact(kind))
    assert event is None or event["at"] == 7


@pytest.mark.parametrize(("state", "kind"), list(itertools.product(sorted(OUTCOMES), Kind)))
def test_a_task_that_ended_stays_as_it_ended(state: State, kind: Kind) -> None:
    assert after(TaskView(state=state, attempt=1), fact(kind, outcome="failed")).state is state


@pytest.mark.parametrize(("state", "kind"), list(itertools.product(sorted(WITH_HOST), (*RELAY, *OWN))))
def test_no_word_of_the_relay_moves_a_task_that_the_host_has(state: State, kind: Kind) -> None:
    assert after(TaskView(state=state, attempt=1), fact(kind)).state is state


def test_the_table_names_states_only_that_can_be_stored() -> None:
    for sources, target in STEPS.values():
        assert State.OUT_OF_CONTACT not in {*sources, target}


def test_a_task_as_it_should_go() -> None:
    facts = [
        fact(Kind.SENT), fact(Kind.HANDED_OVER), fact(Kind.TAKEN), fact(Kind.ACCEPTED), fact(Kind.STARTED),
        fact(Kind.TEXT, text="All "), fact(Kind.TEXT, text="done."), fact(Kind.ENDED),
    ]  # fmt: skip
    view = view_of(facts)

    assert (view.state, view.text, exit_of_view(view)) == (State.DONE, "All done.", Exit.DONE)
    line = last_line(view)
    assert "reason" not in line
    assert "advice" not in line


def test_the_relays_taken_is_not_the_hosts_accepted() -> None:
    assert view_of([fact(Kind.SENT), fact(Kind.TAKEN)]).state is State.HANDED_OVER


@pytest.mark.parametrize("denial", [Kind.REFUSED, Kind.NEVER_STORED])
def test_what_the_relay_denied_and_the_host_has_is_shown_as_tampering_in_either_order(denial: Kind) -> None:
    before = view_of([fact(Kind.SENT), fact(denial), fact(Kind.ACCEPTED)])
    behind = view_of([fact(Kind.SENT), fact(Kind.ACCEPTED), fact(denial)])

    for view in (before, behind):
        assert view.state is State.ACCEPTED
        assert view.tampering
        assert last_line(view)["warning"]


def test_a_refused_attempt_and_an_accepted_next_one_is_no_tampering() -> None:
    view = view_of([fact(Kind.SENT), fact(Kind.REFUSED), fact(Kind.SENT, attempt=2), fact(Kind.ACCEPTED, attempt=2)])

    assert (view.state, view.attempt, view.tampering) == (State.ACCEPTED, 2, False)


def test_a_verdict_on_an_older_attempt_says_nothing_of_the_newer() -> None:
    view = view_of([fact(Kind.SENT), fact(Kind.SENT, attempt=2), fact(Kind.REFUSED, attempt=1)])

    assert view.state is State.SENT


def test_an_attempt_that_another_one_outdid_is_not_a_refused_task() -> None:
    view = view_of([fact(Kind.SENT), fact(Kind.REFUSED, reason="ATTEMPT_SUPERSEDED")])

    assert view.state is State.UNCONFIRMED
    assert not view.over


@pytest.mark.parametrize("kind", [Kind.REFUSED, Kind.NOT_SENT])
@pytest.mark.parametrize("heard", [Kind.TAKEN, Kind.HANDED_OVER, Kind.UNCONFIRMED])
def test_a_task_of_which_an_earlier_attempt_may_run_is_not_over_when_a_later_one_is_refused_or_not_sent(
    heard: Kind, kind: Kind
) -> None:
    view = view_of([fact(Kind.SENT), fact(heard), fact(Kind.SENT, attempt=2), fact(kind, attempt=2)])

    assert (view.state, view.reason, view.over) == (State.UNCONFIRMED, "HOST_UNREACHABLE", False)
    assert view.may_be_dismissed
    event = event_of(view, fact(kind, attempt=2))
    assert event is not None
    assert (event["event"], event["reason"]) == ("unconfirmed", "HOST_UNREACHABLE")
    assert "Nothing was sent" not in last_line(view)["text"]
    accepted = after(view, fact(Kind.ACCEPTED, attempt=1))
    assert (accepted.state, accepted.tampering, accepted.reason) == (State.ACCEPTED, False, "")


def test_that_a_resend_could_not_go_out_says_nothing_of_the_attempt_that_was_taken() -> None:
    view = view_of([fact(Kind.SENT), fact(Kind.TAKEN), fact(Kind.NOT_SENT, reason="NO_NETWORK")])

    assert (view.state, view.reason) == (State.UNCONFIRMED, "NO_NETWORK")
    assert not after(view, fact(Kind.ACCEPTED)).tampering


def test_the_last_verdict_that_was_out_decides_also_when_it_is_an_older_attempts() -> None:
    facts = [fact(Kind.SENT), fact(Kind.UNCONFIRMED), fact(Kind.SENT, attempt=2), fact(Kind.REFUSED, attempt=2)]
    waiting = view_of(facts)
    refused = after(waiting, fact(Kind.REFUSED, reason="NOT_TAKEN_IN_TIME"))

    assert waiting.state is State.UNCONFIRMED
    assert (refused.state, refused.reason) == (State.REFUSED, "NOT_TAKEN_IN_TIME")


def test_a_taken_task_without_the_hosts_word_is_out_of_contact_with_its_host() -> None:
    away = view_of([fact(Kind.SENT), fact(Kind.TAKEN), fact(Kind.OUT_OF_CONTACT)])

    assert (away.shown_state, away.may_be_dismissed) == (State.OUT_OF_CONTACT, True)
    assert last_line(away)["reason"] == "HOST_UNREACHABLE"
    assert after(away, fact(Kind.BACK)).shown_state is State.HANDED_OVER
    assert after(away, fact(Kind.DISMISSED)).shown_state is State.DISMISSED
    assert after(away, fact(Kind.ACCEPTED)).shown_state is State.OUT_OF_CONTACT  # it said so before it vanished


def test_a_verdict_that_comes_after_all_moves_an_unconfirmed_task_on() -> None:
    waited = [fact(Kind.SENT), fact(Kind.UNCONFIRMED)]

    assert view_of([*waited, fact(Kind.TAKEN)]).state is State.HANDED_OVER
    assert view_of([*waited, fact(Kind.REFUSED)]).state is State.REFUSED


class Fate(NamedTuple):
    """What truly becomes of an attempt, and what the phone may hear of it."""

    verdict: Kind | None  # the one that the phone may hear, late or never
    runs: bool


FATES = (
    Fate(Kind.NEVER_STORED, runs=False),
    Fate(Kind.REFUSED, runs=False),
    Fate(Kind.TAKEN, runs=True),
    Fate(None, runs=True),  # the relay withholds its verdict
    Fate(None, runs=False),
)


class World(NamedTuple):
    """A task, what truly becomes of its attempts, and what the phone has heard. Nobody in it lies."""

    fates: tuple[Fate, ...]
    view: TaskView = TaskView()
    sent: int = 0
    verdicts: frozenset[int] = frozenset()
    accepted: bool = False
    ended: bool = False

    def next(self) -> Iterator[World]:
        """Give all that may happen to the phone next."""
        if self.sent < len(self.fates) and not self.accepted:
            yield self.hears(Kind.SENT, self.sent + 1)._replace(sent=self.sent + 1)
        for attempt in range(1, self.sent + 1):
            yield self.hears(Kind.HANDED_OVER, attempt)
            yield self.hears(Kind.UNCONFIRMED, attempt)
            fate = self.fates[attempt - 1]
            if fate.verdict and attempt not in self.verdicts:
                yield self.hears(fate.verdict, attempt)._replace(verdicts=self.verdicts | {attempt})
            if fate.runs and not self.accepted and not any(one.runs for one in self.fates[: attempt - 1]):
                yield self.hears(Kind.ACCEPTED, attempt)._replace(accepted=True)  # the host takes one of them
        if self.accepted:
            yield self.hears(Kind.STARTED)
            yield self.hears(Kind.ENDED)._replace(ended=True)
        for kind in (Kind.NOT_SENT, Kind.OUT_OF_CONTACT, Kind.BACK, Kind.DISMISSED, Kind.DROPPED):
            yield self.hears(kind)

    def hears(self, kind: Kind, attempt: int | None = None) -> World:
        said = self.view.attempt if attempt is None else attempt
        return self._replace(view=after(self.view, fact(kind, attempt=said)))


def every_world(fates: tuple[Fate, ...]) -> set[World]:
    """Give all that can be reached, whatever is heard in whatever order."""
    found = {World(fates)}
    new = list(found)
    while new:
        reached = {one for world in new for one in world.next()} - found
        found |= reached
        new = list(reached)
    return found


@pytest.mark.parametrize("fates", list(itertools.product(FATES, repeat=2)))
def test_a_task_is_over_only_if_it_is_really_over(fates: tuple[Fate, ...]) -> None:
    for world in every_world(fates):
        view, may_run = world.view, any(fate.runs for fate in fates[: world.sent])
        assert not view.tampering, world
        if view.over:
            assert world.ended or not may_run, world
        if view.over or view.shown_state is State.DISMISSED:
            continue
        # Whatever was heard, there is a word to wait for, or it is shown that none comes just now.
        gave_up = world.hears(Kind.NOT_SENT).view
        assert gave_up.over or gave_up.may_be_dismissed or world.accepted, world
        if view.taken or world.accepted:
            assert after(view, fact(Kind.OUT_OF_CONTACT)).shown_state is State.OUT_OF_CONTACT, world
            assert after(view, fact(Kind.OUT_OF_CONTACT)).may_be_dismissed, world


def test_out_of_contact_is_shown_over_the_state_and_taken_back() -> None:
    away = view_of([fact(Kind.SENT), fact(Kind.ACCEPTED), fact(Kind.STARTED), fact(Kind.OUT_OF_CONTACT)])

    assert (away.shown_state, away.state, away.over) == (State.OUT_OF_CONTACT, State.RUNNING, False)
    assert last_line(away)["reason"] == "HOST_UNREACHABLE"
    assert exit_of_view(away) is Exit.NOT_OVER
    assert after(away, fact(Kind.BACK)).shown_state is State.RUNNING
    assert after(away, fact(Kind.ENDED, outcome="interrupted")).shown_state is State.INTERRUPTED


@pytest.mark.parametrize(
    ("reason", "code"),
    [
        ("HOST_ASLEEP", 3), ("HOST_NEVER_CONNECTED", 3), ("NOT_TAKEN_IN_TIME", 9), ("GRANT_INVALID", 6),
        ("ID_REUSED", 9), ("SCHEDULE_ON_HOST", 9), ("A_REASON_OF_TOMORROW", 1),
    ],
)  # fmt: skip
def test_a_refusal_leaves_with_the_code_of_its_reason(reason: str, code: int) -> None:
    assert exit_of_view(view_of([fact(Kind.SENT), fact(Kind.REFUSED, reason=reason)])) == code


@pytest.mark.parametrize(("reason", "code"), [("NO_NETWORK", 7), ("NOT_PAIRED", 6), ("DEVICE_REVOKED", 6)])
def test_what_was_not_sent_leaves_with_7_unless_only_a_person_can_mend_it(reason: str, code: int) -> None:
    assert exit_of_view(view_of([fact(Kind.NOT_SENT, attempt=0, reason=reason)])) == code


def test_every_reason_has_words_for_a_person() -> None:
    for reason in errors.all_reasons():
        line = last_line(view_of([fact(Kind.SENT), fact(Kind.REFUSED, reason=errors.word(reason))]))
        assert line["text"]
        if line["state"] == "refused":
            assert line["advice"]


@pytest.mark.parametrize("kind", [None, Kind.SENT, Kind.HANDED_OVER, Kind.UNCONFIRMED, Kind.ACCEPTED, Kind.STARTED])
def test_a_task_that_is_not_over_says_so_as_its_reason_with_what_to_do(kind: Kind | None) -> None:
    facts = [fact(Kind.SENT), *([fact(kind)] if kind else [])]
    line = last_line(view_of(facts))

    assert line["reason"] == "NOT_OVER"
    assert line["advice"]
    assert line["text"]
    assert exit_of(errors.of_word(line["reason"])) is exit_of_view(view_of(facts)) is Exit.NOT_OVER


def test_a_task_that_waits_for_an_answer_says_so_until_it_is_given() -> None:
    asks = Fact(kind=Kind.WAITING, at_ms=1, position=1, asking=True, detail="11111111-2222-3333-4444-555555555555")
    view = after(view_of([Fact(kind=Kind.ACCEPTED, at_ms=0, attempt=1)]), asks)
    assert (view.waits_for_answer, view.asking_task_id) == (True, asks.detail)
    assert event_of(view, asks) == {
        "event": "waiting", "position": 1, "asking": True, "asking_task_id": asks.detail, "at": 1
    }  # fmt: skip

    view = after(view, Fact(kind=Kind.WAITING, at_ms=2, position=1))
    assert (view.waits_for_answer, view.asking_task_id) == (False, "")


def test_a_full_disk_that_refused_a_task_is_not_said_to_be_this_phones() -> None:
    sent = view_of([Fact(kind=Kind.SENT, at_ms=0, attempt=1)])
    line = last_line(after(sent, Fact(kind=Kind.REFUSED, at_ms=1, attempt=1, reason="STORE_FAILED")))

    assert line["text"] == errors.StoreFailedThere.sentence
    assert line["advice"] == errors.StoreFailedThere.advice
