"""What a watcher is told becomes cards: once each, in order, and nothing twice when the telling begins anew."""

from __future__ import annotations

from typing import Any

from mobile_sim.saying import How, Said, Sayer
from mobile_sim.tui.conversation import Card, Conversation

TASK = "11111111-2222-3333-4444-555555555555"
HERE = {"host": "desk", "pair_id": "aa", "thread": "t1"}
STANDS: dict[str, Any] = {
    **HERE,
    "event": "stands",
    "task_id": TASK,
    "text": "tidy up",
    "asked_at": 1_700_000_000_000,
    "state": "running",
    "dismissible": False,
}
QUESTION = {"question_id": "q1", "text": "Move?", "choices": ["once", "deny"], "detail": "`a` → `b`"}


def event(number: int, name: str, **more: Any) -> dict[str, Any]:
    return {**HERE, "event": name, "number": number, "at": 1_700_000_000_000 + number, "task_id": TASK, **more}


def conversation(*told: dict[str, Any]) -> Conversation:
    made = Conversation(Sayer(width=lambda: 60, answerable=True))
    for one in told:
        made.take(dict(one))
    return made


def only(made: Conversation) -> Card:
    (card,) = made.cards("t1")
    return card


def words(said: list[Said]) -> str:
    return "\n".join(one.text for one in said)


STORY = [
    STANDS,
    event(1, "accepted", text="tidy up", attempt=1),
    event(2, "started", agent="built-in"),
    event(3, "step", title="Looked", detail=""),
    event(4, "asking", **QUESTION),
    event(5, "answered", question_id="q1", text="once", by="pocket"),
    event(6, "text", text="It is *tidy*."),
    event(7, "ended", outcome="done", text=""),
]


def test_a_task_is_one_card_from_its_words_to_its_outcome() -> None:
    card = only(conversation(*STORY))

    assert (card.words, card.over, card.state) == ("tidy up", True, "done")
    assert list(card.standing()) == []
    said = words(card.body)
    assert said.index("Looked") < said.index("? Move?") < said.index("answered: once, by pocket") < said.index("✓ done")
    assert [one.text for one in card.body if one.how is How.MARKDOWN] == ["It is *tidy*."]


def test_what_is_told_again_after_another_process_took_over_changes_nothing() -> None:
    made = conversation(*STORY, *STORY[1:])

    assert words(only(made).body).count("✓ done") == 1
    assert made.take(dict(STORY[3])) is None


def test_a_question_is_open_with_its_whole_preview_until_it_is_closed_by_whomever() -> None:
    open_card = only(conversation(*STORY[:5]))
    assert open_card.question is not None
    assert open_card.question["detail"] == "`a` → `b`"

    ended = only(conversation(*STORY[:5], event(5, "ended", outcome="timed_out", text="", reason="NOBODY_ANSWERED")))
    assert ended.question is None


def test_partial_text_grows_and_gives_way_to_the_whole() -> None:
    made = conversation(*STORY[:3])
    partial = {**HERE, "event": "text", "partial": True, "task_id": TASK}

    made.take({**partial, "delta": "It ", "offset": 0})
    made.take({**partial, "delta": "is", "offset": 3})
    assert only(made).partial == "It is"

    made.take({**partial, "delta": "It is", "offset": 0})
    assert only(made).partial == "It is"  # it begins anew, as after a new session
    made.take(event(4, "text", text="It is tidy."))
    assert only(made).partial == ""


def test_what_was_not_sent_says_so_and_can_be_sent_again_or_dropped() -> None:
    told = STANDS | {"state": "not_sent", "reason": "NO_NETWORK", "advice": "Look.", "answer": "Nothing was sent."}
    card = only(conversation(told))

    assert "not sent" in words(list(card.standing()))
    assert (card.sendable, card.droppable, card.cancellable, card.steerable) == (True, True, False, False)


def test_a_task_that_the_relay_says_was_refused_and_the_host_took_is_as_the_host_says() -> None:
    card = only(conversation(STANDS | {"state": "refused", "reason": "HOST_ASLEEP"}, *STORY))

    assert card.over
    assert list(card.standing()) == []


def test_threads_of_two_computers_are_apart_and_marks_stand_between_tasks() -> None:
    other = {"host": "attic", "pair_id": "bb", "thread": "t2"}
    made = conversation(
        {**HERE, "event": "paired", "number": 1, "at": 1, "again": False},
        {**other, "event": "accepted", "number": 1, "at": 1, "task_id": TASK, "text": "other", "attempt": 1},
        {**HERE, "event": "accepted", "number": 2, "at": 2, "task_id": TASK, "text": "this", "attempt": 1},
    )

    assert [card.words for card in made.cards("t1")] == ["", "this"]
    assert [card.words for card in made.cards("t2")] == ["other"]


def test_nothing_of_a_stranger_commands_the_terminal() -> None:
    evil = "\x1b[2J\u202e[red]x"
    card = only(conversation(event(1, "accepted", text=evil, attempt=1), event(2, "step", title=evil, detail="")))

    head = card.head()
    assert head is not None
    assert "\x1b" not in head.text + words(card.body)
    assert "\u202e" not in head.text + words(card.body)
