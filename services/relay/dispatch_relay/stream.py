"""One open stream as the room sees it: what goes to the device and in which order. Carries nothing itself.

Three things go down: control frames in order, rows by a cursor over the log, live frames while the device keeps up. Some
control frames are in no hurry, and wait for a moment for company: writing a message costs the same for one frame and for many.
`room` writes into it; the send loop of `service` takes batches out.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from dispatch import errors
from dispatch.channel import COMPANY_SECONDS
from dispatch.ids import DeviceId, Instance
from dispatch.runtime.metrics import Carrier

from dispatch_relay import frames
from dispatch_relay.bucket import Bucket
from dispatch_relay.lease import Lease
from dispatch_relay.log import Row
from dispatch_relay.presence import End
from dispatch_relay.settings import Settings
from dispatch_relay.tail import Tail

MOST_IN_FLIGHT = 256
"""Posts of one stream that wait for their commit before no more are read."""

MOST_UNHURRIED = 16
"""Rows in no hurry that wait for company: half of those of which a host waits for receipts before it sends more."""

NOTICES_AT_ONCE = 20
"""Notices that a host may say at once, with one more each second: each is written, logged and told to the phone."""

TARGETS_AT_ONCE = 5
"""Push targets that a phone may say at once, with one more each second: each is a write."""

ReadRows = Callable[[int], Awaitable[Sequence[Row]]]
"""Reads rows behind a seq from the log."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who has proved to be at the other end."""

    end: End
    device_id: DeviceId
    instance: Instance
    resume_after: int
    looking: bool


