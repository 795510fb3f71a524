"""The computer's screen speaks the language of the person, whether the host runs or not."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

from dispatch.api.error.v1 import error_pb2 as error
from dispatch.api.host.v1 import host_pb2 as pb
from dispatch.api.thread.v1 import thread_pb2 as thread
from dispatch.device.home import Home
from dispatch.words import Language, Words
from dispatch_host.watch import views
from dispatch_host.watch.host_app import HostApp
from dispatch_host.watch.looking import Look, Looking
from dispatch_host.watch.pair_page import PairPage

from tests.support.screens import Screen

GERMAN = Words.of(Language.GERMAN)
WIDE = (100, 40)


def status() -> pb.GetStatusResponse:
    folder = thread.Permission(kind=thread.PERMISSION_KIND_FOLDER, name="/papers")
    away = pb.PairingStatus(pair_id=bytes(16), phone_name="Tasche", reason=error.REASON_NO_NETWORK)
    current = pb.TaskStatus(task_id=bytes(16), text="aufräumen", phone_name="Tasche", agent="built-in", state="running")
    found = pb.GetStatusResponse(
        running=True,
        device_name="desk",
        account="ada",
        server="x:1",
        pairings=[away],
        running_task=current,
        permissions=thread.Permissions(permissions=[folder]),
        agent="built-in",
    )
    found.keep_awake.state.held = True
    found.keep_awake.state.held_by = "logind"
    return found


def test_how_it_is_is_said_in_german() -> None:
    question = thread.Question(text="Löschen?", action_digest=bytes(32), rule="löschen")
    asked = pb.OpenQuestion(task_id=bytes(16), phone_name="Tasche", task_text="aufräumen", question=question)
    lines = [line.strip() for line in views.now(Look(status=status(), questions=[asked]), GERMAN)]

    for said in (
        "desk: läuft, ada bei x:1",
        f"Tasche: nicht verbunden: {GERMAN.reasons['NO_NETWORK'].sentence}",
        "arbeitet für Tasche (built-in) an: aufräumen",
        "kein Ordner ist freigegeben (dispatch-host folders add PFAD)",
        "dürfen /papers lesen",
        "wach halten (nicht gesagt): gehalten von logind",
        "Gefragt für Tasche, bei der Arbeit an: aufräumen",
        "task und always gelten für: löschen",
        "Antworte mit once, task, always oder deny.",
    ):
        assert said in lines, lines


def test_what_was_done_is_said_in_german() -> None:
    past = pb.TaskStatus(
        task_id=bytes(16), text="aufräumen", phone_name="Tasche", state="waiting", position=2, scheduled=True
    )
    (line, _) = views.history(Look(status=status(), tasks=[past]), GERMAN)

    assert "wartet, an Stelle 2" in line
    assert line.endswith("aufräumen (nach Zeitplan, für Tasche)")
    assert list(views.thread([], GERMAN)) == ["Noch wurde nichts verlangt."]
    assert list(views.files([], GERMAN)) == ["Noch keine Dateien."]


async def test_the_windows_name_their_keys_in_german(tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    looking = Looking(Home(tmp_path / "home"), pb.GetStatusResponse(device_name="desk"))
    app = HostApp(looking, GERMAN)
    async with app.run_test(size=WIDE) as pilot:
        screen = Screen(app, pilot)
        await screen.shows(
            "○ Läuft nicht: dispatch-host run", "1 Jetzt", "2 Verlauf", "3 Dateien", "4 Bisher", "q Ende"
        )

        await app.push_screen(PairPage(_pairs, GERMAN))

        await screen.shows(
            "Ein Telefon koppeln", "Tasche sollte denselben Code zeigen:  123456", "Ja, derselbe", "esc Zurück"
        )
        screen.picture("host-german")


async def test_a_code_that_is_over_is_not_left_on_the_screen_while_the_next_has_to_wait(tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    app = HostApp(Looking(Home(tmp_path / "home"), pb.GetStatusResponse(device_name="desk")), GERMAN)
    async with app.run_test(size=WIDE) as pilot:
        screen = Screen(app, pilot)

        await app.push_screen(PairPage(_has_to_wait, GERMAN))

        await screen.shows("Der nächste Code kommt in 2 min.")
        assert "dispatch:over" not in screen.text()


async def _has_to_wait(_: asyncio.Queue[bool]) -> AsyncIterator[pb.PairResponse]:
    yield pb.PairResponse(qr=pb.PairQr(link="dispatch:over"))
    yield pb.PairResponse(warning=pb.PairWarning(reason=error.REASON_RATE_LIMITED, retry_after_ms=120_000))


async def _pairs(_: asyncio.Queue[bool]) -> AsyncIterator[pb.PairResponse]:
    yield pb.PairResponse(code=pb.PairCode(peer="Tasche", code="123456"))
