"""Posts what the outbox holds, in order, a window of rows at a time; the same bytes again until they have arrived.

Two flows: the rows that the phone is to get, on the path in use; and beside them what only the relay is still to hear of tasks
that came by the direct path, their go and their outcome. Called by the link; `run` goes beside the streams' readers.
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
"""Most rows of a flow that have not arrived yet."""
RETRY_SECONDS = 1.0

_LOG = get_logger()

UsedPath = Callable[[], Path | None]
"""Gives the path that a flow takes now; None while there is none."""


class _Flow:
    """How far a flow is. Shared by the link's tasks and `run`, which leave it whole at each await."""

    def __init__(self, path: UsedPath, *, kept: bool) -> None:
        self.path = path
        self.kept = kept
        self.posted_id = 0
        self.in_flight: dict[bytes, OutboxRow] = {}
        self.held_until: float | None = (
            None  # by the loop's clock: as the relay asked, or because the path takes nothing
        )
        self.refused = False  # a row was, so that it goes out again with all behind it

    def begin_anew(self) -> None:
        self.posted_id, self.held_until, self.refused = 0, None, False
        self.in_flight.clear()

    def go_on(self) -> None:
        """Hear that the time to hold is over."""
        if self.refused:
            self.begin_anew()
        self.held_until = None

    def send(self, rows: Sequence[OutboxRow], path: Path) -> bool:
        """Give rows to the path; False when it takes no more."""
        for row in rows:
            if not path.keep(row):
                return False
            self.posted_id = row.id
            self.in_flight[row.message_id] = row
        return True


class Posting:
    """The outbox of one pairing on its way out."""

    def __init__(self, pair_id: PairId, *, journal: Writer, path: UsedPath, relay: UsedPath) -> None:
        # Fixed after __init__.
        self._pair_id = pair_id
        self._journal = journal
        self._rows = _Flow(path, kept=False)
        self._for_relay = _Flow(relay, kept=True)
        self._flows = (self._rows, self._for_relay)
        # Shared by the link's tasks and `run`.
        self._news = asyncio.Event()
        self._shorter = asyncio.Event()  # set when the outbox got shorter

    def wake(self) -> None:
        """Hear that the outbox has news."""
        self._news.set()

    def begin_anew(self) -> None:
        """Post everything from the start: on a new stream, or after a switch, what was posted before says nothing."""
        for flow in self._flows:
            flow.begin_anew()
        self._news.set()

    async def run(self) -> None:
        """Post, for ever."""
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout_at(min((f.held_until for f in self._flows if f.held_until), default=None)):
                    await self._news.wait()
            self._news.clear()
            for flow in self._flows:
                if flow.held_until is not None and asyncio.get_running_loop().time() >= flow.held_until:
                    flow.go_on()
                try:
                    await self._post(flow)
                except errors.StoreFailed as failure:
                    _LOG.error("journal can't be used", detail=failure.detail)
                    self._hold(flow, RETRY_SECONDS)

    def _hold(self, flow: _Flow, seconds: float) -> None:
        flow.held_until = max(flow.held_until or 0.0, asyncio.get_running_loop().time() + seconds)
        self._news.set()

    async def _post(self, flow: _Flow) -> None:
        while (path := flow.path()) is not None and flow.held_until is None:
            room = WINDOW - len(flow.in_flight)
            if room <= 0:
                return
            after_id = flow.posted_id
            rows = await self._journal.step(partial(_waiting, self._pair_id, after_id, room, flow.kept))
            if not rows:
                return
            if after_id != flow.posted_id or flow.path() is not path:
                continue  # begun anew meanwhile, and these come again
            if not flow.send(rows, path):
                # A phone that does not read, or a stream that is just ending: another path begins anew.
                self._hold(flow, RETRY_SECONDS)

    async def received(self, message_ids: Sequence[bytes], *, seq: int) -> None:
        """Hear that the relay has rows; the newest stands at `seq`."""

        def received(tx: Tx) -> None:
            outbox.received(tx, self._pair_id, message_ids)
            threads.advance(tx, self._pair_id, seq)

        await self._journal.step(received)
        self._arrived(message_ids)

    async def kept(self, message_ids: Sequence[bytes]) -> None:
        """Hear that the phone has rows by the direct path."""
        await self._journal.step(lambda tx: outbox.kept(tx, self._pair_id, message_ids))
        self._arrived(message_ids)

    def _arrived(self, message_ids: Iterable[bytes]) -> None:
        for one in message_ids:
            for flow in self._flows:
                flow.in_flight.pop(one, None)
        self._shorter.set()
        self._news.set()

    def refused(self, message_id: bytes, *, retry_after_ms: int) -> bool:
        """Hear that the relay did not take a row: it goes out again. Tells whether it was one of ours."""
        flow = next((flow for flow in self._flows if message_id in flow.in_flight), None)
        if flow is None:
            return False
        flow.refused = True
        self._hold(flow, max(retry_after_ms / 1000, RETRY_SECONDS))
        return True

    async def drained(self, *, within_seconds: float) -> bool:
        """Wait until all has arrived for which there is a path; False when it took too long or there is none."""
        self.wake()
        with contextlib.suppress(TimeoutError, errors.StoreFailed):
            async with asyncio.timeout(within_seconds):
                while open_flows := [flow for flow in self._flows if flow.path() is not None]:
                    self._shorter.clear()
                    if not await self._journal.step(partial(_left, self._pair_id, open_flows)):
                        return True
                    await self._shorter.wait()
        return False


def _left(pair_id: PairId, flows: Sequence[_Flow], tx: Tx) -> int:
    """Count what still waits for one of these."""
    return sum(outbox.count(tx, pair_id, kept=flow.kept) for flow in flows)


def _waiting(pair_id: PairId, after_id: int, limit: int, kept: bool, tx: Tx) -> list[OutboxRow]:
    return outbox.waiting(tx, pair_id, after_id=after_id, limit=limit, kept=kept)
