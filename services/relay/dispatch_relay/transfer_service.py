"""TransferService: one handler for each end of a transfer, which reads its device and writes to the other one.

What is read is written before more is read, so that a transfer holds one message each way, and whoever is slow slows the
other down. Nothing is stored, and nothing of it waits on what a thread has to say: a transfer has a connection of its own.
"""

from __future__ import annotations

import asyncio

from dispatch import errors
from dispatch.api.relay.v1 import transfer_pb2 as pb
from dispatch.clock import Clock
from dispatch.endings import Until
from dispatch.runtime.logs import get_logger
from google.protobuf.message import DecodeError

from dispatch_relay.admission import Gate
from dispatch_relay.channels.arrival import Arrival
from dispatch_relay.channels.handed import Handed
from dispatch_relay.channels.wire import ChannelWire
from dispatch_relay.front import Front
from dispatch_relay.metrics import BROKE, Metrics
from dispatch_relay.openings import Openings
from dispatch_relay.presence import End
from dispatch_relay.rooms import Rooms
from dispatch_relay.settings import Settings
from dispatch_relay.transfers import Side, Transfer, Transfers
from dispatch_relay.trust import Admitted
from dispatch_relay.wire import Gone, Wire

_log = get_logger()

SERVICE = pb.DESCRIPTOR.services_by_name["TransferService"]
CARRY = "Carry"

_JOINED = pb.CarryResponse(joined=pb.Joined()).SerializeToString()


