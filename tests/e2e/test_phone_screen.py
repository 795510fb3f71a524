"""The phone as a screen from nothing to a fetched file, with everything behind it real: services, host, worker."""

from __future__ import annotations

from pathlib import Path

import pytest
from textual.widgets import Input

from tests.support.phone_screen import PhoneScreen, phone_screen
from tests.support.processes import run
from tests.support.world import ACCOUNT, PASSWORD, World

pytestmark = pytest.mark.big


async def filled_in(screen: PhoneScreen, *values: str) -> None:
    """Fill a form in, from the field that has the focus on."""
    for value in values:
        assert isinstance(screen.app.focused, Input)
        screen.app.focused.clear()
        await screen.write(value)
        await screen.press("enter")


async def signed_in(screen: PhoneScreen, world: World) -> None:
    await screen.shows("Not signed in: F5")
    await screen.press("f5")
    await screen.shows("Settings", "Not signed in.")
    screen.picture("settings")
    await screen.press("down", "enter")
    await screen.shows("The pairing service, NAME:PORT")
    await filled_in(screen, world.server, "pocket", ACCOUNT, PASSWORD)
    screen.picture("sign-in")
    await screen.press("enter")
    await screen.shows(f"as {ACCOUNT}")
    await screen.press("escape", "escape")


async def paired(screen: PhoneScreen, world: World) -> None:
    await screen.shows("Paired with no computer: F2")
    picture = world.folder / "code.png"
    on_host = await world.start("dispatch-host", "pair", "--home", world.home("desk"), "--qr-png", str(picture))
    await on_host.event("qr")
    await screen.press("f2", "p")
    await screen.shows("Pair with a computer")
    await filled_in(screen, str(picture))
    code = (await on_host.event("code"))["code"]
    await screen.shows(code, "The same", "Yes", "No")
    screen.picture("code")
    await screen.press("enter")  # nothing is marked: it says neither
    await on_host.say("yes")
    await screen.press("down", "enter")
    await on_host.event("paired")
    await screen.shows("✓ Paired with desk")
    screen.picture("paired")
    assert await on_host.ended() == 0
    await screen.press("escape")


async def test_a_person_signs_in_pairs_sends_answers_and_fetches_at_the_screen(tmp_path: Path) -> None:
    async with World(tmp_path) as world:
        await world.services()
        await world.sign_in("dispatch-host", "desk")
        files, got = tmp_path / "files", tmp_path / "got"
        files.mkdir()
        got.mkdir()
        (files / "report.txt").write_text("it is here\n" * 50)
        code, events = await run("dispatch-host", "folders", "add", str(files), "--write", "--home", world.home("desk"))
        assert code == 0, events

        async with phone_screen(world.home("pocket")) as screen:
            await signed_in(screen, world)
            await paired(screen, world)
            await world.run_host("desk")
            await screen.shows("Computers", "desk  reachable")
            screen.picture("computers")
            await screen.press("escape")
            await screen.shows("● desk  reachable")

            await screen.send("which files are largest?")
            await screen.shows("report.txt", "✓ done")
            screen.picture("result")

            await screen.send("zip files")
            await screen.shows("? ", "deny")
            screen.picture("approval")
            await screen.press("up", "a", "down", "enter")
            await screen.shows("answered: once", "✓ done")

            await screen.send("send me report.txt")
            await screen.shows("↓ report.txt", "✓ done")
            await screen.press("f3")
            await screen.shows("can be fetched")
            screen.picture("files")
            await screen.press("enter")
            await screen.shows("into the folder")
            await filled_in(screen, str(got))
            await screen.shows("✓ report.txt")
            screen.picture("fetched")
            assert (got / "report.txt").read_text() == (files / "report.txt").read_text()

            await screen.press("f5", "end", "enter")
            await screen.shows("Nothing is broken")
            screen.picture("doctor")
            await screen.press("f1")
            await screen.shows("Write what is to be done")
            screen.picture("help")
            await screen.press("escape")
