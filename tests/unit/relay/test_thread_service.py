"""What a stream's handler keeps and lets go of while it waits. What it carries is tests/protocol."""

from __future__ import annotations

import asyncio
import sys
from types import SimpleNamespace
from typing import Any

import pytest
from dispatch import errors
from dispatch.ids import DeviceId, Instance
from dispatch.runtime.metrics import Carrier
from dispatch_relay.presence import End
from dispatch_relay.service import ThreadService, _Framed
from dispatch_relay.settings import Settings
from dispatch_relay.stream import Caller, Stream
from dispatch_relay.tail import Tail

from tests.support.waiting import until


class SilentWire:
    """A device that says nothing; records what it is told."""

    carrier = Carrier.GRPC
    address = "127.0.0.1"

    def __init__(self) -> None:
        self.written: list[bytes] = []

    async def read(self) -> bytes:
        await asyncio.Event().wait()
        raise AssertionError("never")

    def let_in(self) -> None:
        """Hear nothing of it."""

    async def write(self, message: bytes) -> None:
        self.written.append(message)

    async def refuse(self, error: errors.DispatchError) -> None:
        raise AssertionError(error)


class Room:
    """Records how the stream was when its room heard that it broke."""

    def __init__(self) -> None:
        self.ended_before: list[bool] = []

    def broke(self, stream: Stream) -> None:
        self.ended_before.append(stream.ended.done())
        stream.finish(None)

    def end(self, stream: Stream, error: errors.DispatchError) -> None:
        raise AssertionError(error)


class Carried:
    """A stream and its handler's second half, from where its device is let in."""

    def __init__(self) -> None:
        self.wire, self.room = SilentWire(), Room()
        caller = Caller(End.HOST, DeviceId(bytes(16)), Instance(bytes(16)), 0, looking=False)
        settings = Settings()
        tail = Tail(head_seq=0, limit_bytes=settings.batch_bytes)
        self.stream = Stream(
            caller,
            carrier=Carrier.GRPC,
            tail=tail,
            read_rows=self._no_rows,
            settings=settings,
            now_ms=0,
            until_ms=60_000,
        )
        nothing: Any = None
        tools: Any = SimpleNamespace(settings=settings)
        service = ThreadService(gate=nothing, rooms=nothing, tools=tools, front=nothing)
        room: Any = self.room
        framed = _Framed(self.wire, most_frames=settings.frames)
        self.handling = asyncio.create_task(service._carry(framed, room, self.stream))

    async def _no_rows(self, after_seq: int) -> list[Any]:
        raise AssertionError(after_seq)


async def test_a_stream_whose_handler_is_cancelled_ends_when_its_room_says_so() -> None:
    """The cancellation ended it by itself, and whoever waited for its end looked for it in a room that still had it."""
    carried = Carried()
    carried.stream.say(b"opened")
    await until(lambda: carried.wire.written)

    carried.handling.cancel()
    with pytest.raises(asyncio.CancelledError):
        await carried.handling

    assert carried.room.ended_before == [False]
    assert carried.stream.ended.result() is None


async def test_a_silent_stream_does_not_keep_what_was_written_last() -> None:
    """It may be as much as a batch, for as long as the device is silent."""
    carried = Carried()
    carried.stream.say(bytes(100_000))
    await until(lambda: carried.wire.written)

    written = carried.wire.written.pop()

    assert sys.getrefcount(written) == 2, "more than the name above, and the argument of this call"
    carried.handling.cancel()
    await asyncio.wait([carried.handling])
