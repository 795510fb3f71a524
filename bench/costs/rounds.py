"""Starts every subject and has them take turns: A, B, C, A, B, C, … for each measurement. Called by `bench.__main__`."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any

from bench.costs.figure import Counted, Figure, figure
from bench.costs.loops import run
from bench.costs.measurements import CostPlan, Measurement
from bench.costs.result import Ran
from bench.costs.targets import AT_REST
from bench.subjects.pair import Pair
from bench.subjects.subject import Lost, Missing, Subject
from bench.usage import used_by

OPENING_AT_ONCE = 8
Say = Callable[[str], None]


@dataclass(slots=True)
class Running:
    """A subject in this run, and why it is out of it if it is."""

    subject: Subject
    begun: bool = False
    why: str = ""
    pairs: list[Pair] = field(default_factory=list)

    def ran(self) -> Ran:
        """Give it for the result."""
        return Ran(name=self.subject.name, about=self.subject.about, begun=self.begun, why=self.why)


class Rounds:
    """One run of several measurements. `say` hears how far it is."""

    def __init__(self, subjects: Sequence[Subject], plan: CostPlan, *, say: Say) -> None:
        self.figures: list[Figure] = []
        self._runnings = [Running(subject) for subject in subjects]
        self._plan, self._say = plan, say
        self._rng = Random(plan.seed)

    async def run(self, measurements: Sequence[Measurement]) -> list[Ran]:
        """Measure; gives how each subject fared. `figures` has what was measured, also when this is cut short."""
        async with contextlib.AsyncExitStack() as stopping:
            for running in self._runnings:
                stopping.push_async_callback(running.subject.stop)
                await self._started(running)
            for measurement in measurements:
                await self._measured(measurement)
        return [running.ran() for running in self._runnings]

    async def _started(self, running: Running) -> None:
        self._say(f"start {running.subject.name}")
        try:
            await running.subject.start()
        except Missing as missing:
            running.why = str(missing)
            return
        except Lost as lost:
            running.begun, running.why = True, str(lost)
            return
        running.begun = True
        used = used_by(running.subject.pids)
        self._note(running, AT_REST, 0, Counted(took=(), seconds=1), before=used, after=used, load_cpu_seconds=0)

    async def _measured(self, measurement: Measurement) -> None:
        try:
            for running in self._those_that_run():
                await self._attempt(running, self._opened(running, measurement))
            for number in range(1, self._plan.rounds + 1):
                self._say(f"{measurement.name} {number}/{self._plan.rounds}")
                for running in self._those_that_run():
                    await self._attempt(running, self._round(running, measurement, number))
        finally:
            for running in self._runnings:
                pairs, running.pairs = running.pairs, []
                await asyncio.gather(*(pair.close() for pair in pairs))

    def _those_that_run(self) -> list[Running]:
        return [one for one in self._runnings if one.begun and not one.why]

    async def _attempt(self, running: Running, work: Coroutine[object, object, None]) -> None:
        """Do something with a subject, which is out when that fails."""
        try:
            await work
        except* (Lost, OSError) as several:
            running.why = str(_first(several)) or repr(_first(several))
            self._say(f"{running.subject.name}: {running.why}")

    async def _opened(self, running: Running, measurement: Measurement) -> None:
        at_once = asyncio.Semaphore(OPENING_AT_ONCE)
        running.pairs = [Pair() for _ in range(measurement.pairs)]

        async def opened(number: int, pair: Pair) -> None:
            async with at_once:
                await pair.open(running.subject, number)

        async with asyncio.TaskGroup() as group:
            for number, pair in enumerate(running.pairs):
                group.create_task(opened(number, pair))
        await run(running.pairs, measurement, seconds=self._plan.warm_seconds, rng=self._rng)

    async def _round(self, running: Running, measurement: Measurement, number: int) -> None:
        before, load_before = used_by(running.subject.pids), time.process_time()
        counted = await run(running.pairs, measurement, seconds=self._plan.seconds, rng=self._rng)
        after, load_after = used_by(running.subject.pids), time.process_time()
        load = load_after - load_before
        self._note(running, measurement.name, number, counted, before=before, after=after, load_cpu_seconds=load)

    def _note(self, running: Running, measurement: str, number: int, counted: Counted, **use: Any) -> None:
        name = running.subject.name
        self.figures.append(figure(measurement=measurement, subject=name, number=number, counted=counted, **use))


def _first(several: BaseExceptionGroup[BaseException]) -> BaseException:
    one = several.exceptions[0]
    return _first(one) if isinstance(one, BaseExceptionGroup) else one
