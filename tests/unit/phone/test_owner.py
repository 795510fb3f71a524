"""One process owns the home and works for the others; what becomes of them when it ends."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

from dispatch.device.home import Home
from mobile_sim.owner import Event, Hear, Request, Say, carry_out

from tests.support.waiting import turns, until


class SilentDesk:
    """Says nothing until it is let go, as a host does that works for long."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.go = asyncio.Event()

    async def do(self, request: Request, *, say: Say, hear: Hear) -> int:
        """Note who asks, and work until it is let go."""
        self.asked.append(request["do"])
        await self.go.wait()
        say({"event": "done"})
        return 0

    @contextlib.asynccontextmanager
    async def opened(self) -> AsyncIterator[SilentDesk]:
        """Be the desk of a home."""
        yield self


async def no() -> bool:
    return False


async def test_a_terminal_that_was_worked_for_in_silence_goes_on_by_itself_when_the_owner_ends(tmp_path: Path) -> None:
    home, owners, own = Home(tmp_path), SilentDesk(), SilentDesk()
    said: list[Event] = []
    first = asyncio.create_task(carry_out(home, {"do": "first"}, open_desk=owners.opened, say=lambda _: None, hear=no))
    await until(lambda: owners.asked == ["first"] and home.socket().exists())
    loop, patience = asyncio.get_running_loop(), 5.0
    second = asyncio.create_task(
        carry_out(home, {"do": "second"}, open_desk=own.opened, say=said.append, hear=no, take_over_seconds=patience)
    )
    await until(lambda: owners.asked == ["first", "second"])
    silent_until = loop.time() + patience
    await until(lambda: loop.time() > silent_until)

    first.cancel()
    await until(lambda: own.asked == ["second"] or second.done())
    own.go.set()

    assert await second == 0
    assert said == [{"event": "done"}]


class SlowerGuest(SilentDesk):
    """The news that ends the owner's work ends its guest's some turns later."""

    async def do(self, request: Request, *, say: Say, hear: Hear) -> int:
        """Note who asks, and work until it is let go."""
        code = await super().do(request, say=say, hear=hear)
        if request["do"] == "guest":
            await turns()
        return code


async def test_a_guest_whose_work_ends_by_the_owners_last_news_need_not_do_it_again(tmp_path: Path) -> None:
    """A second cancel, or a second answer, would hear that the task is over."""
    home, owners, own = Home(tmp_path), SlowerGuest(), SilentDesk()
    said: list[Event] = []
    owner = asyncio.create_task(carry_out(home, {"do": "owner"}, open_desk=owners.opened, say=lambda _: None, hear=no))
    await until(lambda: owners.asked == ["owner"] and home.socket().exists())
    guest = asyncio.create_task(carry_out(home, {"do": "guest"}, open_desk=own.opened, say=said.append, hear=no))
    await until(lambda: owners.asked == ["owner", "guest"])

    owners.go.set()
    own.go.set()

    assert (await owner, await guest) == (0, 0)
    assert (own.asked, said) == ([], [{"event": "done"}])
