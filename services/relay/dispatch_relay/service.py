"""ThreadService: reads messages, writes batches, and is the one place that tells a stream why it ends. Knows no carrier.

The handler reads, until the room says that the stream is over, and a task beside it writes. Messages are bytes in both
directions: what a device sends is parsed here, so that garbage is refused in our words, and what goes out was serialized where
it was made.
"""

from __future__ import annotations

import asyncio

from dispatch import errors
from dispatch.api.relay.v1 import relay_pb2 as pb
from dispatch.endings import Until
from dispatch.runtime.logs import get_logger
from google.protobuf.message import DecodeError

from dispatch_relay.admission import Gate
from dispatch_relay.channels.arrival import Arrival
from dispatch_relay.channels.handed import Handed
from dispatch_relay.channels.wire import ChannelWire
from dispatch_relay.front import Front
from dispatch_relay.metrics import BROKE
from dispatch_relay.openings import Openings
from dispatch_relay.place import Tools
from dispatch_relay.room import Room
from dispatch_relay.rooms import Rooms
from dispatch_relay.stream import Caller, Stream
from dispatch_relay.trust import Admitted
from dispatch_relay.wire import Gone, Wire

_log = get_logger()

FLUSH_SECONDS = 0.5
"""How long a device has to read what was said before its stream ended."""

SERVICE = pb.DESCRIPTOR.services_by_name["ThreadService"]
ATTACH = "Attach"


