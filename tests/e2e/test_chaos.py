"""Real processes under random SIGKILL and SIGSTOP: whatever happens, every task has one fate and both ends say the same."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import signal
import uuid
from collections import Counter
from pathlib import Path

import pytest

from tests.support.processes import Event, Process, run
from tests.support.waiting import DEADLINE_SECONDS
from tests.support.world import World

pytestmark = [pytest.mark.timeout(600), pytest.mark.big]

OUTCOMES = {"done", "failed", "cancelled", "interrupted", "denied", "timed_out"}
SEED = int(os.environ.get("DISPATCH_SEED", "20261121"))
TASKS = int(os.environ.get("DISPATCH_CHAOS_TASKS", "8"))


class Trouble:
    """Keeps one host and one relay going while it kills and freezes them at random."""

    def __init__(self, world: World, host: Process, rng: random.Random) -> None:
        self.world, self.host, self.rng = world, host, rng
        self.done: Counter[str] = Counter()

    async def run(self) -> None:
        """Make trouble until it is cancelled; everything runs again afterwards."""
        try:
            while True:
                await asyncio.sleep(self.rng.uniform(0.2, 1.5))  # the moment of the fault is what is random here
                one = self.rng.choice([self.kill_host, self.freeze_host, self.kill_relay, self.freeze_relay])
                await self._to_its_end(asyncio.create_task(one()))
        finally:
            self.host.signal(signal.SIGCONT)
            self.world.relay.signal(signal.SIGCONT)

    @staticmethod
    async def _to_its_end(trouble: asyncio.Task[None]) -> None:
        """Else what is killed as this is cancelled would not be started again."""
        try:
            await asyncio.shield(trouble)
        except asyncio.CancelledError:
            await trouble
            raise

    async def kill_host(self) -> None:
        self.done["host killed"] += 1
        self.host.signal(signal.SIGKILL)
        await self.host.ended()
        self.host = await self.world.start("dispatch-host", "run", "--home", self.world.home("desk"))

    async def kill_relay(self) -> None:
        self.done["relay killed"] += 1
        address = self.world.relay_address
        self.world.relay.signal(signal.SIGKILL)
        await self.world.relay.ended()
        await self.world.start_relay(listen=address)

    async def freeze_host(self) -> None:
        await self._freeze("host", self.host)

    async def freeze_relay(self) -> None:
        await self._freeze("relay", self.world.relay)

    async def _freeze(self, name: str, process: Process) -> None:
        self.done[f"{name} frozen"] += 1
        process.signal(signal.SIGSTOP)
        await asyncio.sleep(self.rng.uniform(0.1, 2.5))  # as above
        process.signal(signal.SIGCONT)


async def test_every_task_has_one_fate_under_random_kills_and_freezes(tmp_path: Path) -> None:
    rng = random.Random(SEED)
    async with World(tmp_path, relay_env={"DISPATCH_RELAY_LEASE_MS": "1000"}) as world:
        await world.services()
        (tmp_path / "files").mkdir()
        (tmp_path / "files" / "report.csv").write_text("a,b\n" + "1,2\n" * 1000)
        host = await world.devices()
        trouble = Trouble(world, host, rng)
        making = asyncio.create_task(trouble.run())
        sent: dict[str, Event] = {}
        for _ in range(TASKS):
            task = str(uuid.UUID(bytes=rng.randbytes(16), version=4))
            _, events = await world.send("Summarise report.csv", "--id", task, "--wait", "20", late=())
            sent[task] = events[-1]
        making.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await making
        if trouble.host.returncode is not None:
            trouble.host = await world.run_host("desk")
        # Quiet tasks at the end, until one is through: then everything before it has been settled on both ends. The first
        # may be refused rightly, while a host that was frozen or killed just now is still on its way back.
        async with asyncio.timeout(2 * DEADLINE_SECONDS):
            while (quiet := await world.send("Summarise report.csv", "--wait", "60", late=()))[0] in {3, 7, 9}:
                sent[quiet[1][-1]["task_id"]] = quiet[1][-1]
        assert quiet[0] == 0, (quiet[1], trouble.done)
        _, on_phone = await run("dispatch-phone", "thread", "--home", world.home("pocket"))
        _, on_host = await run("dispatch-host", "thread", "--home", world.home("desk"))

    context = f"seed {SEED}, faults {dict(trouble.done)}"
    for task, last in sent.items():
        started = [e for e in on_host if e.get("task_id") == task and e["event"] == "started"]
        ended = [e["outcome"] for e in on_host if e.get("task_id") == task and e["event"] == "ended"]
        seen = [e["outcome"] for e in on_phone if e.get("task_id") == task and e["event"] == "ended"]
        accepted = [e for e in on_host if e.get("task_id") == task and e["event"] == "accepted"]
        assert len(started) <= 1, f"{task} ran twice ({context})"
        assert len(ended) == (1 if accepted else 0), f"{task} has {len(ended)} outcomes ({context}): {last}"
        assert seen == ended, f"phone and host differ on {task} ({context})"
        if last["event"] in {"refused", "not_sent"}:
            assert not started, f"{task} was refused and ran ({context}): {last}"
        if last["event"] in OUTCOMES:
            assert ended == [last["event"]], f"{task} ({context})"
