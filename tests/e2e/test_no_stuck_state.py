"""No stuck state (design, invariant 6): whatever dies at whatever step, each side is paired or not, and can always go on.

A table: at each step of the ceremony something happens. Afterwards both commands end, both devices and the service say
*paired* or *not paired*, and the next thing a person would do works: a task, or pairing once more and then a task.
"""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from enum import Enum
from pathlib import Path

import pytest

from tests.support.processes import Process, run
from tests.support.waiting import DEADLINE_SECONDS
from tests.support.world import World

pytestmark = pytest.mark.big


class Step(Enum):
    """How far the ceremony has come when something happens."""

    SHOWN = "the code is shown"
    CLAIMED = "both show the six digits"
    HOST_SAID_YES = "the host's person said yes"
    PHONE_SAID_YES = "the phone's person said yes"
    PAIRED = "both said yes, and both say so"


class Ceremony:
    """A pairing that is under way, in two processes."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.host: Process
        self.phone: Process
        self._said_yes: list[Process] = []
        self._picture = world.folder / "code.png"

    async def reach(self, step: Step) -> None:
        """Bring it up to a step."""
        world = self.world
        self.host = await world.start(
            "dispatch-host", "pair", "--home", world.home("desk"), "--qr-png", str(self._picture)
        )
        await self.host.event("qr")
        if step is Step.SHOWN:
            return
        await self.scan()
        for side in (self.host, self.phone):
            await side.event("code")
        if step in {Step.HOST_SAID_YES, Step.PAIRED}:
            await self._yes(self.host)
        if step in {Step.PHONE_SAID_YES, Step.PAIRED}:
            await self._yes(self.phone)
        if step is Step.PAIRED:
            for side in (self.host, self.phone):
                await side.event("paired")

    async def _yes(self, side: Process) -> None:
        await side.say("yes")
        self._said_yes.append(side)

    async def scan(self) -> None:
        """Let the phone read the picture."""
        world = self.world
        self.phone = await world.start(
            "dispatch-phone", "pair", "--home", world.home("pocket"), "--qr", str(self._picture)
        )

    async def ends(self, answer: str) -> None:
        """Let whoever is still asked answer, or, with "no", give up waiting; then both commands are over."""
        sides = [side for side in (self.host, getattr(self, "phone", None)) if side is not None]
        for side in sides:
            if side.returncode is not None:
                continue
            asked = any(event["event"] == "code" for event in side.events)
            if answer == "no" and (side in self._said_yes or not asked):
                side.signal(signal.SIGINT)  # nobody will ever come
            elif side not in self._said_yes:
                await side.event("code")
                with contextlib.suppress(ConnectionError):  # it may have ended by itself just now
                    await side.say(answer)
        for side in sides:
            await side.ended()


Happening = Callable[[Ceremony], Awaitable[str]]
"""Does something to a ceremony; gives what the persons who are still asked say."""


async def phone_dies(ceremony: Ceremony) -> str:
    if hasattr(ceremony, "phone"):
        ceremony.phone.signal(signal.SIGKILL)
        await ceremony.phone.ended()
    return "no"


async def host_dies(ceremony: Ceremony) -> str:
    ceremony.host.signal(signal.SIGKILL)
    await ceremony.host.ended()
    return "no"


async def pairing_service_dies(ceremony: Ceremony) -> str:
    world = ceremony.world
    world.pairing.signal(signal.SIGKILL)
    await world.pairing.ended()
    await world.start_pairing(listen=world.server)
    if not hasattr(ceremony, "phone"):
        await ceremony.scan()
    return "yes"


async def pairing_service_is_restored(ceremony: Ceremony) -> str:
    """It knows accounts and sign-ins, and nothing of this ceremony."""
    world = ceremony.world
    await world.pairing.stop()
    data = world.folder / "pairing"
    shutil.rmtree(data)
    shutil.copytree(world.folder / "yesterday", data)
    await world.start_pairing(listen=world.server)
    return "no"


async def relay_dies(ceremony: Ceremony) -> str:
    world = ceremony.world
    world.relay.signal(signal.SIGKILL)
    await world.relay.ended()
    await world.start_relay(listen=world.relay_address)
    if not hasattr(ceremony, "phone"):
        await ceremony.scan()
    return "yes"


HAPPENINGS: tuple[Happening, ...] = (
    phone_dies,
    host_dies,
    pairing_service_dies,
    pairing_service_is_restored,
    relay_dies,
)


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    """Two devices that are signed in, and a backup of the service from then."""
    async with World(tmp_path) as world:
        await world.services()
        await world.sign_in("dispatch-host", "desk")
        await world.sign_in("dispatch-phone", "pocket")
        code, events = await run("dispatch-host", "folders", "add", str(tmp_path), "--home", world.home("desk"))
        assert code == 0, events
        await world.pairing.stop()
        shutil.copytree(tmp_path / "pairing", tmp_path / "yesterday")
        await world.start_pairing(listen=world.server)
        yield world


async def is_paired(world: World, program: str, device: str) -> bool:
    """Ask a device; it must always have an answer."""
    words = ("status",) if program == "dispatch-host" else ("hosts",)
    code, events = await run(program, *words, "--home", world.home(device))
    if program == "dispatch-phone":
        return code == 0 and any(event.get("event") == "host" for event in events)
    assert code == 0, events
    return bool(events[-1]["pairings"])


async def sends(world: World) -> tuple[int, str]:
    code, events = await world.send("What are the largest files?")
    return code, str(events[-1].get("reason", events[-1]["event"]))


@pytest.mark.parametrize("happening", HAPPENINGS, ids=lambda one: one.__name__)
@pytest.mark.parametrize("step", Step, ids=lambda one: one.name.lower())
async def test_whatever_happens_at_whatever_step_both_are_paired_or_not_and_can_go_on(
    world: World, step: Step, happening: Happening
) -> None:
    ceremony = Ceremony(world)
    await ceremony.reach(step)

    answer = await happening(ceremony)
    await ceremony.ends(answer)

    paired = [
        await is_paired(world, program, device)
        for program, device in (("dispatch-host", "desk"), ("dispatch-phone", "pocket"))
    ]
    host = await world.start("dispatch-host", "run", "--home", world.home("desk"))
    await host.event("running")
    if all(paired):
        await host.event("connected")
    if not all(paired) or await sends(world) != (0, "done"):
        seen = len(host.events)
        await world.pair("desk", "pocket")
        await host.event("connected", after=seen)
    assert await sends(world) == (0, "done")


async def test_the_two_that_are_paired_stay_so_when_the_pairing_service_is_restored_from_before(world: World) -> None:
    ceremony = Ceremony(world)
    await ceremony.reach(Step.PAIRED)
    await ceremony.ends("yes")
    host = await world.start("dispatch-host", "run", "--home", world.home("desk"))
    await host.event("connected")
    await host.stop()

    await pairing_service_is_restored(ceremony)
    host = await world.start("dispatch-host", "run", "--home", world.home("desk"))
    await host.event("connected")

    async with asyncio.timeout(2 * DEADLINE_SECONDS):
        while await sends(world) != (0, "done"):  # the host tells the service anew; until then the phone has no grant
            pass
