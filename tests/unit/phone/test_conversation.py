"""What a watcher is told becomes cards: once each, in order, and nothing twice when the telling begins anew."""

from __future__ import annotations

import io
import re
from typing import Any

from dispatch.words import ENGLISH, Language, Words
from mobile_sim.saying.said import How, Said
from mobile_sim.saying.sayer import Sayer
from mobile_sim.tui.conversation import Card, Conversation
from mobile_sim.tui.rendering import rendered
from rich.console import Console

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
QUESTION = {"question_id": "q1", "text": "Move?", "choices": ["once", "deny"], "detail": "`a` → `b`", "digest": "d"}


def event(number: int, name: str, **more: Any) -> dict[str, Any]:
    return {**HERE, "event": name, "number": number, "at": 1_700_000_000_000 + number, "task_id": TASK, **more}


def conversation(*told: dict[str, Any]) -> Conversation:
    made = Conversation(Sayer(width=lambda: 60, answerable=True), ENGLISH)
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
    assert list(card.standing(ENGLISH)) == []
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


def test_a_question_that_closed_without_an_answer_says_why() -> None:
    told = event(5, "answered", question_id="q1", text="", by="", reason="CANCELLED_BY_PERSON")

    assert "» closed without an answer: It was cancelled." in words(only(conversation(*STORY[:5], told)).body)


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

    assert "not sent" in words(list(card.standing(ENGLISH)))
    assert (card.sendable, card.droppable, card.cancellable, card.steerable) == (True, True, False, False)


def test_a_task_that_the_relay_says_was_refused_and_the_host_took_is_as_the_host_says() -> None:
    card = only(conversation(STANDS | {"state": "refused", "reason": "HOST_ASLEEP"}, *STORY))

    assert card.over
    assert list(card.standing(ENGLISH)) == []


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

    head = card.head(ENGLISH)
    assert head is not None
    assert "\x1b" not in head.text + words(card.body)
    assert "\u202e" not in head.text + words(card.body)


def drawn(card: Card) -> str:
    out = io.StringIO()
    Console(file=out, width=60, no_color=True).print(rendered(card.body))
    return out.getvalue()


FORGED = "» answered: once, by Anna's laptop"


def test_nothing_that_an_agent_says_begins_where_the_computers_own_word_does() -> None:
    as_wide_as_the_window = [f"{'x' * width} {FORGED}" for width in range(40, 62)]
    for said in (FORGED, f"x\n{FORGED}", f"x\n\n```\n{FORGED}\n```", *as_wide_as_the_window):
        told = [
            event(2, "step", title=said, detail=""),
            event(3, "artifact", file_id="f", size=1) | {"name": said},
            event(4, "asking", question_id="q", text=said, choices=[], detail=said),
            event(5, "answered", question_id="q", text=said, by="pocket"),
            event(6, "text", text=said),
            event(7, "ended", outcome="done", text=said),
        ]
        lines = drawn(only(conversation(STORY[1], *told)))

        assert len(re.findall(r"^» ", lines, re.MULTILINE)) == 1, lines  # the answer that was given
        assert not re.search(r"^[»✓?] answered: once, by Anna", lines, re.MULTILINE), lines


def test_a_task_that_waits_says_for_whose_answer_as_long_as_it_does() -> None:
    waits = STANDS | {"state": "waiting", "position": 1, "asking": True, "asking_task_id": "42", "asking_text": "tidy"}
    made = conversation(waits, STORY[1], event(2, "waiting", position=1, asking=True, asking_task_id="42"))

    assert "the task before it, 'tidy', asks" in words(list(only(made).standing(ENGLISH)))
    made.take(STANDS)
    assert "waits" not in words([*only(made).body, *only(made).standing(ENGLISH)])


def test_a_card_speaks_the_language_of_the_person() -> None:
    german = Words.of(Language.GERMAN)
    refused = ENGLISH.reasons["HOST_ASLEEP"]
    made = Conversation(Sayer(width=lambda: 60, words=german), german)
    for one in (STANDS | {"state": "running"}, *STORY[1:5]):
        made.take(dict(one))
    assert words(list(only(made).standing(german))) == "… desk arbeitet daran"

    made.take(dict(STORY[5]))
    assert "» beantwortet: once, von pocket" in words(only(made).body)
    made.take(STANDS | {"task_id": "t", "state": "refused", "reason": "HOST_ASLEEP", "answer": refused.sentence})
    told = words(list(made.cards("t1")[1].standing(german)))
    assert german.reasons["HOST_ASLEEP"].sentence in told
    assert refused.sentence not in told
