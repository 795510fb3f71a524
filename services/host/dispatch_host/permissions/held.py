"""What is permitted at this moment, of a home that this process owns: the journal's word, kept in memory, changed here alone.

Whoever must hear of a change at once (the running task, the phones) is told by `changed`. A permission whose time is over is
taken back within a second, wherever the clock was moved to.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from dispatch import errors
from dispatch.clock import Clock
from dispatch.runtime.logs import get_logger

from dispatch_host.journal import Tx, Writer, permissions
from dispatch_host.journal.permissions import folders_of
from dispatch_host.journal.values import AlwaysRule
from dispatch_host.permissions.permission import Grant, Kind, Permission, granted
from dispatch_host.scope import Folder

LOOK_SECONDS = 1.0

_LOG = get_logger()


class Held:
    """The permissions of one host. `load` comes first."""

    def __init__(self, journal: Writer, clock: Clock) -> None:
        # Fixed after __init__.
        self._journal = journal
        self._clock = clock
        # Set by whoever must hear, before anything changes.
        self.changed: Callable[[], None] = lambda: None
        # Touched on one loop.
        self._grants: Sequence[Grant] = ()
        self._rules: Sequence[AlwaysRule] = ()
        self._timed = asyncio.Event()

    async def load(self) -> Held:
        """Read what the journal says."""
        await self._change(lambda _: None)
        return self

    @property
    def grants(self) -> Sequence[Grant]:
        """Give what holds now."""
        now_ms = self._clock.wall_ms()
        return [grant for grant in self._grants if grant.holds(now_ms)]

    @property
    def folders(self) -> Sequence[Folder]:
        """Give the approved folders, by path."""
        return folders_of(self.grants)

    @property
    def rules(self) -> Sequence[AlwaysRule]:
        """Give what was allowed always, and still stands on a permission."""
        return [rule for rule in self._rules if all(map(self.granted, rule.stands_on))]

    def named(self, kind: Kind) -> Sequence[str]:
        """Give the names of what is permitted of a kind."""
        return [grant.permission.name for grant in self.grants if grant.permission.kind is kind]

    def granted(self, permission: Permission) -> Grant | None:
        """Give what allows something now; None when nothing does."""
        return granted(self._grants, permission, now_ms=self._clock.wall_ms())

    async def allow(self, grant: Grant) -> None:
        """Give a permission, or change one."""
        await self._change(lambda tx: permissions.allow(tx, grant, self._clock.wall_ms()))

    async def revoke(self, kind: Kind, name: str = "") -> bool:
        """Take a permission back; tells whether it was in force."""
        found: list[bool] = []
        await self._change(lambda tx: found.append(permissions.revoke(tx, kind, name, self._clock.wall_ms())))
        return found[-1]

    async def revoke_rule(self, rule: str) -> bool:
        """Take back what was allowed always under these words."""
        found: list[bool] = []
        await self._change(lambda tx: found.append(permissions.revoke_rule(tx, rule)))
        return found[-1]

    async def run(self) -> None:
        """Take back what is over, for ever."""
        while True:
            self._timed.clear()
            ends = [grant.ends_at_ms for grant in self._grants if grant.ends_at_ms is not None]
            if not ends:
                await self._timed.wait()
            elif (left_ms := min(ends) - self._clock.wall_ms()) > 0:
                # Not all of it at once: the clock may be set, and sleep does not count here.
                await asyncio.sleep(min(left_ms / 1000, LOOK_SECONDS))
            else:
                await self._end_what_is_over()

    async def _end_what_is_over(self) -> None:
        try:
            await self._change(lambda tx: permissions.drop_over(tx, self._clock.wall_ms()))
        except errors.StoreFailed as failure:
            # It does not hold any more, whatever the disk says; only the words of it are still there.
            _LOG.error("permission that is over can't be dropped", detail=failure.detail)
            self.changed()
            await asyncio.sleep(LOOK_SECONDS)

    async def _change(self, work: Callable[[Tx], object]) -> None:
        def step(tx: Tx) -> tuple[Sequence[Grant], Sequence[AlwaysRule]]:
            work(tx)
            now_ms = self._clock.wall_ms()
            return permissions.grants(tx, now_ms), permissions.rules(tx, now_ms)

        self._grants, self._rules = await self._journal.step(step)
        self._timed.set()
        self.changed()
