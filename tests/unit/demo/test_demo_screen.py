"""The demo shows a task with the signs that the phone shows it with: who watched one reads the other."""

from __future__ import annotations

import io
from typing import Any

import pytest
from dispatch.cli import Console
from mobile_sim.screen import Screen as PhoneScreen

from deploy.demo.screen import Screen

TASK = {"task_id": "11111111-2222-3333-4444-555555555555", "host": "desk", "at": 1_700_000_000_000}


def first_line(text: str) -> str:
    return next(line.strip() for line in text.splitlines() if line.strip())


def on_phone(event: dict[str, Any]) -> str:
    out = io.StringIO()
    PhoneScreen(Console(as_json=False, out=out, colour=False), terminal=False).say({**TASK, **event})
    return first_line(out.getvalue())


def in_demo(event: dict[str, Any]) -> str:
    out = io.StringIO()
    Screen(out, colour=False).event({**TASK, **event})
    return first_line(out.getvalue())


@pytest.mark.parametrize(
    "event",
    [
        {"event": "step", "title": "Looking at the names", "detail": ""},
        {"event": "asking", "text": "May I rename 3 files?", "choices": [], "detail": "", "digest": "ab"},
        {"event": "asking", "text": "Which folder?", "choices": [], "detail": ""},
        {"event": "answered", "text": "once", "by": "Pocket"},
    ],
)
def test_a_task_goes_in_the_words_and_signs_of_the_phone(event: dict[str, Any]) -> None:
    assert in_demo(event) == on_phone(event)


@pytest.mark.parametrize(
    "event",
    [{"event": "done", "state": "done"}, {"event": "refused", "state": "refused", "reason": "HOST_APP_CLOSED"}],
)
def test_it_ends_in_the_words_and_signs_of_the_phone(event: dict[str, Any]) -> None:
    out = io.StringIO()
    Screen(out, colour=False).outcome({**TASK, **event}, seconds=1.0)

    assert first_line(out.getvalue()).startswith(on_phone(event))
