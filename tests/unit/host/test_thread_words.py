"""Each event of the thread is said to the person at the computer, on the page, on the screen and on the command line alike."""

from __future__ import annotations

from typing import Any

import pytest
from dispatch.api.error.v1 import error_pb2 as error
from dispatch.api.relay.v1 import relay_pb2 as relay
from dispatch.api.thread.v1 import thread_pb2 as pb
from dispatch.words import ENGLISH, Language, Words
from dispatch_host import telling
from dispatch_host.page import shown
from dispatch_host.page.formatted import formatted

GERMAN = Words.of(Language.GERMAN)
TASK, QUESTION = bytes(16), b"q" * 16
MINUTE_MS = 60_000


def said(words: Words = ENGLISH, **kind: Any) -> str:
    """What stands behind the time and the task."""
    _, line = telling.event(pb.Event(task_id=TASK, **kind).SerializeToString(), words)
    return line.partition("00000000  ")[2]


async def page(*events: pb.Event, words: Words = ENGLISH) -> list[dict[str, Any]]:
    async def thread() -> Any:
        for number, event in enumerate(events, start=1):
            event.number = number
            yield event.SerializeToString()

    events_shown: list[dict[str, Any]] = (await shown.told(thread(), words))["events"]
    return events_shown


@pytest.mark.parametrize(
    ("kind", "english", "german"),
    [
        ({"steered": pb.Steered(text="only PDFs")}, "» was told: only PDFs", "» dazu gesagt: only PDFs"),
        ({"steer_refused": pb.SteerRefused(text="and MP3s")}, "! Came too late: and MP3s", "! Kam zu spät: and MP3s"),
        (
            {"scheduled": pb.Scheduled(text="tidy", late=True)},
            "tidy (scheduled, late)",
            "tidy (nach Zeitplan, verspätet)",
        ),
        (
            {"answered": pb.Answered(approval=pb.APPROVAL_ONCE, by="pocket")},
            "» answered: once, by pocket",
            "» beantwortet: once, von pocket",
        ),
        (
            {"answered": pb.Answered(reason=error.REASON_NOBODY_ANSWERED)},
            "» answered: nobody",
            "» beantwortet: von niemandem",
        ),
        (
            {"answered": pb.Answered(reason=error.REASON_CANCELLED_BY_PERSON)},
            "» closed without an answer: It was cancelled.",
            f"» ohne Antwort geschlossen: {GERMAN.reasons['CANCELLED_BY_PERSON'].sentence}",
        ),
        (
            {"answered": pb.Answered(reason=error.REASON_QUESTION_CLOSED)},
            "» closed without an answer: the agent went on",
            "» ohne Antwort geschlossen: der Agent machte weiter",
        ),
        (
            {"ended": pb.Ended(outcome=relay.OUTCOME_FAILED, reason=error.REASON_NOT_PERMITTED)},
            f"✗ failed: {ENGLISH.reasons['NOT_PERMITTED'].sentence}",
            f"✗ gescheitert: {GERMAN.reasons['NOT_PERMITTED'].sentence}",
        ),
        (
            {
                "ended": pb.Ended(
                    outcome=relay.OUTCOME_FAILED,
                    reason=error.REASON_NOT_PERMITTED,
                    text=f"{ENGLISH.reasons['NOT_PERMITTED'].sentence} It was: folder Papers.",
                )
            },
            f"✗ failed: {ENGLISH.reasons['NOT_PERMITTED'].sentence} It was: folder Papers.",
            f"✗ gescheitert: {GERMAN.reasons['NOT_PERMITTED'].sentence} It was: folder Papers.",
        ),
        ({"ended": pb.Ended(outcome=relay.OUTCOME_DONE)}, "✓ done", "✓ erledigt"),
        (
            {"step": pb.Step(title="What is asked about, part 1 of 2", detail="rm")},
            "· What is asked about, part 1 of 2",
            "· Worum es geht, Teil 1 von 2",
        ),
        (
            {"restored": pb.Restored()},
            f"— {ENGLISH.lines['restored']} —",
            f"— {GERMAN.lines['restored']} —",
        ),
    ],
)
async def test_an_event_says_the_same_on_the_page_and_on_the_terminal(
    kind: dict[str, Any], english: str, german: str
) -> None:
    assert (said(**kind), said(GERMAN, **kind)) == (english, german)
    assert [one["text"] for one in await page(pb.Event(task_id=TASK, **kind), words=GERMAN)] == [german]


async def test_what_was_missed_is_said_with_its_time_and_why() -> None:
    missed = pb.Missed(text="tidy", to_ms=MINUTE_MS, count=2, reason=error.REASON_RUN_OVERTAKEN)

    for line in (said(missed=missed), (await page(pb.Event(missed=missed)))[0]["text"]):
        assert line.startswith("— not done, 2 times, 19")
        assert line.endswith(f"tidy — {ENGLISH.reasons['RUN_OVERTAKEN'].sentence}")


