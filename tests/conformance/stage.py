"""What the scenarios stand on: real services, a real host, a relay that may meddle, and the client under test.

Called by `corpus`, which plays all scenarios on one stage, one after the other: starting the processes is what costs time.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from tests.conformance.client import Client, Line
from tests.conformance.clients import Registered
from tests.conformance.meddler import Meddler
from tests.support.ports import address_to_come_back_to
from tests.support.processes import Process, run
from tests.support.world import ACCOUNT, PASSWORD, World

# That of some page: a client that is no browser says none, and is let in all the same.
ORIGIN = "https://phone.example"
NAME = "phone under test"
ASKED = "What are the largest files?"


@dataclass(slots=True)
class Stage:
    """All of it. `host` is the host's process once it runs."""

    world: World
    client: Client
    meddler: Meddler
    address: str  # where the client reaches the pairing service
    held: dict[str, str]  # an environment for the host, in which tasks can be held
    host: Process | None = None

    async def sign_in(self) -> Line:
        """Sign the client in."""
        return await self.client.wish("sign_in", address=self.address, account=ACCOUNT, password=PASSWORD, name=NAME)

    async def offer(self) -> tuple[Process, str]:
        """Have the host show a code; gives its process and the link."""
        host = await self.world.start("dispatch-host", "pair", "--home", self.world.home("desk"))
        link: str = (await host.event("qr"))["link"]
        return host, link

    async def run_host(self) -> None:
        """Run the host."""
        self.host = await self.world.run_host("desk", env=self.held)

    async def stop_host(self) -> None:
        """Stop the host as its owner does."""
        assert self.host is not None
        code, events = await run("dispatch-host", "stop", "--home", self.world.home("desk"))
        assert code == 0, events
        assert await self.host.ended() == 0

    async def whole(self, *, after: int = 0) -> None:
        """Wait until the client says that it is in a session and has the whole thread."""
        await self.client.line(
            lambda line: line.get("event") == "changed" and line.get("complete") is True, after=after
        )

    async def send(self, text: str = ASKED, **words: str) -> Line:
        """Send a task."""
        return await self.client.wish("send", text=text, **words)

    async def done(self, task: str) -> Line:
        """Wait until a task is done; gives what the client says of it."""
        return await self.state(task, "done")

    async def state(self, task: str, state: str) -> Line:
        """Wait until the client says that a task stands so."""
        return await self.client.line(
            lambda line: line.get("event") == "task" and line.get("task") == task and line.get("state") == state
        )

    async def count(self, event: str) -> int:
        """Tell how many events of a kind the client has in its thread."""
        events: str = (await self.client.wish("events"))["events"]
        return events.split().count(event)


@contextlib.asynccontextmanager
async def staged(registered: Registered, folder: Path) -> AsyncIterator[Stage]:
    """Set the stage, with a host that is signed in and has two files to speak of."""
    async with Meddler() as meddler, World(folder) as world:
        web = address_to_come_back_to()
        await world.services_for_browsers(
            ORIGIN, web=web, advertise=meddler.web_address, relay=("--advertise", meddler.address)
        )
        meddler.relay, meddler.relay_web = world.relay_address, web
        files = folder / "files"
        files.mkdir()
        (files / "small.bin").write_bytes(b"x" * 10)
        (files / "large.bin").write_bytes(b"x" * 5_000_000)
        await world.sign_in("dispatch-host", "desk")
        code, events = await run("dispatch-host", "folders", "add", str(files), "--home", world.home("desk"))
        assert code == 0, events
        held = world.held()
        world.let_go()
        address = world.pairing_web if registered.carrier == "web" else world.server
        async with Client(registered.command) as client:
            yield Stage(world, client, meddler, address, held)
