"""What a person sees: a status line that changes in place on a terminal only, and nothing of it left behind."""

from __future__ import annotations

import io
import re
from typing import Any

import pytest
from dispatch.cli import Console
from dispatch.device import question_words
from mobile_sim.screen import Screen

TASK = "11111111-2222-3333-4444-555555555555"
EVENTS: list[dict[str, Any]] = [
    {"event": "sent", "attempt": 1},
    {"event": "handed_over", "attempt": 1},
    {"event": "accepted", "attempt": 1},
    {"event": "waiting", "position": 2},
    {"event": "started", "agent": "built-in"},
    {"event": "step", "title": "Looking at the sizes", "detail": ""},
    {"event": "text", "partial": True, "delta": "Som", "offset": 0},
    {"event": "text", "text": "| a | b |\n|---|---|\n| 1 | 2 |"},
    {"event": "out_of_contact", "reason": "HOST_ASLEEP", "text": "Asleep.", "advice": "Wait."},
    {"event": "back"},
    {"event": "done", "state": "done", "attempt": 1, "text": "| a | b |\n|---|---|\n| 1 | 2 |"},
]


def shown(events: list[dict[str, Any]], *, terminal: bool, colour: bool = False) -> str:
    out = io.StringIO()
    screen = Screen(Console(as_json=False, out=out, colour=colour), terminal=terminal)
    for event in events:
        screen.say({"task_id": TASK, "host": "desk", "at": 1_700_000_000_000, **event})
    screen.clear()
    return out.getvalue()


def left(text: str) -> str:
    """What stands on the terminal at the end."""
    lines = [line.rpartition("\r\x1b[2K")[2] for line in text.split("\n")]
    return re.sub(r"\x1b\[[0-9;]*m", "", "\n".join(lines))


def test_off_a_terminal_there_are_plain_lines_and_no_control_signs() -> None:
    text = shown(EVENTS, terminal=False)

    assert "\x1b" not in text
    assert "\r" not in text
    assert "→ sent to desk\n" in text
    assert "| 1 | 2 |" in text
    assert "Som" not in text  # what is told live is in the answer


def test_on_a_terminal_the_status_line_is_gone_at_the_end() -> None:
    end = left(shown(EVENTS, terminal=True))

    assert "sent to desk" not in end
    assert "works on it" not in end
    assert "Looking at the sizes" in end
    assert "Out of contact: Asleep." in end
    assert "✓ done" in end
    assert "|---|" not in end  # a table is drawn, not spelled out


def test_each_state_that_a_send_can_end_in_is_shown_with_its_reason_and_advice() -> None:
    for state in ("refused", "not_sent", "failed", "out_of_contact", "sent", "unconfirmed"):
        line = {"event": state, "state": state, "text": "Words.", "reason": "A_REASON", "advice": "Do this."}
        text = shown([line], terminal=False)

        assert state.replace("_", " ") in text
        assert all(part in text for part in ("Words.", "A_REASON", "Do this."))


def test_a_thread_shows_words_and_results_and_not_how_tasks_once_stood() -> None:
    thread = [
        {"event": "paired", "number": 1, "again": False},
        {"event": "accepted", "number": 2, "text": "Which files are largest?"},
        {"event": "started", "number": 3, "agent": "built-in"},
        {"event": "text", "number": 4, "text": "The largest is *this*."},
        {"event": "ended", "number": 5, "outcome": "done", "text": ""},
    ]
    text = shown(thread, terminal=False)

    assert "Which files are largest?" in text
    assert "The largest is *this*." in text
    assert "✓ done" in text
    assert "works on it" not in text


def test_programs_get_the_events_as_they_are() -> None:
    out = io.StringIO()
    Screen(Console(as_json=True, out=out, colour=False), terminal=False).say({"event": "step", "title": "\x1b[2J"})

    assert out.getvalue() == '{"event": "step", "title": "\\u001b[2J"}\n'


def test_a_task_that_the_operators_policy_kept_from_being_sent_names_it() -> None:
    policy = {"policy": "plans", "current": "team", "required": "pro or max"}
    said = {
        "event": "not_sent",
        "state": "not_sent",
        "reason": "PLAN_NOT_ALLOWED",
        "advice": "Ask.",
        "text": "",
        **policy,
    }

    assert "The service's policy 'plans' wants pro or max; this is team." in shown([said], terminal=False)


def test_the_status_on_the_phone_warns_of_keys_that_are_plain() -> None:
    status = {"event": "status", "signed_in": True, "account": "ada", "server": "s:1", "device": "pocket", "hosts": []}
    status |= {"clock_off_ms": None}

    plain_keys, sealed = (
        shown([{**status, "key_store": kind}], terminal=False) for kind in ("plain file", "sealed file")
    )

    assert "keys: plain file" in plain_keys
    assert "--passphrase-file FILE seals them" in plain_keys
    assert "keys: sealed file" in sealed
    assert "--passphrase-file" not in sealed


TRANSFER = {"event": "transfer", "direction": "to_phone", "file_id": "ab" * 16, "name": "film.mp4", "size": 2_000_000}


def test_a_transfer_is_a_bar_that_moves_on_a_terminal_and_nothing_elsewhere() -> None:
    events = [TRANSFER | {"done": done} for done in (0, 1_000_000, 2_000_000)]

    on_terminal = shown(events, terminal=True)

    assert "↓ film.mp4 [············" in on_terminal
    assert "50%, 1 MB of 2 MB" in on_terminal
    assert "100%, 2 MB of 2 MB" in on_terminal
    assert left(on_terminal) == ""
    assert shown(events, terminal=False) == ""


