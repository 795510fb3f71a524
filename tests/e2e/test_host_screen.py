"""The host as a screen: it follows a real host as it comes, works, pairs and goes, and owns nothing of it."""

from __future__ import annotations

from pathlib import Path

import pytest
from dispatch.api.host.v1 import host_pb2 as pb
from dispatch.device.home import Home
from dispatch_host.watch.host_app import HostApp
from dispatch_host.watch.looking import Looking

from tests.support.screens import SMALLEST, Screen
from tests.support.world import World

pytestmark = pytest.mark.big


async def test_a_person_sees_what_the_host_does_and_pairs_a_phone_there(tmp_path: Path) -> None:
    async with World(tmp_path) as world:
        await world.services()
        host = await world.devices(env=world.held())
        await world.sign_in("dispatch-phone", "tablet")
        app = HostApp(Looking(Home(Path(world.home("desk"))), pb.GetStatusResponse(device_name="desk")))
        async with app.run_test(size=SMALLEST) as pilot:
            screen = Screen(app, pilot)
            await screen.shows("● Connected to pocket", "desk: running, ada", "keep awake", "may read")
            screen.picture("host-now")

            sending = await world.start(
                "dispatch-phone", "send", "which files are largest?", "--home", world.home("pocket")
            )
            await screen.shows("working on, for pocket (built-in):", "largest?")
            world.let_go()
            await sending.ended()
            await screen.shows_no_more("working on")
            await screen.press("2")
            await screen.shows("▸ built-in works on it", "✓ done")
            screen.picture("host-thread")
            await screen.press("3")
            await screen.shows("No files yet.")
            await screen.press("4")
            await screen.shows("largest?", "pocket)")
            screen.picture("host-history")

            await screen.press("p")
            await screen.shows("Make this window")  # half a code can't be scanned
            await pilot.resize_terminal(90, 50)
            await screen.shows("▄", "Scan this with the phone")
            screen.picture("host-qr")
            link = shown_link(app)
            on_phone = await world.start("dispatch-phone", "pair", "--link", link, "--home", world.home("tablet"))
            code = (await on_phone.event("code"))["code"]
            await screen.shows("tablet should show the same code:", code, "Yes, the same")
            screen.picture("host-code")
            await on_phone.say("yes")
            await screen.press("enter", "down", "enter")  # the first Enter says nothing: none is marked
            await on_phone.event("paired")
            await screen.shows("Paired with tablet.")
            await screen.press("escape", "1")
            await screen.shows("● Connected to pocket, tablet")

            await host.stop()
            await screen.shows("○ Not running: dispatch-host run")
            screen.picture("host-stopped")
            await world.run_host("desk")  # nobody holds its home
            await screen.shows("● Connected to")


def shown_link(app: HostApp) -> str:
    """Read the link that is shown, which is longer than a line."""
    from textual.widgets import Static

    text = str(app.screen.query_one("#words", Static).render())
    return text.rsplit(maxsplit=1)[-1]
