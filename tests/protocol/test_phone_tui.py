"""The phone as a screen, on a real relay: what a person sees and presses, and what the computer gets of it."""

from __future__ import annotations

import os
import signal
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from dispatch import errors
from dispatch.api.error.v1.error_pb2 import Reason
from dispatch.api.thread.v1 import thread_pb2 as words
from dispatch.device.home import Home
from dispatch.words import Language
from mobile_sim.model import Model
from mobile_sim.tui.phone_app import PhoneApp

from tests.support.host_end import HostEnd
from tests.support.phone_model import ModelServer, says
from tests.support.phone_screen import phone_screen
from tests.support.processes import Process
from tests.support.relay import QUICK, Relay
from tests.support.seeded_phone import UNHURRIED, SeededPhone
from tests.support.waiting import DEADLINE_SECONDS, until

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
        self.begun: list[str] = []
        self.cancelled: list[str] = []

    async def _run(self, command: words.UpCommand) -> None:
        action, task_id = words.Action.FromString(command.action), command.task_id
        match action.WhichOneof("action"):
            case "task":
                self.begun.append(task_id.hex())
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
                self.cancelled.append(task_id.hex())
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


async def test_who_was_slower_types_into_nothing(phone: SeededPhone, relay: Relay) -> None:
    mind, device = phone.pair(relay.trust, [relay.address])
    host = Asking(mind, device, relay.address)
    host.question = words.Question(question_id=os.urandom(16), text="Which name?")
    async with host, phone_screen(phone.path, patience=phone.patience) as screen:
        await screen.send("rename it")
        await screen.shows("? The agent asks: Which name?", "your answer")
        await screen.press("up", "a", "f", "o")
        await screen.shows("fo")

        task_id = bytes.fromhex(host.begun[0])
        answered = words.Answered(question_id=host.question.question_id, text="bar", by="desk")
        await host.say(task_id=task_id, answered=answered)

        await screen.shows("answered: bar, by desk")
        await screen.shows_no_more("fo ")
        await screen.press("c", "x", "enter")  # neither an answer, nor a task, nor a key of the card
        await screen.pilot.pause()
        assert host.answers == []
        assert len(host.begun) == 1
        assert host.cancelled == []


async def test_what_came_too_late_and_what_was_missed_stand_in_the_thread(phone: SeededPhone, relay: Relay) -> None:
    mind, device = phone.pair(relay.trust, [relay.address])
    host = Asking(mind, device, relay.address)
    async with host, phone_screen(phone.path, patience=phone.patience, size=(100, 40)) as screen:
        await screen.send("tidy up")
        await screen.shows("? Move them?")

        late = words.SteerRefused(text="only the PDFs", reason=Reason.REASON_NOT_STEERABLE)
        missed = words.Missed(text="back up", count=1, reason=Reason.REASON_RUN_MISSED)
        await host.say(task_id=bytes.fromhex(host.begun[0]), steer_refused=late)
        await host.say(missed=missed)

        await screen.shows("! Came too late: only the PDFs", "— not done, ", ": back up —")
        await screen.shows(errors.RunMissed.sentence)


async def test_who_answers_is_decided_by_the_phone_or_by_a_key_and_the_thread_says_who_did(
    phone: SeededPhone, relay: Relay
) -> None:
    mind, device = phone.pair(relay.trust, [relay.address])
    host = HostEnd(mind, device, relay.address)
    with ModelServer(says("Ulaanbaatar.")) as model:
        Model(url=model.url, name="tiny").keep(Home(phone.path))
        async with host, phone_screen(phone.path, patience=phone.patience, size=(80, 30)) as screen:
            await screen.send("What is the capital of Mongolia?")
            await screen.shows("Ulaanbaatar.", "✓ done, answered here")
            assert host.ran == []

            await screen.press("ctrl+r")
            await screen.shows("→ to the computer")
            await screen.send("What is the capital of Peru?")
            await screen.shows("→ to desk: you said so", "All done.")
            assert len(host.ran) == 1

            await screen.press("ctrl+r")
            await screen.shows("→ answered by this phone")
            await screen.send("What are the largest files?")
            await until(lambda: len(model.asked) == 2)
            await screen.press("ctrl+r")
            await screen.shows_no_more("→ answered by this phone")
    assert len(host.ran) == 1


