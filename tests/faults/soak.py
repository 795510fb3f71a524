"""The long random run: tasks go through while faults come and go, until the time is over; then everything is counted.

What happens is decided by the seed alone, so a run is repeated by its seed; when it happens is decided by the computer too,
as everything here is real. Called by `__main__` (`make soak`).
"""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from random import Random

from tests.faults.cells import CELLS, OVER, Known
from tests.faults.disks import cannot_mount
from tests.faults.faults import FAULTS, Fault, Lasts
from tests.faults.laboratory import Laboratory, laboratory, now
from tests.faults.network import Part
from tests.faults.trial import close_books
from tests.support.processes import Event, Process

_PERSONS = 2
"""So many senders at once."""
_PAUSE_LEASES = (0.2, 3.0)
"""How long it is quiet between two faults."""
_LENGTH_LEASES = (0.1, 3.0)
"""How long a fault lasts."""
_AGAIN_SECONDS = 0.5
_TASKS_OF_A_LABORATORY = 60
"""Then its books are closed and another one is built: the account's history shows at most 200."""


def _suitable() -> list[tuple[Fault, Part]]:
    """List what can break here. Clocks are left out: to set one a part is started anew, which is another fault."""
    able = [
        fault for fault in FAULTS.values() if not fault.needs_faketime and not (fault.needs_disk and cannot_mount())
    ]
    there = {(cell.fault.name, cell.part) for cell in CELLS if cell.no_such is None}
    return [
        (fault, part)
        for fault in able
        for part in Part
        # The phones here are many short processes; what breaks one of them is their end, and their network.
        if (fault.name, part) in there and (part is not Part.PHONE or fault.network)
    ]


class Breaking:
    """Breaks and mends a laboratory, one thing after the other. What goes wrong with that itself ends it, and is in `wrong`."""

    def __init__(self, lab: Laboratory, suitable: Sequence[tuple[Fault, Part]], rng: Random) -> None:
        self.injected: Counter[str] = Counter()
        self.wrong: list[str] = []
        self._lab = lab
        self._suitable = suitable
        self._rng = rng

    async def run(self) -> None:
        """Go on until cancelled; whatever was broken is mended then, too. Raises nothing else."""
        rng, lease = self._rng, self._lab.lease_ms / 1000
        while not self.wrong:
            await asyncio.sleep(rng.uniform(*_PAUSE_LEASES) * lease)  # when is what is random here
            fault, part = rng.choice(self._suitable)
            self.injected[f"{part} {fault.name}"] += 1
            breaking = asyncio.create_task(self._one(fault, part, rng.uniform(*_LENGTH_LEASES) * lease))
            try:
                await asyncio.shield(breaking)
            except asyncio.CancelledError:
                await breaking
                raise

    async def _one(self, fault: Fault, part: Part, seconds: float) -> None:
        try:
            await fault.strike(self._lab, part)
            if fault.lasts is not Lasts.MOMENT:
                await asyncio.sleep(seconds)  # the fault itself
            await fault.mend(self._lab, part)
        except Exception as failure:
            # Whatever it was: a run in which nothing breaks any more must not look like one in which nothing was lost.
            self.wrong.append(f"{part} {fault.name} could not be done: {type(failure).__name__} {failure}")


class Soak:
    """One long run."""

    def __init__(self, *, seed: int, minutes: float) -> None:
        self.seed = seed
        self.faults: Counter[str] = Counter()
        self.ends: Counter[str] = Counter()
        self.wrong: list[str] = []
        self.tasks = 0
        self._rng = Random(seed)
        self._until = now() + 60 * minutes

    @property
    def over(self) -> bool:
        return now() >= self._until or bool(self.wrong)

    async def in_one_laboratory(self, lease_ms: int) -> None:
        """Run until the time is over, or enough tasks were sent here."""
        async with laboratory(lease_ms=lease_ms) as lab:
            breaking = Breaking(lab, _suitable(), Random(self._rng.random()))
            breaker = asyncio.create_task(breaking.run())
            try:
                async with asyncio.TaskGroup() as group:
                    for _ in range(_PERSONS):
                        group.create_task(self._send(lab, breaking, Random(self._rng.random())))
            finally:
                breaker.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await breaker
                self.faults += breaking.injected
            self.wrong += breaking.wrong
            self.wrong += await close_books(lab, self._rng) + lab.tracebacks()
            if self.wrong:
                lab.keep_logs(Path("out/faults/soak"))

    async def _send(self, lab: Laboratory, breaking: Breaking, rng: Random) -> None:
        """Be a person: send a task, wait for its end, send the next."""
        while not self.over and not breaking.wrong and len(lab.tasks) < _TASKS_OF_A_LABORATORY:
            task_id, token = uuid.UUID(bytes=rng.randbytes(16), version=4), f"cell{rng.randbytes(6).hex()}"
            self.tasks += 1
            try:
                last = await self._fate(lab, task_id, token, rng)
            except (AssertionError, TimeoutError) as failure:
                self.wrong.append(f"task {self.tasks}: {type(failure).__name__} {failure}")
                return
            self.ends[last["state"]] += 1
            lab.tasks.append(Known(task_id=str(task_id), token=token, last=last, cell=f"task {self.tasks}"))

    async def _fate(self, lab: Laboratory, task_id: uuid.UUID, token: str, rng: Random) -> Event:
        """Send a task until its fate is known. Now and then the phone dies in between."""
        while True:
            phone = await lab.sends(f"Search for {token}", task_id)
            if rng.random() < 0.1:
                await _some_events(phone, rng.randrange(5))
                await lab.end(phone)
                self.faults["phone sigkill"] += 1
            await phone.ended()
            last = phone.events[-1] if phone.events else {}
            if last.get("state") in OVER and last.get("task_id") == str(task_id):
                return last
            await asyncio.sleep(_AGAIN_SECONDS)

    def say(self) -> None:
        """Print how it stands."""
        print(
            f"{self.tasks} tasks {dict(sorted(self.ends.items()))}, "
            f"{self.faults.total()} faults of {len(self.faults)} kinds, {len(self.wrong)} losses",
            flush=True,
        )


async def _some_events(phone: Process, count: int) -> None:
    seen = 0
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(5):
            async for _ in phone.stream():
                seen += 1
                if seen > count:
                    return


async def soak(*, minutes: float, seed: int, lease_ms: int) -> int:
    """Run for so many minutes and print what happened; gives the exit code."""
    print(f"soak, seed {seed}, {minutes:g} min, a short lease is {lease_ms} ms", flush=True)
    run = Soak(seed=seed, minutes=minutes)
    while not run.over:
        try:
            await run.in_one_laboratory(lease_ms)
        except Exception as failure:
            run.wrong.append(f"a laboratory broke off: {type(failure).__name__} {failure}")
        run.say()
    if not run.faults:
        run.wrong.append("nothing was broken")
    print("faults injected:")
    for name, count in sorted(run.faults.items()):
        print(f"  {count:4} {name}")
    for one in run.wrong:
        print(f"LOSS  {one}")
    print(f"seed {seed}, {run.faults.total()} faults injected, {run.tasks} tasks, {len(run.wrong)} losses")
    print(f"again: make soak SEED={seed} SOAK_MINUTES={minutes:g}")
    return 1 if run.wrong else 0
