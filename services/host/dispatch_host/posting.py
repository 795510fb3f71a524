"""Posts what the outbox holds, in order, a window of rows at a time; the same bytes again until there is a receipt.

Called by the link, which tells it how the path is; `run` goes beside the stream's reader.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterable, Sequence
from functools import partial

from dispatch import errors
from dispatch.ids import PairId
from dispatch.runtime.logs import get_logger

from dispatch_host.journal import Tx, Writer, outbox, threads
from dispatch_host.journal.values import OutboxRow
from dispatch_host.path import Path

WINDOW = 32
"""Most rows that wait for their receipt on the stream at once."""
RETRY_SECONDS = 1.0

_LOG = get_logger()


class Posting:
    """The outbox of one pairing on its way out."""

    def __init__(self, pair_id: PairId, *, journal: Writer, path: Callable[[], Path | None]) -> None:
        # Fixed after __init__.
        self._pair_id = pair_id
        self._journal = journal
        self._path = path  # None while there is none
        # Shared by the link's tasks and `run`; all run on one loop and leave them whole at each await.
        self._news = asyncio.Event()
        self._posted_id = 0
        self._in_flight: dict[bytes, OutboxRow] = {}
        self._hold_seconds = 0.0
        self._anew = asyncio.Event()  # set when everything is posted from the start
        self._shorter = asyncio.Event()  # set when the outbox got shorter, or there is no path any more

    def wake(self) -> None:
        """Hear that the outbox has news."""
        self._news.set()

    def begin_anew(self) -> None:
        """Post everything from the start: on a new stream, or after a switch, what was posted before says nothing."""
        self._posted_id, self._hold_seconds = 0, 0.0
        self._in_flight.clear()
        self._news.set()
        self._anew.set()

    async def run(self) -> None:
        """Post, for ever."""
        while True:
            await self._news.wait()
            self._news.clear()
            if self._hold_seconds:
                await self._hold()
            try:
                await self._post_waiting()
            except errors.StoreFailed as failure:
                _LOG.error("journal can't be used", detail=failure.detail)
                self._hold_seconds = RETRY_SECONDS
                self._news.set()

    async def _hold(self) -> None:
        """Wait as the relay asked, unless all begins anew meanwhile: on another stream the word of the last one is over."""
        self._anew.clear()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._hold_seconds):
                await self._anew.wait()
        self.begin_anew()

    async def _post_waiting(self) -> None:
        while (path := self._path()) is not None and not self._hold_seconds:
            room = WINDOW - len(self._in_flight)
            if room <= 0:
                return
            after_id = self._posted_id
            rows = await self._journal.step(partial(_waiting, self._pair_id, after_id, room))
            if not rows:
                return
            if after_id == self._posted_id:  # else: begun anew meanwhile, and these come again
                self._send(rows, path)

    def _send(self, rows: Sequence[OutboxRow], path: Path) -> None:
        for row in rows:
            if not path.keep(row):
                return
            self._posted_id = row.id
            self._in_flight[row.message_id] = row

    async def received(self, message_ids: Sequence[bytes], *, seq: int) -> None:
        """Hear that the relay has rows; the newest stands at `seq`."""

        def received(tx: Tx) -> None:
            outbox.received(tx, self._pair_id, message_ids)
            threads.advance(tx, self._pair_id, seq)

        await self._journal.step(received)
        self._gone(message_ids)

    def _gone(self, message_ids: Iterable[bytes]) -> None:
        for one in message_ids:
            self._in_flight.pop(one, None)
        self._shorter.set()
        self._news.set()

    def refused(self, message_id: bytes, *, retry_after_ms: int) -> bool:
        """Hear that the relay did not take a row: it goes out again. Tells whether it was one of ours."""
        if message_id not in self._in_flight:
            return False
        self._hold_seconds = max(retry_after_ms / 1000, RETRY_SECONDS)
        self._news.set()
        return True

    async def drained(self, *, within_seconds: float) -> bool:
        """Wait until the outbox is empty; False when it took too long or there is no path."""
        self.wake()
        with contextlib.suppress(TimeoutError, errors.StoreFailed):
            async with asyncio.timeout(within_seconds):
                while self._path() is not None:
                    self._shorter.clear()
                    if not await self._journal.step(lambda tx: outbox.count(tx, self._pair_id)):
                        return True
                    await self._shorter.wait()
        return False


def _waiting(pair_id: PairId, after_id: int, limit: int, tx: Tx) -> list[OutboxRow]:
    return outbox.waiting(tx, pair_id, after_id=after_id, limit=limit)
