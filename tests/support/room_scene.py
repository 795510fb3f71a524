"""A room with both ends in it, on a real store that commits when a test says so."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

from dispatch.api.error.v1.error_pb2 import Reason
from dispatch.api.relay.v1 import relay_pb2 as pb
from dispatch.clock import SystemClock
from dispatch.ids import DeviceId, Instance, PairId
from dispatch.runtime.metrics import Carrier
from dispatch_relay.log import Decide, Failed, Op, Then, Thread
from dispatch_relay.metrics import Metrics
from dispatch_relay.place import RETRY_STORE_MS, Tools
from dispatch_relay.presence import End
from dispatch_relay.push import NoPush
from dispatch_relay.room import Room
from dispatch_relay.settings import Settings
from dispatch_relay.sqlite import version as sqlite_version
from dispatch_relay.sqlite.connecting import connect
from dispatch_relay.sqlite.writer import Writer
from dispatch_relay.stream import Caller, Stream
from dispatch_relay.verdict import Event
from prometheus_client import CollectorRegistry

PAIR = PairId(b"p" * 16)
SEAL = b"do it"
HOUR_MS = 3_600_000


class OnCue:
    """A log that writes when it is told to, or fails."""

    def __init__(self, path: Path) -> None:
        sqlite_version.upgrade(path)
        self._writer = Writer(connect(path), thread_bytes=1 << 30)
        self.waiting: list[tuple[Op, Then]] = []

    def submit(self, op: Op, then: Then) -> None:
        self.waiting.append((op, then))

    def commit(self, most: int = 1_000, *, fail: bool = False) -> None:
        """Write what waits, in one transaction."""
        batch, self.waiting = self.waiting[:most], self.waiting[most:]
        ops = [op for op, _ in batch]
        results = [Failed("the disk is full")] * len(ops) if fail else self._writer.commit(ops)
        for (_, then), result in zip(batch, results, strict=True):
            then(result)

    def events(self) -> list[Event]:
        """List what waits to be decided."""
        return [op.event for op, _ in self.waiting if isinstance(op, Decide)]

    def close(self) -> None:
        self._writer.close()


class Scene:
    """A room with both ends in it."""

    def __init__(self, path: Path) -> None:
        self.log = OnCue(path)
        of_test: Any = self.log
        tools = Tools(
            log=of_test,
            clock=SystemClock(),
            settings=Settings(posts_per_second=1_000_000),
            metrics=Metrics(CollectorRegistry()),
            push=NoPush(),
            spawn=lambda work: work.close(),
            report=lambda: None,
        )
        self.settings = tools.settings
        self.room = Room(PAIR, Thread(), tools, closed=lambda room: None, lost=lambda room: None)
        self.host = self.attach(End.HOST)
        self.phone = self.attach(End.PHONE)
        self.log.commit()

    def attach(self, end: End, *, left_ms: int = HOUR_MS) -> Stream:
        """Open a stream with a grant that is good for so long."""
        caller = Caller(end, DeviceId(bytes([end.value]) * 16), Instance(b"i" * 16), resume_after=0, looking=True)
        return self.room.attach(caller, carrier=Carrier.GRPC, left_ms=left_ms)

    def posts(self, phone: Stream, sealed: bytes = SEAL) -> bytes:
        """Post a command; gives its id."""
        message_id = sha256(sealed).digest()[:16]
        post = pb.Post(message_id=message_id, task_id=message_id, kind=pb.KIND_COMMAND, sealed=sealed)
        self.room.receive(phone, pb.DeviceFrame(post=post))
        return message_id

    def takes(self, message_id: bytes) -> None:
        self.room.receive(self.host, pb.DeviceFrame(take=pb.Take(message_id=message_id)))

    def declines(self, message_id: bytes) -> None:
        no = pb.Decline(message_id=message_id, reason=Reason.REASON_QUEUE_FULL)
        self.room.receive(self.host, pb.DeviceFrame(decline=no))

    def close(self) -> None:
        """End all that is open."""
        self.room.shut()
        self.log.close()

    async def heard(self, stream: Stream) -> Sequence[pb.RelayFrame]:
        """End a stream, and give all that it was told."""
        self.room.broke(stream)
        frames: list[pb.RelayFrame] = []
        while batch := await stream.batch():
            frames += pb.AttachResponse.FromString(batch).frames
        return frames


async def retries() -> None:
    """Wait until whatever was to be asked again when this began has been: the loop's timers go in order."""
    over = asyncio.get_running_loop().create_future()
    asyncio.get_running_loop().call_later(RETRY_STORE_MS / 1_000 + 0.001, over.set_result, None)
    await over
