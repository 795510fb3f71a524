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