class TransferService:
    """The handler of Carry."""

    def __init__(
        self,
        *,
        gate: Gate,
        rooms: Rooms,
        transfers: Transfers,
        clock: Clock,
        settings: Settings,
        metrics: Metrics,
        front: Front,
    ) -> None:
        self._front = front
        self._gate = gate
        self._rooms = rooms
        self._transfers = transfers
        self._clock = clock
        self._settings = settings
        self._metrics = metrics
        self._openings = Openings(limit=settings.openings)
        self.draining = False

    async def carry(self, wire: Wire) -> None:
        """Carry one end of a transfer from Hello to its end."""
        framed = _Framed(wire)
        try:
            handed = await self._admit(framed)
            pair_id = handed.admitted.pair_id
            seat = await self._front.find(lambda: self._rooms.sit(pair_id), handed)
            if seat is None:
                transfer = self._join(handed, framed.wire)
        except Gone:
            self._metrics.transfer_ended(BROKE)
            return
        except errors.DispatchError as refused:
            word = errors.word(refused.reason)
            self._metrics.transfer_ended(word)
            _log.info("transfer refused", claimed=framed.claimed, reason=word, detail=refused.detail)
            await wire.refuse(refused)
            return
        if seat is None:
            error = await self._hold(framed, handed.admitted, transfer)
        else:
            error = await self._front.carry(wire, seat, handed, begun=b"")
        if error is not None:
            await wire.refuse(error)

    async def carry_for(self, arrival: Arrival) -> None:
        """Carry one end of a transfer that another relay has let in, as one of our own."""
        handed, wire = arrival.handed, ChannelWire(arrival)
        try:
            # As with threads: while this relay closes its seats are going to others.
            if self.draining or await self._rooms.sit(handed.admitted.pair_id) is not None:
                arrival.turn_away()
                return
            transfer = self._join(handed, wire)
        except errors.DispatchError as refused:
            self._metrics.transfer_ended(errors.word(refused.reason))
            arrival.refuse(refused)
            return
        arrival.accept()
        error = await self._hold(_Framed(wire), handed.admitted, transfer)
        if error is not None:
            await wire.refuse(error)
        wire.leave()

    async def _admit(self, framed: _Framed) -> Handed:
        if self.draining:
            raise errors.Draining(retry_after_ms=1_000)
        try:
            with self._openings.one(framed.wire.address):
                async with asyncio.timeout(self._settings.hello_ms / 1_000):
                    admitted, transfer_id = await self._gate.admit_to_transfer(framed.frame, framed.wire.write)
                    framed.wire.let_in()
        except TimeoutError:
            raise errors.ProtocolViolation("Hello, Proof and Join took too long") from None
        wire = framed.wire
        return Handed(admitted, wire.carrier, wire.address, transfer_id=transfer_id)

    def _join(self, handed: Handed, wire: Wire) -> Transfer:
        """Come to one side of a transfer; the seat of its pairing is ours until it is over. Raises a StreamRefused."""
        admitted = handed.admitted
        try:
            transfer = self._at_side(handed, wire)
        except errors.DispatchError:
            self._rooms.stand_up(admitted.pair_id)
            raise
        transfer.ended.add_done_callback(lambda _: self._rooms.stand_up(admitted.pair_id))
        return transfer

    def _at_side(self, handed: Handed, wire: Wire) -> Transfer:
        admitted = handed.admitted
        if self.draining:
            raise errors.Draining(retry_after_ms=1_000)
        if handed.transfer_id is None:
            raise errors.Internal("a transfer was opened for a thread")
        self._gate.trust.still(admitted)
        host = self._rooms.host(admitted.pair_id)
        if admitted.end is End.PHONE and host is not None and host.absent:
            raise errors.of(host.cause)
        side = Side(admitted.device_id, wire.write)
        now_ms = self._clock.steady_ms()
        return self._transfers.join(admitted.pair_id, handed.transfer_id, admitted.end, side, now_ms=now_ms)

    async def _hold(self, framed: _Framed, admitted: Admitted, transfer: Transfer) -> errors.DispatchError | None:
        """Forward until the transfer is over; gives why, None for in peace."""
        try:
            async with asyncio.TaskGroup() as group:
                watching = group.create_task(self._watch(transfer, admitted))
                with Until(transfer.ended):
                    await self._forward(framed, admitted.end, transfer)
                watching.cancel()
        finally:
            # Also when this handler is cancelled because its device has gone.
            transfer.finish(errors.PeerAbsent("the other device left the transfer"))
        return transfer.ended.result()

    async def _forward(self, framed: _Framed, end: End, transfer: Transfer) -> None:
        """Say that both are there, then pass on what this end says."""
        try:
            await transfer.both.wait()
            await framed.wire.write(_JOINED)
            transfer.sides[end].told.set()
            other = transfer.sides[end.other]
            await other.told.wait()
            while True:
                frame = await framed.frame()
                match frame.WhichOneof("frame"):
                    case "data":
                        await self._pass_on(frame.data, transfer, other, to=end.other)
                    case "bye":
                        transfer.finish(None)
                        return
                    case _:
                        raise errors.ProtocolViolation("not a word of a transfer")
        except Gone:
            transfer.finish(errors.PeerAbsent("the other device left the transfer"))
        except errors.DispatchError as error:
            transfer.finish(error)

    async def _pass_on(self, data: pb.Data, transfer: Transfer, other: Side, *, to: End) -> None:
        if len(data.sealed) > self._settings.sealed_bytes:
            raise errors.TooLarge(metadata={"limit_bytes": str(self._settings.sealed_bytes)})
        self._transfers.forwards(transfer, to, len(data.sealed), now_ms=self._clock.steady_ms())
        await other.say(pb.CarryResponse(data=data).SerializeToString())
        transfer.moved_ms = self._clock.steady_ms()

    async def _watch(self, transfer: Transfer, admitted: Admitted) -> None:
        """End a transfer whose other end does not come, that stands still, or whose grant is over."""
        grant_ends_ms = self._clock.steady_ms() + admitted.left_ms
        while True:
            now_ms = self._clock.steady_ms()
            waits_ms = self._settings.transfer_idle_ms if transfer.both.is_set() else self._settings.transfer_join_ms
            due_ms = min(transfer.moved_ms + waits_ms, grant_ends_ms)
            if now_ms >= grant_ends_ms:
                transfer.finish(errors.GrantExpired())
            elif now_ms >= due_ms:
                transfer.finish(errors.LeaseLost("nothing moves") if transfer.both.is_set() else self._absent(admitted))
            if transfer.ended.done():
                return
            await asyncio.sleep(max(1, due_ms - now_ms) / 1_000)

    def _absent(self, admitted: Admitted) -> errors.DispatchError:
        host = self._rooms.host(admitted.pair_id)
        if admitted.end is End.PHONE and host is not None and host.absent:
            return errors.of(host.cause)
        return errors.PeerAbsent("the other device did not join the transfer")


class _Framed:
    """Frames in."""

    def __init__(self, wire: Wire) -> None:
        self.wire = wire
        self.claimed = b""
        """Whom the caller says to be: for the log, and believed by nobody."""

    async def frame(self) -> pb.CarryRequest:
        """Give the next frame. Raises Gone, ProtocolViolation."""
        data = await self.wire.read()
        try:
            frame = pb.CarryRequest.FromString(data)
        except DecodeError:
            raise errors.ProtocolViolation("a message that can't be read") from None
        self.claimed = frame.hello.device_id or self.claimed
        return frame
