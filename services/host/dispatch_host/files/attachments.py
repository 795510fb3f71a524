"""What arrives from phones, on the disk and in the journal: never a file that only one of them knows of for long.

A file gets its name on the disk, then its row, then its beginning goes. A crash in between leaves a name without a row, which
the next sweep takes away, or a beginning that is not needed any more. Called by `transfers`; the host sweeps by `sweeping`.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from concurrent.futures import Executor
from dataclasses import dataclass

from dispatch import errors
from dispatch.clock import Clock
from dispatch.endings import to_its_end
from dispatch.files.description import Described
from dispatch.files.partial import Partial
from dispatch.files.threads import held
from dispatch.ids import FileId
from dispatch.runtime.logs import get_logger

from dispatch_host.files.inbox import Found, Inbox, Room
from dispatch_host.journal import Tx, Writer, files
from dispatch_host.journal.values import FileKind, StoredFile

KEPT_SECONDS = 24 * 60 * 60
"""How long what has begun to arrive, and what no task has named, waits for the phone to go on."""
SWEPT_EVERY_SECONDS = 60 * 60

_LOG = get_logger()


@dataclass(frozen=True, slots=True)
class Arriving:
    """A file that arrives, open, in the room that is held for it."""

    partial: Partial
    room: Room


class Attachments:
    """All attachments of a host."""

    def __init__(self, inbox: Inbox, *, journal: Writer, clock: Clock) -> None:
        # Fixed after __init__.
        self._inbox = inbox
        self._journal = journal
        self._clock = clock
        # Touched on the loop only.
        self._being_put: dict[FileId, int] = {}  # and the thread into whose folder

    async def is_here(self, file: Described, *, thread: int) -> bool:
        """Tell whether it arrived before; one that somebody deleted since is not. Raises IdReused for another one of its id."""

        def known(tx: Tx) -> StoredFile | None:
            here = files.has_arrived(tx, file, thread=thread)
            return files.find(tx, file.file_id, thread=thread, kind=FileKind.ATTACHMENT) if here else None

        stored = await self._journal.step(known)
        return stored is not None and await asyncio.to_thread(stored.path.is_file)

    @contextlib.asynccontextmanager
    async def arriving(self, file: Described, pool: Executor) -> AsyncIterator[Arriving]:
        """Open a file that is about to arrive. Raises NoRoom, RateLimited, StoreFailed."""
        with self._inbox.room(file) as room:
            room.check(await self._journal.step(lambda tx: files.kept(tx, besides=room.counted)))
            async with held(room.open, pool) as partial:
                yield Arriving(partial, room)

    async def keep(self, arriving: Arriving, *, thread: int) -> None:
        """Give a whole file its name, and remember it. Done to its end, whoever waits. Raises StoreFailed."""
        await to_its_end(self._keep(arriving, thread))

    async def _keep(self, arriving: Arriving, thread: int) -> None:
        inbox, partial = self._inbox, arriving.partial
        self._being_put[partial.file.file_id] = thread
        try:
            path = await asyncio.to_thread(inbox.put, partial, thread)
            stored = StoredFile(
                file=partial.file,
                thread=thread,
                kind=FileKind.ATTACHMENT,
                path=path,
                mtime_ns=0,
                at_ms=self._clock.wall_ms(),
            )
            try:
                await self._journal.step(lambda tx: files.add(tx, stored))
            except errors.StoreFailed:
                await asyncio.to_thread(inbox.remove, path)  # nothing would know of it
                raise
            arriving.room.whole = True
            await asyncio.to_thread(inbox.remove, partial.path)
        finally:
            del self._being_put[partial.file.file_id]

    # ---- What is left alone goes.

    async def sweeping(self) -> None:
        """Sweep every hour, for ever. The first time is the host's start, when nobody waits for it yet."""
        while True:
            await asyncio.sleep(SWEPT_EVERY_SECONDS)
            try:
                await self.sweep()
            except errors.StoreFailed as failure:
                _LOG.warning("attachments could not be swept", detail=failure.detail)

    async def sweep(self) -> None:
        """Delete what no row names, beginnings that were left alone, and with its row what no task has named.

        Raises StoreFailed.
        """
        before_ms = self._clock.wall_ms() - KEPT_SECONDS * 1000
        # In this order: what gets its name meanwhile is not listed, is being put, or has its row.
        there = await asyncio.to_thread(self._inbox.found)
        busy = {str(thread) for thread in self._being_put.values()}

        def known(tx: Tx) -> list[StoredFile]:
            files.forget_unclaimed(tx, before_ms=before_ms)
            return files.attachments(tx)

        rows = await self._journal.step(known)
        named = {(str(stored.thread), stored.path.name) for stored in rows}
        whole = {stored.file.file_id for stored in rows}

        def goes(one: Found) -> bool:
            if not one.is_arriving:
                return one.place not in named and one.place[0] not in busy
            left_alone = one.mtime < before_ms / 1000 and not self._inbox.holds(one.file_id)
            return one.file_id in whole or left_alone

        gone = [one for one in there if goes(one)]
        for one in gone:
            await asyncio.to_thread(self._inbox.remove, one.path)
        self._inbox.swept([one for one in there if one.is_arriving], gone=[one for one in gone if one.is_arriving])