@pytest.mark.big
async def test_the_screen_speaks_the_language_of_the_person_throughout(phone: SeededPhone, relay: Relay) -> None:
    mind, device = phone.pair(relay.trust, [relay.address])
    host = Asking(mind, device, relay.address)
    german = Language.GERMAN
    async with host, phone_screen(phone.path, patience=phone.patience, size=(100, 40), language=german) as screen:
        await screen.shows(
            "● desk  verbunden", "Was ist zu tun? Enter sendet.", "f1 Hilfe", "f5 Einstellungen", "^q Ende"
        )
        await screen.send("aufräumen")
        await screen.shows("? Move them?", "desk fragt dich")
        await screen.press("up")
        await screen.shows("a Antworten", "c Abbrechen", "s Dazu sagen", "esc Schreiben")
        await screen.press("s")
        await screen.shows("Was soll die Aufgabe noch wissen?", "esc Zurück")
        screen.picture("german")
        await screen.press("escape", "f1")
        await screen.shows("Tasten", "Schreib, was zu tun ist")
        await screen.press("f2")
        await screen.shows("Computer", "▸ desk  verbunden", "p Koppeln", "t Prüfen", "u Entkoppeln")
        await screen.press("u")
        await screen.shows("desk entkoppeln?", "Entkoppeln", "Nein", "esc Nein")
        await screen.press("escape", "p")
        await screen.shows("Mit einem Computer koppeln", "/pfad/zum/bild.png")
        await screen.press("f3")
        await screen.shows("Dateien", "Noch keine Dateien.", "r Neu ansehen")
        await screen.press("f4")
        await screen.shows("Ausgang", "Nichts wartet darauf", "x Verwerfen")
        await screen.press("f5")
        await screen.shows("Einstellungen", "Wer dieses Telefon ist", "pocket, angemeldet als ada bei")
        await screen.press("down", "enter")
        await screen.shows("Anmelden", "Dein Konto; nichts", "esc Zurück")


async def test_words_for_a_running_task_and_its_cancellation(phone: SeededPhone, relay: Relay) -> None:
    mind, device = phone.pair(relay.trust, [relay.address])
    host = Asking(mind, device, relay.address)
    async with host, phone_screen(phone.path, patience=phone.patience) as screen:
        await screen.send("tidy up")
        await screen.shows("? Move them?")

        await screen.press("up", "s")
        await screen.shows("Say more to this task:")
        await screen.write("only the PDFs")
        await screen.press("enter")
        await screen.shows("was told: only the PDFs")
        await screen.press("c")
        await screen.shows("✗ cancelled")

    assert host.steered == ["only the PDFs"]


@pytest.mark.big
async def test_what_was_not_sent_is_dropped_from_the_outbox_when_the_person_is_sure(
    phone: SeededPhone, relay: Relay
) -> None:
    phone.pair(relay.trust, [relay.address])
    await relay.stop()
    async with phone_screen(phone.path, patience=replace(phone.patience, connect_seconds=0.2)) as screen:
        await screen.send("build it")
        await screen.shows("✗ not sent")
        await screen.press("f4")
        await screen.shows("build it  not sent")

        await screen.press("x")
        await screen.shows("Drop it?")
        await screen.press("enter", "down", "down", "enter")  # Enter alone says nothing; the second is a no
        await screen.shows("build it  not sent")
        await screen.press("x", "down", "enter")

        await screen.shows("Nothing waits to be sent again.")
        await screen.press("escape")
        await screen.shows_no_more("build it")