class ThreadService:
    """The handler of Attach."""

    def __init__(self, *, gate: Gate, rooms: Rooms, tools: Tools, front: Front) -> None:
        self._gate = gate
        self._rooms = rooms
        self._front = front
        self._tools = tools
        self._settings = tools.settings
        self._openings = Openings(limit=tools.settings.openings)
        self.draining = False

    async def attach(self, wire: Wire) -> None:
        """Carry one stream from Hello to its end."""
        framed = _Framed(wire, most_frames=self._settings.frames)
        try:
            admitted, caller = await self._admit(framed)
            handed = Handed(admitted, wire.carrier, wire.address, caller=caller)
            seat = await self._front.find(lambda: self._rooms.enter(admitted.pair_id), handed)
            # From here to the end of `_sit` nothing is awaited: the room can't be let go, nor the pairing end in between.
            if isinstance(seat, Room):
                stream = self._sit(seat, handed)
        except Gone:
            self._tools.metrics.stream_ended(BROKE, wire.carrier)
            return
        except errors.DispatchError as refused:
            word = errors.word(refused.reason)
            self._tools.metrics.stream_ended(word, wire.carrier)
            _log.info("stream refused", claimed=framed.claimed, reason=word, detail=refused.detail)
            await wire.refuse(refused)
            return
        if isinstance(seat, Room):
            ended = await self._carry(framed, seat, stream)
        else:
            ended = await self._front.carry(wire, seat, handed, begun=framed.begun())
        if ended is not None and not framed.broken:
            await wire.refuse(ended)

    async def attach_for(self, arrival: Arrival) -> None:
        """Carry one stream that another relay has let in, as one of our own."""
        handed, wire = arrival.handed, ChannelWire(arrival)
        try:
            # While this relay closes its rooms are going to others, where the front will find them.
            room = None if self.draining else await self._rooms.enter(handed.admitted.pair_id)
            if not isinstance(room, Room) or self.draining:
                arrival.turn_away()
                return
            if arrival.side.over.done():
                room.settle()  # the front did not wait, and its device may sit here by another stream already
                return
            stream = self._sit(room, handed)
        except errors.DispatchError as refused:
            self._tools.metrics.stream_ended(errors.word(refused.reason), wire.carrier)
            arrival.refuse(refused)
            return
        arrival.accept()
        framed = _Framed(wire, most_frames=self._settings.frames)
        ended = await self._carry(framed, room, stream)
        if ended is not None:
            await wire.refuse(ended)
        wire.leave()

    async def _admit(self, framed: _Framed) -> tuple[Admitted, Caller]:
        if self.draining:
            raise errors.Draining(retry_after_ms=1_000)
        try:
            with self._openings.one(framed.wire.address):
                async with asyncio.timeout(self._settings.hello_ms / 1_000):
                    admitted, caller = await self._gate.admit(framed.frame, framed.write)
                    framed.wire.let_in()
        except TimeoutError:
            raise errors.ProtocolViolation("Hello, Proof and Open took too long") from None
        return admitted, caller

    def _sit(self, room: Room, handed: Handed) -> Stream:
        """Open a stream in its room. Raises a StreamRefused."""
        admitted, caller = handed.admitted, handed.caller
        try:
            if self.draining:
                raise errors.Draining(retry_after_ms=1_000)
            if caller is None:
                raise errors.Internal("a thread was opened for a transfer")
            self._gate.trust.still(admitted)
            stream = room.attach(caller, carrier=handed.carrier, left_ms=admitted.left_ms)
        except errors.DispatchError:
            room.settle()  # nobody else may need it
            raise
        _log.info(
            "stream opened",
            pairing=admitted.pair_id,
            device=admitted.device_id,
            end=caller.end.name.lower(),
            carrier=handed.carrier.value,
            resume_after=caller.resume_after,
        )
        return stream

    async def _carry(self, framed: _Framed, room: Room, stream: Stream) -> errors.DispatchError | None:
        """Read and write until the stream ends; gives why, None for in peace."""
        try:
            async with asyncio.TaskGroup() as group:
                sending = group.create_task(self._send(framed, room, stream))
                with Until(stream.ended):  # which the room says, whoever it is that ends it
                    await self._receive(framed, room, stream)
                await asyncio.wait([sending], timeout=FLUSH_SECONDS)
                sending.cancel()
        finally:
            room.broke(stream)
        return stream.ended.result()

    async def _receive(self, framed: _Framed, room: Room, stream: Stream) -> None:
        try:
            while True:
                self._take(await framed.message(), room, stream)
                await stream.calm()
        except Gone:
            room.broke(stream)
        except errors.DispatchError as error:
            room.end(stream, error)

    @staticmethod
    def _take(frames: list[pb.DeviceFrame], room: Room, stream: Stream) -> None:
        """Take the frames of one message. They are gone afterwards: the stream may be silent for long behind a large one."""
        room.heard(stream)
        for frame in frames:
            room.receive(stream, frame)

    async def _send(self, framed: _Framed, room: Room, stream: Stream) -> None:
        try:
            while batch := await stream.batch():
                await framed.write(batch)
                del batch  # it may be large, and the stream silent from here on
        except Gone:
            room.broke(stream)
        except errors.DispatchError as error:
            room.end(stream, error)  # the log can't be read


class _Framed:
    """Frames in, bytes out."""

    def __init__(self, wire: Wire, *, most_frames: int) -> None:
        self.wire = wire
        self._most_frames = most_frames
        self._frames: list[pb.DeviceFrame] = []  # that came in one message with the opening
        self.broken = False
        """Whether writing failed, so that nothing can be told; the end of reading may only be the caller's last word."""
        self.claimed = b""
        """Whom the caller says to be: for the log, and believed by nobody."""

    async def message(self) -> list[pb.DeviceFrame]:
        """Give the frames of the next message, behind what is left of the last. Raises Gone, ProtocolViolation."""
        if self._frames:
            left, self._frames = self._frames, []
            return left
        data = await self.wire.read()
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
        frame = self._frames.pop(0)
        self.claimed = frame.hello.device_id or self.claimed
        return frame

    def begun(self) -> bytes:
        """Take what came in one message with the opening and was not read, as a message of its own."""
        left, self._frames = self._frames, []
        return pb.AttachRequest(frames=left).SerializeToString() if left else b""

    async def write(self, batch: bytes) -> None:
        """Write a batch. Raises Gone."""
        try:
            await self.wire.write(batch)
        except Gone:
            self.broken = True
            raise
