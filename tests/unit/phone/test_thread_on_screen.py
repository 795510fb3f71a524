"""The thread on a person's screen."""

from __future__ import annotations

import io

from dispatch.cli import Console
from mobile_sim.screen import Screen


def test_the_thread_shows_what_the_person_asked_above_what_came_of_it() -> None:
    out = io.StringIO()
    screen = Screen(Console(as_json=False, out=out, colour=False), terminal=False)

    for event in (
        {"event": "accepted", "number": 2, "at": 0, "task_id": "t", "text": "how many?", "attempt": 1, "host": "desk"},
        {"event": "text", "number": 3, "at": 0, "task_id": "t", "text": "Three.", "host": "desk"},
        {"event": "ended", "number": 4, "at": 0, "task_id": "t", "outcome": "done", "text": "", "host": "desk"},
    ):
        screen.say(event)

    shown = out.getvalue()
    assert shown.index("how many?") < shown.index("Three.") < shown.index("done")


def test_a_line_stands_under_the_task_that_it_is_about_also_where_tasks_overlap() -> None:
    out = io.StringIO()
    screen = Screen(Console(as_json=False, out=out, colour=False), terminal=False)
    status = {"task_id": "a", "at": 0, "host": "desk"}
    delete = {"task_id": "b", "at": 0, "host": "desk"}

    for event in (
        status | {"event": "accepted", "number": 1, "text": "git status", "attempt": 1},
        status | {"event": "started", "number": 2, "agent": "built-in"},
        delete | {"event": "accepted", "number": 3, "text": "delete pic.png", "attempt": 1},
        delete | {"event": "waiting", "number": 4, "position": 1},
        status | {"event": "answered", "number": 5, "text": "once", "by": "pocket"},
        status | {"event": "ended", "number": 6, "outcome": "done", "text": ""},
        delete | {"event": "started", "number": 7, "agent": "built-in"},
        delete | {"event": "ended", "number": 8, "outcome": "failed", "reason": "NOT_PERMITTED", "text": ""},
    ):
        screen.say(event)

    lines = [line.partition("  ")[2] or line for line in out.getvalue().splitlines() if line]
    assert lines == [
        "git status",
        "delete pic.png",
        "git status (goes on)",
        "» answered: once, by pocket",
        "✓ done",
        "delete pic.png (goes on)",
        "✗ failed: NOT_PERMITTED",
    ]
