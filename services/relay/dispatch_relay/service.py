"""ThreadService over gRPC: reads messages, writes batches, and is the one place that tells a stream why it ends.

One task reads, one writes, and the handler waits for the stream's end. Messages are bytes in both directions: what a device
sends is parsed here, so that garbage is refused in our words, and what goes out was serialized where it was made.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from typing import Any

import grpc
from dispatch import errors
from dispatch.api.relay.v1 import relay_pb2 as pb
from dispatch.runtime.logs import get_logger
from dispatch.runtime.peer import where
from dispatch.status import refuse
from google.protobuf.message import DecodeError

from dispatch_relay.admission import Gate
from dispatch_relay.metrics import BROKE
from dispatch_relay.openings import Openings
from dispatch_relay.place import Tools
from dispatch_relay.room import Room
from dispatch_relay.rooms import Rooms
from dispatch_relay.stream import Stream

_log = get_logger()

FLUSH_SECONDS = 0.5
"""How long a device has to read what was said before its stream ended."""

SERVICE = pb.DESCRIPTOR.services_by_name["ThreadService"]
Context = grpc.aio.ServicerContext[bytes, bytes]


class ThreadService:
    """The handler of Attach."""

    def __init__(self, *, gate: Gate, rooms: Rooms, tools: Tools) -> None:
        self._gate = gate
        self._rooms = rooms
        self._tools = tools
        self._settings = tools.settings
        self._openings = Openings(limit=tools.settings.openings)
        self.draining = False

    def handlers(self) -> grpc.GenericRpcHandler:
        """Give what a gRPC server registers. Bytes stay bytes."""
        behaviour: Any = self.attach  # the stubs know only the blocking form of a handler
        method: grpc.RpcMethodHandler[bytes, bytes] = grpc.stream_stream_rpc_method_handler(behaviour)
        return grpc.method_handlers_generic_handler(SERVICE.full_name, {"Attach": method})

    async def attach(self, _requests: object, context: Context) -> None:
        """Carry one stream from Hello to its end."""
        wire = _Wire(context, most_frames=self._settings.frames)
        try:
            room, stream, left_ms = await self._open(wire)
        except _Gone:
            self._tools.metrics.stream_ended(BROKE)
            wire.leave()
            return
        except errors.DispatchError as refused:
            self._tools.metrics.stream_ended(errors.word(refused.reason))
            word = errors.word(refused.reason)
            _log.info("stream refused", claimed=wire.claimed, reason=word, detail=refused.detail)
            await _tell(context, refused)
            return
        ended = await self._carry(wire, room, stream, left_ms=left_ms)
        wire.leave()
        if ended is not None:
            await _tell(context, ended)

    async def _open(self, wire: _Wire) -> tuple[Room, Stream, int]:
        if self.draining:
            raise errors.Draining(retry_after_ms=1_000)
        try:
            with self._openings.one(wire.address):
                async with asyncio.timeout(self._settings.hello_ms / 1_000):
                    admitted, caller = await self._gate.admit(wire.frame, wire.write)
        except TimeoutError:
            raise errors.ProtocolViolation("Hello, Proof and Open took too long") from None
        room = await self._rooms.enter(admitted.pair_id)
        # From here to the end of attach nothing is awaited: the room can't be let go, nor the pairing end in between.
        if self.draining:
            raise errors.Draining(retry_after_ms=1_000)
        self._gate.trust.still(admitted)
        stream = room.attach(caller)
        _log.info(
            "stream opened",
            pairing=admitted.pair_id,
            device=admitted.device_id,
            end=caller.end.name.lower(),
            resume_after=caller.resume_after,
        )
        return room, stream, admitted.left_ms

    async def _carry(self, wire: _Wire, room: Room, stream: Stream, *, left_ms: int) -> errors.DispatchError | None:
        """Read and write until the stream ends or its grant is over; gives why, None for in peace."""
        try:
            async with asyncio.TaskGroup() as group:
                receiving = group.create_task(self._receive(wire, room, stream))
                sending = group.create_task(self._send(wire, room, stream))
                expiring = group.create_task(self._expire(room, stream, left_ms=left_ms))
                error = await stream.ended
                expiring.cancel()
                receiving.cancel()
                await asyncio.wait([sending], timeout=FLUSH_SECONDS)
                sending.cancel()
        finally:
            room.broke(stream)
        return error

    async def _receive(self, wire: _Wire, room: Room, stream: Stream) -> None:
        try:
            while True:
                frames = await wire.message()
                room.heard(stream)
                for frame in frames:
                    room.receive(stream, frame)
                await stream.calm()
        except _Gone:
            room.broke(stream)
        except errors.DispatchError as error:
            room.end(stream, error)

    async def _expire(self, room: Room, stream: Stream, *, left_ms: int) -> None:
        """End the stream with its grant: a device comes back at once with a fresh one, unless it may not have one any more.

        Otherwise a stolen phone that is never let go of would never go dark.
        """
        await asyncio.sleep(max(0, left_ms) / 1_000)
        room.end(stream, errors.GrantExpired())

    async def _send(self, wire: _Wire, room: Room, stream: Stream) -> None:
        try:
            while batch := await stream.batch():
                await wire.write(batch)
        except _Gone:
            room.broke(stream)
        except errors.DispatchError as error:
            room.end(stream, error)  # the log can't be read


async def _tell(context: Context, error: errors.DispatchError) -> None:
    """End the call with the error. It is nobody's fault when the caller has gone before it could hear it."""
    with contextlib.suppress(grpc.aio.InternalError):
        await refuse(context, error)


class _Gone(Exception):
    """The caller has gone away."""


class _Wire:
    """Frames in, bytes out."""

    def __init__(self, context: Context, *, most_frames: int) -> None:
        self._context = context
        self._most_frames = most_frames
        self._frames: deque[pb.DeviceFrame] = deque()
        self.address = where(context.peer())
        self._broken = False  # whether writing failed; the end of reading may only be the caller's last word
        self.claimed = b""
        """Whom the caller says to be: for the log, and believed by nobody."""

    async def message(self) -> list[pb.DeviceFrame]:
        """Give the frames of the next message, behind what is left of the last. Raises _Gone, ProtocolViolation."""
        if self._frames:
            left = list(self._frames)
            self._frames.clear()
            return left
        data = await self._context.read()
        if not isinstance(data, bytes):
            raise _Gone
        try:
            frames = pb.AttachRequest.FromString(data).frames
        except DecodeError:
            raise errors.ProtocolViolation("a message that can't be read") from None
        if len(frames) > self._most_frames:
            raise errors.ProtocolViolation(f"more than {self._most_frames} frames in one message")
        return list(frames)

    async def frame(self) -> pb.DeviceFrame:
        """Give the next frame."""
        while not self._frames:
            self._frames.extend(await self.message())
        frame = self._frames.popleft()
        self.claimed = frame.hello.device_id or self.claimed
        return frame

    async def write(self, batch: bytes) -> None:
        """Write a batch. Raises _Gone."""
        try:
            await self._context.write(batch)
        except grpc.aio.InternalError:
            self._broken = True
            raise _Gone from None

    def leave(self) -> None:
        """End the handler without a status when none can be heard: gRPC prints a traceback of its own where it tries in vain."""
        if self._broken:
            raise asyncio.CancelledError
