"""Looks at the schedule when something is due, when the computer woke, and every half minute, and has the runner hear of it.

The wall clock decides, which may leap, and stands for nothing while the computer sleeps: so no long sleep of ours is trusted.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from datetime import tzinfo

from dispatch import errors
from dispatch.clock import Clock
from dispatch.runtime.logs import get_logger

from dispatch_host.journal import Writer
from dispatch_host.schedule import runs
from dispatch_host.schedule.runs import Looked
from dispatch_host.scribe import Scribe

LOOK_SECONDS = 30.0
"""Half of how late a run may be and still be on time."""

_LOG = get_logger()


class Scheduler:
    """The schedule of a running host."""

    def __init__(
        self,
        *,
        journal: Writer,
        scribe: Scribe,
        clock: Clock,
        zone: Callable[[], tzinfo],
        undecided: Callable[[], int],
        began: Callable[[Looked], None],
        look_seconds: float = LOOK_SECONDS,
    ) -> None:
        # Fixed after __init__.
        self._journal = journal
        self._scribe = scribe
        self._clock = clock
        self._zone = zone
        self._undecided = undecided
        self._began = began
        self._look_seconds = look_seconds
        # Touched by all.
        self._woken = asyncio.Event()
        self._looking = asyncio.Lock()
        self._stopping = False

    def wake(self) -> None:
        """Hear that something changed: an entry, the clock, or what kept a run from beginning."""
        self._woken.set()

    async def stop(self) -> None:
        """Begin nothing more; returns when a look that was under way is over."""
        self._stopping = True
        self.wake()
        async with self._looking:
            pass

    async def run(self) -> None:
        """Look, for ever."""
        while not self._stopping:
            self._woken.clear()
            async with self._looking:
                wait_seconds = self._look_seconds if self._stopping else await self._look()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(wait_seconds):
                    await self._woken.wait()
        await asyncio.Future()  # the host ends when what runs beside it ends

    async def _look(self) -> float:
        """Deal with what is due; gives the seconds until the next look."""
        zone = await asyncio.to_thread(self._zone)
        now_ms, undecided = self._clock.wall_ms(), self._undecided()
        try:
            looked = await self._journal.step(
                lambda tx: runs.look_at_all(tx, self._scribe, now_ms=now_ms, undecided=undecided, zone=zone)
            )
        except errors.StoreFailed as failure:
            _LOG.error("schedule can't be looked at", detail=failure.detail)
            return self._look_seconds
        if looked.wrote:
            _LOG.info("scheduled", on_time=looked.on_time, late=looked.late, missed=looked.missed)
            self._began(looked)
        if looked.next_ms is None:
            return self._look_seconds
        return min(max(0.0, (looked.next_ms - self._clock.wall_ms()) / 1000), self._look_seconds)