class Stream:
    """A device's stream from Opened to its end."""

    __slots__ = (  # beyond 29 attributes each instance would have a dictionary of its own
        "_alone", "_batch_bytes", "_calm", "_company", "_control", "_control_bytes", "_in_flight", "_live",
        "_live_bytes", "_peer_ack", "_queue_bytes", "_read_rows", "_tail", "_unhurried", "_waiting", "_woken",
        "carrier", "cursor", "device_id", "end", "ended", "instance", "lease", "lives", "looking",
        "notices", "posts", "targets", "until_ms",
    )  # fmt: skip

    def __init__(
        self,
        caller: Caller,
        *,
        carrier: Carrier,
        tail: Tail,
        read_rows: ReadRows,
        settings: Settings,
        now_ms: int,
        until_ms: int,
    ) -> None:
        """Times are on the steady clock; its grant is good until `until_ms`."""
        # Fixed after __init__.
        self.end = caller.end
        self.carrier = carrier
        self.device_id = caller.device_id
        self.instance = caller.instance
        self.until_ms = until_ms
        self.ended: asyncio.Future[errors.DispatchError | None] = asyncio.get_running_loop().create_future()
        self._tail = tail
        self._read_rows = read_rows
        self._batch_bytes = settings.batch_bytes
        self._queue_bytes = settings.queue_bytes
        # Touched by room only.
        self.looking = caller.looking
        self.lease = Lease(now_ms=now_ms)
        self.posts = Bucket(per_second=settings.posts_per_second, burst=2 * settings.posts_per_second, now_ms=now_ms)
        self.lives = Bucket(per_second=settings.live_per_second, burst=2 * settings.live_per_second, now_ms=now_ms)
        self.notices = Bucket(per_second=1, burst=NOTICES_AT_ONCE, now_ms=now_ms)
        self.targets = Bucket(per_second=1, burst=TARGETS_AT_ONCE, now_ms=now_ms)
        # Filled by room, emptied by send.
        # Lists: an empty deque takes 700 bytes, and most streams are silent.
        self._control: list[bytes] = []
        self._unhurried: list[bytes] = []
        self._control_bytes = 0  # of both
        self._live: list[bytes] = []
        self._live_bytes = 0
        self._peer_ack = 0
        self._alone = False  # what waited for company has waited long enough
        self._company: asyncio.TimerHandle | None = None
        # No asyncio.Event: it has a deque, and its wait a coroutine of its own, which together are 2 % of a silent stream.
        self._woken = False  # there may be something to write
        self._waiting: asyncio.Future[None] | None = None
        self._in_flight = 0
        self._calm: asyncio.Event | None = None  # while there is none, all is calm
        # Touched by send only; read by room.
        self.cursor = caller.resume_after

    # ---- room writes

    def say(self, frame: bytes) -> None:
        """Queue a control frame. It goes before rows and live frames that are not yet written."""
        self._control.append(frame)
        self._control_bytes += len(frame)
        self._wake()
        self._settle()

    def whisper(self, frame: bytes) -> bool:
        """Queue a live frame; False when the device reads too slowly and it was dropped."""
        if self._live_bytes + len(frame) > self._queue_bytes:
            return False
        self._live.append(frame)
        self._live_bytes += len(frame)
        self._wake()
        return True

    @property
    def keeps_up(self) -> bool:
        """Say whether the device reads what it is told, or has not been told much."""
        return self._control_bytes < self._queue_bytes

    def mention(self, frame: bytes) -> None:
        """Queue a control frame that is in no hurry."""
        self._unhurried.append(frame)
        self._control_bytes += len(frame)
        self._await_company()
        self._settle()

    def peer_acked(self, through_seq: int) -> None:
        """Tell the device, which is in no hurry; only the newest counts."""
        self._peer_ack = max(self._peer_ack, through_seq)
        self._await_company()

    def _wake(self) -> None:
        self._woken = True
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)

    def _await_company(self) -> None:
        if self._company is None:
            self._company = asyncio.get_running_loop().call_later(COMPANY_SECONDS, self._go_alone)

    def _go_alone(self) -> None:
        self._company = None
        self._alone = True
        self._wake()

    def news(self, *, hurried: bool) -> None:
        """There is a row behind the cursor; of those in no hurry not too many wait for company."""
        if hurried or self._tail.head_seq - self.cursor >= MOST_UNHURRIED:
            self._wake()
        else:
            self._await_company()

    def finish(self, error: errors.DispatchError | None) -> None:
        """End the stream, with the error or in peace. The first call counts."""
        if not self.ended.done():
            self.ended.set_result(error)
            self._wake()
            self._settle()

    def submitted(self) -> None:
        """A post is on its way to the log."""
        self._in_flight += 1
        self._settle()

    def settled(self) -> None:
        """It has come back."""
        self._in_flight -= 1
        self._settle()

    def _settle(self) -> None:
        if (self._in_flight < MOST_IN_FLIGHT and self._control_bytes < self._queue_bytes) or self.ended.done():
            if self._calm is not None:
                self._calm.set()
                self._calm = None
        elif self._calm is None:
            self._calm = asyncio.Event()

    # ---- receive and send

    async def calm(self) -> None:
        """Wait until the device may be read again: back-pressure on whoever posts faster than we can answer."""
        if self._calm is not None:
            await self._calm.wait()

    async def batch(self) -> bytes:
        """Wait for something to write and give a batch of it; empty once when the stream has ended and all is said."""
        while True:
            self._woken = False
            parts: list[bytes] = []
            left = self._batch_bytes
            for frame in self._control:
                if left <= 0:
                    break
                parts.append(frame)
                left -= len(frame)
                self._control_bytes -= len(frame)
            behind = len(parts)  # what answers and what opens the stream comes first
            del self._control[:behind]
            if self._control:
                self._wake()
            else:
                await self._add_rows(parts, limit_bytes=left)
            parts.extend(self._live)
            self._live.clear()
            self._live_bytes = 0
            if parts or self._alone or self.ended.done():
                parts[behind:behind] = self._take_unhurried()
            self._settle()
            if parts or self.ended.done():
                return b"".join(parts)
            if not self._woken:
                self._waiting = asyncio.get_running_loop().create_future()
                await self._waiting

    def _take_unhurried(self) -> list[bytes]:
        """Give what goes along; before the rows, of which some may say more."""
        taken, self._unhurried, self._alone = self._unhurried, [], False
        self._control_bytes -= sum(map(len, taken))
        if self._peer_ack:
            taken.append(frames.peer_ack(self._peer_ack))
            self._peer_ack = 0
        return taken

    async def _add_rows(self, parts: list[bytes], *, limit_bytes: int) -> None:
        rows = self._tail.behind(self.cursor, limit_bytes=limit_bytes)
        if rows is None:
            if self.ended.done():
                return
            rows = await self._read_rows(self.cursor)
            if not rows or rows[0].seq != self.cursor + 1:
                # It read so slowly that what it lacks has been forgotten meanwhile.
                oldest = rows[0].seq if rows else self._tail.head_seq + 1
                self.finish(errors.ResumeTooOld(metadata={"oldest_seq": str(oldest)}))
                return
        if rows:
            parts.extend(frames.row(row, to=self.end) for row in rows)
            self.cursor = rows[-1].seq
            if self.cursor < self._tail.head_seq:
                self._wake()