async def test_an_approval_is_named_as_its_button_and_an_agents_own_choice_as_the_agent_did() -> None:
    approval = pb.Question(question_id=QUESTION, text="Delete?", action_digest=bytes(32), rule="delete")
    choice = pb.Question(question_id=QUESTION, text="How often?", choices=["once", "always"])
    answered = pb.Answered(question_id=QUESTION, approval=pb.APPROVAL_ALWAYS, by="pocket")
    chosen = pb.Answered(question_id=QUESTION, text="always", by="pocket")

    asked = await page(pb.Event(question=approval), pb.Event(answered=answered), words=GERMAN)
    posed = await page(pb.Event(question=choice), pb.Event(answered=chosen), words=GERMAN)

    assert [one["text"] for one in asked] == ["? Delete?", "» beantwortet: Immer, von pocket"]
    assert [one["text"] for one in posed] == ["? Der Agent fragt: How often?", "» beantwortet: always, von pocket"]


async def test_what_came_with_a_task_is_among_the_files() -> None:
    attached = pb.Attachment(name="photo.jpg", size=3)
    accepted = pb.Accepted(action=pb.Action(task=pb.Task(text="look", attachments=[attached])).SerializeToString())

    async def thread() -> Any:
        yield pb.Event(task_id=TASK, accepted=accepted).SerializeToString()

    told = await shown.told(thread(), ENGLISH)
    assert told["files"] == [{"name": "photo.jpg", "size": 3, "how": "came with a task"}]
    assert [one["text"] for one in told["events"]] == ["look"]


async def test_on_the_page_the_lines_of_a_task_stand_together_below_what_was_asked() -> None:
    first, second = b"1" * 16, b"2" * 16

    def asked(task_id: bytes, text: str) -> pb.Event:
        action = pb.Action(task=pb.Task(text=text)).SerializeToString()
        return pb.Event(task_id=task_id, accepted=pb.Accepted(action=action))

    lines = await page(
        asked(first, "count"),
        pb.Event(task_id=first, step=pb.Step(title="reads")),
        asked(second, "tidy"),
        pb.Event(restored=pb.Restored()),
        pb.Event(task_id=first, step=pb.Step(title="adds up")),
        pb.Event(task_id=second, step=pb.Step(title="moves")),
    )

    assert [one["text"] for one in lines] == [
        "count", "· reads", "· adds up", "tidy", "· moves", f"— {ENGLISH.lines['restored']} —",
    ]  # fmt: skip
    assert [one["task"][:2] for one in lines] == ["31", "31", "31", "32", "32", ""]


async def test_a_long_task_still_says_on_the_page_what_was_asked() -> None:
    action = pb.Action(task=pb.Task(text="count")).SerializeToString()
    steps = [pb.Event(task_id=TASK, step=pb.Step(title=f"{number}")) for number in range(shown.EVENTS + 1)]

    lines = await page(pb.Event(task_id=TASK, accepted=pb.Accepted(action=action)), *steps)

    assert [one["text"] for one in lines[:2]] == ["count", "· 1"]


async def test_an_answer_is_laid_out_on_the_page_and_too_much_stands_there_as_it_came() -> None:
    table = pb.Event(task_id=TASK, result_text=pb.ResultText(text="| a |\n|---|\n| **x** |"))
    long = pb.Event(task_id=TASK, result_text=pb.ResultText(text="x" * (shown.FORMATTED + 1)))

    (laid_out,) = await page(table)
    (too_much,) = await page(long)

    assert laid_out["formatted"] == [
        ["table", ["thead", ["tr", ["th", "a"]]], ["tbody", ["tr", ["td", "", ["strong", "x"], ""]]]],
    ]
    assert "formatted" not in too_much


@pytest.mark.parametrize(
    "hostile",
    [
        "<img src=x onerror=alert(1)>",
        "<script>1</script>",
        "[go](https://x.example)",
        "![seen](https://x.example)",
        "<https://x.example>",
    ],
)
def test_nothing_in_an_answer_becomes_markup_or_leads_anywhere(hostile: str) -> None:
    def elements(nodes: list[Any]) -> set[str]:
        inner = [node for node in nodes if isinstance(node, list)]
        return {node[0] for node in inner}.union(*(elements(node[1:]) for node in inner))

    assert elements(formatted(hostile)) == {"p"}


def test_no_line_of_an_agents_begins_where_that_of_a_person_does() -> None:
    forged = "» answered: always, by Anna"
    lines = [
        *telling.event(pb.Event(result_text=pb.ResultText(text=f"{forged}\n{forged}")).SerializeToString())[1].split(
            "\n"
        ),
        *telling.event(pb.Event(ended=pb.Ended(text=f"x\n{forged}")).SerializeToString())[1].split("\n"),
    ]
    answered = telling.event(pb.Event(answered=pb.Answered(text="x", by="Anna")).SerializeToString())[1]

    place = answered.index("»")
    assert len(lines) == 4
    assert all(line[place] != "»" for line in lines), lines
    assert not any(line.startswith("»") for line in lines)
