"""The direct path, as a path: what is said to the phone is put into frames that nobody between can read or forge.

Beside what is sealed nothing is told: no task's id, no hint, no outcome. Filled by the link's parts, emptied by the door's writer.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from dispatch.api.error.v1.error_pb2 import Reason
from dispatch.api.relay.v1 import relay_pb2 as relay
from dispatch.api.relay.v1.relay_pb2 import RelayFrame
from dispatch.api.thread.v1 import thread_pb2 as pb
from dispatch.ids import MessageId

from dispatch_host.journal.values import OutboxRow

MOST_QUEUED = 256
"""A phone that reads nothing is no path: rows then wait for the next one, and what is said in passing is dropped."""
FRAMES = 16
"""Most frames in one message: with the largest seals they fit gRPC's."""


class DirectPath:
    """One stream of a phone on the local network."""

    def __init__(self, say: Callable[[Sequence[pb.DownLiveItem], DirectPath], None]) -> None:
        self._say = say  # seals words and gives them to `live`
        self._queue: list[RelayFrame] = []
        self._news = asyncio.Event()
        self.over = asyncio.Event()  # set when the host ends it
        # Touched by the side.
        self.heard_ms = 0  # when the phone last wrote something here, on the steady clock
        self.forged = 0  # frames that no phone wrote

    def live(self, sealed: bytes) -> bool:
        return self._put(RelayFrame(live=relay.Live(sealed=sealed)))

    def take(self, message_id: MessageId) -> bool:
        self._say([pb.DownLiveItem(taken=pb.Taken(message_id=message_id))], self)
        return True

    def decline(self, message_id: MessageId, reason: Reason.ValueType) -> bool:
        self._say([pb.DownLiveItem(declined=pb.Declined(message_id=message_id, reason=reason))], self)
        return True

    def keep(self, row: OutboxRow) -> bool:
        return self._put(RelayFrame(deliver=relay.Deliver(message_id=row.message_id, sealed=row.sealed)))

    def _put(self, frame: RelayFrame) -> bool:
        if self.over.is_set() or len(self._queue) >= MOST_QUEUED:
            return False
        self._queue.append(frame)
        self._news.set()
        return True

    @property
    def waiting(self) -> bool:
        """Whether something waits to be written."""
        return bool(self._queue)

    def at_once(self) -> list[RelayFrame]:
        """Take what is queued, as much as fits one message; empty for nothing."""
        batch, self._queue = self._queue[:FRAMES], self._queue[FRAMES:]
        return batch

    async def batch(self) -> list[RelayFrame]:
        """Wait for something to write, and take it."""
        while not (batch := self.at_once()):
            self._news.clear()
            await self._news.wait()
        return batch