def test_an_empty_file_is_through_at_once() -> None:
    assert "100%, 0 B of 0 B" in shown([TRANSFER | {"size": 0, "done": 0}], terminal=True)


def test_a_file_that_came_back_says_how_it_is_fetched() -> None:
    artifact = {"event": "artifact", "file_id": "1234567890ab" + "cd" * 10, "name": "a\x1b[31m.txt", "size": 999}

    said = shown([artifact], terminal=False)

    assert "(999 B): dispatch-phone files get 12345678" in said
    assert "\x1b" not in said


COLUMNS = 80
FORGED = "» answered: once, by Anna's laptop"


@pytest.mark.parametrize("terminal", [False, True])
def test_nothing_that_an_agent_says_looks_like_the_computers_own_word(
    terminal: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is answered stands at the beginning of a line; no title, text, preview or question of an agent's gets there."""
    monkeypatch.setenv("COLUMNS", str(COLUMNS))
    filled = "x" * 78 + " " + FORGED  # as wide as the terminal
    for said in (FORGED, f"x\n{FORGED}", filled, f"x\n\n```\n{FORGED}\n```"):
        text = left(
            shown(
                [
                    {"event": "step", "title": said, "detail": ""},
                    {"event": "text", "number": 1, "text": said},
                    {"event": "asking", "text": said, "choices": [], "detail": said},
                    {"event": "done", "state": "done", "text": said},
                ],
                terminal=terminal,
            )
        )
        assert not re.search(r"^[»✓?] answered|^» ", text, re.MULTILINE), text
        # A terminal puts the rest of a line that is too long for it at the beginning of the next.
        assert not terminal or max(map(len, text.splitlines())) <= COLUMNS, text

    real = shown([{"event": "answered", "text": "once", "by": "Anna's laptop"}], terminal=terminal)
    assert f"{FORGED}\n" in left(real)


def test_a_question_of_an_agents_own_is_told_from_an_approval_and_an_approval_says_what_always_holds_for() -> None:
    asks = {"event": "asking", "text": "May I delete it?", "choices": ["once", "deny"]}

    choice, approval = shown([asks], terminal=False), shown([asks | {"digest": "d", "rule": "delete"}], terminal=False)

    assert choice.startswith("? The agent asks: May I delete it?")
    assert approval.startswith("? May I delete it?")
    assert "task and always hold for: delete" in approval


def test_what_is_too_long_for_a_question_is_shown_whole_before_it() -> None:
    part = {"event": "step", "title": question_words.part_title(1, 2), "detail": "rm -rf x"}

    assert "rm -rf x" in shown([part], terminal=False)
    assert "rm -rf x" not in shown([part | {"title": "Cleaning up"}], terminal=False)


def _asking(asks: str, choices: list[str]) -> dict[str, Any]:
    asked = {"state": "asking", "asks": asks, "choices": choices, "asked_for_ms": 180_000, "advice": "Answer it."}
    return asked | {"is_approval": "once" in choices}


def test_a_list_says_what_a_task_asks_where_it_waits_and_who_began_it() -> None:
    listed = {"event": "listed", "asked_at": 1_700_000_000_000, "text": "look"}
    text = shown(
        [
            listed | _asking("Which one?", ["north.csv", "south.csv"]),
            listed | _asking("Run it?", ["once", "deny"]),
            listed | {"state": "waiting", "position": 2, "scheduled": True},
            listed
            | {"state": "waiting", "position": 1, "asking": True, "asking_task_id": "42", "asking_text": "tidy up"},
            listed | {"state": "waiting", "position": 1, "asking": True},
            listed | {"state": "done", "answered": "here"},
        ],
        terminal=False,
    )

    assert "? The agent asks: Which one? (open for 3 min)" in text
    assert "? Run it? (open for 3 min)" in text
    assert "1. north.csv" in text
    assert text.count(f"Answer it: dispatch-phone answer {TASK} 1|2\n") == 1
    assert "1. once" not in text
    assert f"dispatch-phone answer {TASK} once|deny" in text
    assert "look, number 2 in line (scheduled)" in text
    assert "look (answered here)" in text
    assert "It waits for an answer: the task before it, 'tidy up', asks. dispatch-phone answer 42 …" in text
    assert "It waits for an answer to another phone's task, which asks" in text


def test_a_thread_says_what_the_computer_began_itself_and_what_it_missed() -> None:
    missed = {"from": 1_700_000_000_000, "to": 1_700_007_200_000, "count": 3, "text": "look", "reason": "RUN_MISSED"}
    text = shown(
        [
            {"event": "scheduled", "number": 1, "text": "look", "late": True},
            {"event": "missed", "number": 2, **missed},
        ],
        terminal=False,
    )

    assert "look (scheduled, late)" in text
    assert "not done, 3 times, " in text
    assert "The computer was off or asleep when it was due." in text


def test_where_a_task_is_answered_is_a_visible_mark() -> None:
    text = shown(
        [
            {"event": "routed", "where": "host", "text": "it needs the computer"},
            {"event": "done", "state": "done", "answered": "here", "text": "Yes."},
        ],
        terminal=False,
    )

    assert "→ to desk: it needs the computer" in text
    assert "done, answered here" in text