@pytest.mark.big
async def test_without_a_network_nothing_is_sent_and_the_words_wait_for_the_persons_own_resend(
    phone: SeededPhone, relay: Relay
) -> None:
    mind, device = phone.pair(relay.trust, [relay.address])
    await relay.stop()
    async with phone_screen(phone.path, patience=replace(phone.patience, connect_seconds=0.2)) as screen:
        await screen.send("build it")
        await screen.shows("build it", "Nothing was", "✗ not sent")
        await screen.press("f4")
        await screen.shows("Outbox", "build it  not sent")
        screen.picture("outbox")
        await relay.start(until_serving=False)
        await screen.press("escape")
        await screen.shows("desk  absent")  # the relay is there, and has not met the computer
        async with HostEnd(mind, device, relay.address) as host:
            await screen.shows("● desk  reachable")
            assert host.ran == []

            await screen.press("up", "r")

            await screen.shows("✓ done")
            assert len(host.ran) == 1


async def test_what_the_phone_refuses_itself_leaves_the_words_where_they_were(phone: SeededPhone, relay: Relay) -> None:
    phone.pair(relay.trust, [relay.address])
    async with phone_screen(phone.path, patience=phone.patience) as screen:
        await screen.send("/schedule every day: tidy up")

        await screen.shows("dispatch-host schedule")
        await screen.shows("/schedule every day: tidy up")


async def test_a_computer_that_is_away_is_shown_with_its_cause_and_another_is_one_key_away(
    phone: SeededPhone, relay: Relay
) -> None:
    mind, device = phone.pair(relay.trust, [relay.address], host="desk")
    other, at_attic = phone.pair(relay.trust, [relay.address], host="attic")
    desk, attic = HostEnd(mind, device, relay.address), HostEnd(other, at_attic, relay.address)
    async with desk, attic, phone_screen(phone.path, patience=phone.patience) as screen:
        await screen.shows("● desk  reachable", "[2 computers]")
        await desk.close()
        await screen.shows("○ desk  absent, since", "Dispatch is not running")
        await screen.send("build it")
        await screen.shows("✗ refused; it never ran")
        screen.picture("away")

        await screen.press("ctrl+t")
        await screen.shows("● attic  reachable")
        await screen.shows_no_more("build it")
        await screen.send("and you?")
        await screen.shows("✓ done")

    assert (len(desk.ran), len(attic.ran)) == (0, 1)


async def test_a_window_that_another_lies_on_has_what_changed_when_the_person_comes_back_to_it(
    phone: SeededPhone, relay: Relay
) -> None:
    # It had the computers as they were before: right after pairing, it could say that there is none.
    mind, device = phone.pair(relay.trust, [relay.address])
    desk = HostEnd(mind, device, relay.address)
    async with desk, phone_screen(phone.path, patience=phone.patience) as screen:
        await screen.press("f2")
        await screen.shows("Computers", "desk  reachable")
        await screen.press("p")
        await screen.shows("Pair with a computer")
        await desk.close()
        app = screen.app
        assert isinstance(app, PhoneApp)
        await until(lambda: app.status["hosts"][0]["reachability"] == "absent")

        await screen.press("escape")

        await screen.shows("Computers", "desk  absent")


@pytest.mark.big
async def test_the_screen_goes_on_when_the_process_that_owned_the_home_ends(phone: SeededPhone, relay: Relay) -> None:
    mind, device = phone.pair(relay.trust, [relay.address])
    async with HostEnd(mind, device, relay.address) as host:
        host.works = False
        owner = await Process.start("dispatch-phone", "send", "first", "--home", str(phone.path))
        await owner.event("handed_over")
        async with phone_screen(phone.path, patience=phone.patience) as screen:
            await screen.shows("first", "● desk")
            owner.signal(signal.SIGKILL)
            await owner.ended()
            host.works = True

            await screen.send("second")

            await screen.shows("first", "second", "✓ done")
