"""The phone as a screen, on a real relay: what a person sees and presses, and what the computer gets of it."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from dispatch.api.thread.v1 import thread_pb2 as words

from tests.support.host_end import HostEnd
from tests.support.phone_screen import phone_screen
from tests.support.relay import QUICK, Relay
from tests.support.seeded_phone import UNHURRIED, SeededPhone
from tests.support.waiting import DEADLINE_SECONDS

PREVIEW = "Moves 2 files:\n\n- `a.txt` → `old/a.txt`\n- `[bold]b.txt` → `old/`"


class Asking(HostEnd):
    """A host that asks before it is done."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.question = words.Question(
            question_id=os.urandom(16), text="Move them?", action_digest=bytes(32), preview=PREVIEW, rule="move files"
        )
        self.answers: list[words.Answer] = []
        self.steered: list[str] = []

    async def _run(self, command: words.UpCommand) -> None:
        action, task_id = words.Action.FromString(command.action), command.task_id
        match action.WhichOneof("action"):
            case "task":
                await self.accept(command)
                await self.say(task_id=task_id, started=words.Started(agent="by hand"))
                await self.say(task_id=task_id, step=words.Step(title="Looked at [red]both[/red]"))
                await self.say(task_id=task_id, question=self.question)
            case "answer":
                self.answers.append(action.answer)
                said = action.answer
                answered = words.Answered(
                    question_id=said.question_id, approval=said.approval, text=said.text, by="pocket"
                )
                await self.say(task_id=task_id, answered=answered)
            case "steer":
                self.steered.append(action.steer.text)
                await self.say(task_id=task_id, steered=words.Steered(text=action.steer.text))
            case _:
                await super()._run(command)


@pytest.fixture
async def relay(tmp_path: Path) -> AsyncIterator[Relay]:
    async with Relay(tmp_path / "relay", settings=replace(QUICK, lease_ms=60_000)) as running:
        yield running


@pytest.fixture
def phone(tmp_path: Path) -> SeededPhone:
    made = SeededPhone.make(tmp_path / "phone")
    made.patience = replace(UNHURRIED, sync_seconds=DEADLINE_SECONDS, cancelled_seconds=DEADLINE_SECONDS)
    return made


async def test_a_task_goes_and_its_answer_is_on_its_card(phone: SeededPhone, relay: Relay) -> None:
    mind, device = phone.pair(relay.trust, [relay.address])
    async with (
        HostEnd(mind, device, relay.address) as host,
        phone_screen(phone.path, patience=phone.patience) as screen,
    ):
        await screen.shows("● desk  reachable")

        await screen.send("Which files are [b]largest[/b]?")

        await screen.shows("Which files are [b]largest[/b]?", "· Looked", "All done.", "✓ done")
        assert len(host.ran) == 1
        screen.picture("thread")


async def test_a_question_is_answered_on_its_card_and_enter_alone_answers_nothing(
    phone: SeededPhone, relay: Relay
) -> None:
    mind, device = phone.pair(relay.trust, [relay.address])
    host = Asking(mind, device, relay.address)
    async with host, phone_screen(phone.path, patience=phone.patience) as screen:
        await screen.send("tidy up")
        await screen.shows("? Move them?", "a.txt → old/a.txt", "[bold]b.txt", "always", "deny")
        screen.picture("question")

        await screen.press("up", "a", "enter", "enter")  # by its key
        await screen.press(
            "up", "down", "shift+tab", "tab", "enter"
        )  # or however one gets there: what was marked is no more
        await screen.pilot.pause()
        assert host.answers == []

        await screen.press("down", "down", "enter")
        await screen.shows("answered: task, by pocket")
        await screen.shows_no_more("a.txt → old/a.txt")

    assert host.answers == [words.Answer(question_id=host.question.question_id, approval=words.APPROVAL_TASK)]
