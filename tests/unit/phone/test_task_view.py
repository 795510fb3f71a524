"""What a person is told of a task, from what is known of it: every pair of state and fact, and what liars can't do."""

from __future__ import annotations

import itertools

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


@pytest.mark.parametrize("denial", [Kind.REFUSED, Kind.NOT_SENT])
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
