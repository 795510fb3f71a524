"""Both ends of a pair as the contract has them, with as little as possible behind: frames go in and out as bytes, nothing is kept.

What is sealed here is random bytes, which to a relay is the same. A keep row begins with the id of the command that it answers, so
that the phone's end knows how long that took. Called by `bench.pair_load`.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import Callable
from hashlib import sha256
from random import Random
from typing import Any

import grpc
from dispatch import errors
from dispatch.api.relay.v1 import relay_pb2 as pb
from dispatch.status import from_rpc

from bench.latencies import Latencies
from tests.support.device_end import ATTACH, Identity

ID_BYTES = 16
RETRY_SECONDS = 0.2
OPENING_SECONDS = 120.0


class Tally:
    """What all ends of a process have counted."""

    def __init__(self) -> None:
        self.posted = 0
        self.kept = 0  # keep rows that came to a phone
        self.refused: Counter[str] = Counter()
        self.ended: Counter[str] = Counter()
        self.receipts = Latencies()
        self.keeps = Latencies()

    def told(self) -> dict[str, Any]:
        """Give it for JSON."""
        return {
            "posted": self.posted,
            "kept": self.kept,
            "refused": dict(self.refused),
            "ended": dict(self.ended),
            "receipts": self.receipts.told(),
            "keeps": self.keeps.told(),
        }


class End:
    """One stream of a device."""

    def __init__(self, device: Identity, channel: grpc.aio.Channel, address: str, tally: Tally) -> None:
        # fixed after __init__
        self.device, self.tally = device, tally
        self._channel, self._address = channel, address
        # touched by `_read` only
        self._seq = 0
        # touched by `say` only
        self._waiting: list[bytes] = []
        self._writing = False
        self._call: Any = None
        self._reading: asyncio.Task[None] | None = None

    async def attach(self) -> None:
        """Open the stream; comes back while the relay asks for it. Raises the reason for which it does not let the device in."""
        async with asyncio.timeout(OPENING_SECONDS):
            while True:
                try:
                    opened = await self._open()
                    break
                except (errors.TrustStale, errors.RateLimited, errors.Draining, errors.NoNetwork):
                    await asyncio.sleep(RETRY_SECONDS)
        self._seq = opened.head_seq
        self._reading = asyncio.create_task(self._read())

    async def leave(self) -> None:
        """Break the stream."""
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.wait([self._reading])
        if self._call is not None:
            self._call.cancel()

    async def say(self, *frames: pb.DeviceFrame) -> None:
        """Write frames, with whatever else waits to be written; one write at a time."""
        self._waiting.append(pb.AttachRequest(frames=frames).SerializeToString())
        if self._writing:
            return
        self._writing = True
        try:
            while self._waiting:
                batch, self._waiting = b"".join(self._waiting), []
                # What ended a stream, its reader counts.
                with contextlib.suppress(grpc.aio.AioRpcError, asyncio.InvalidStateError):
                    await self._call.write(batch)
        finally:
            self._writing = False

    async def _open(self) -> pb.Opened:
        self._call = self._channel.stream_stream(ATTACH)()
        try:
            hello = self.device.hello()
            await self._call.write(pb.AttachRequest(frames=[pb.DeviceFrame(hello=hello)]).SerializeToString())
            challenge = await self._first("challenge")
            proof = self.device.prove(hello, challenge.challenge, dialled=self._address)
            frames = [pb.DeviceFrame(proof=proof), pb.DeviceFrame(open=pb.Open())]
            await self._call.write(pb.AttachRequest(frames=frames).SerializeToString())
            return (await self._first("opened")).opened
        except grpc.aio.AioRpcError as failure:
            raise from_rpc(failure) from failure

    async def _first(self, word: str) -> pb.RelayFrame:
        message = await self._call.read()
        frame = pb.AttachResponse.FromString(message).frames[0] if isinstance(message, bytes) else pb.RelayFrame()
        if frame.WhichOneof("frame") != word:
            raise errors.Internal(f"{word} did not come, but {frame.WhichOneof('frame')}")
        return frame

    async def _read(self) -> None:
        try:
            while isinstance(message := await self._call.read(), bytes):
                before, answers = self._seq, []
                for frame in pb.AttachResponse.FromString(message).frames:
                    if frame.HasField("ping"):
                        answers.append(pb.DeviceFrame(pong=pb.Pong(number=frame.ping.number)))
                    else:
                        answers += self.heard(frame)
                if self._seq > before:
                    answers.append(pb.DeviceFrame(ack=pb.Ack(through_seq=self._seq)))
                if answers:
                    await self.say(*answers)
            self.tally.ended["in peace"] += 1
        except grpc.aio.AioRpcError as failure:
            self.tally.ended[errors.word(from_rpc(failure).reason)] += 1

    def heard(self, frame: pb.RelayFrame) -> list[pb.DeviceFrame]:
        """Take a frame; gives what to answer."""
        raise NotImplementedError

    def row(self, seq: int) -> None:
        """Note that a row came."""
        self._seq = max(self._seq, seq)


class HostEnd(End):
    """Takes every command, and answers each with one keep row that ends its task."""

    def __init__(self, *given: Any, sealed_bytes: int, rng: Random) -> None:
        super().__init__(*given)
        self._sealed_bytes, self._rng = sealed_bytes, rng
        self._tasks: dict[bytes, bytes] = {}  # by command; touched by `heard` only

    def heard(self, frame: pb.RelayFrame) -> list[pb.DeviceFrame]:
        """Take what is handed over; do what has its go."""
        match frame.WhichOneof("frame"):
            case "handover":
                self._tasks[frame.handover.message_id] = frame.handover.task_id
                return [pb.DeviceFrame(take=pb.Take(message_id=frame.handover.message_id))]
            case "withdrawn":
                self.row(frame.withdrawn.seq)
                self._tasks.pop(frame.withdrawn.message_id, None)
            case "receipt":
                self.row(frame.receipt.seq)
            case "refusal":
                self.row(frame.refusal.seq)
                self.tally.refused[errors.word(frame.refusal.reason)] += 1
            case "deliver":
                self.row(frame.deliver.seq)
                command = frame.deliver.message_id
                if (task_id := self._tasks.pop(command, None)) is not None:
                    return [pb.DeviceFrame(post=self._kept(command, task_id))]
        return []

    def _kept(self, command: bytes, task_id: bytes) -> pb.Post:
        sealed = command + self._rng.randbytes(self._sealed_bytes - ID_BYTES)
        return pb.Post(
            message_id=sha256(sealed).digest()[:ID_BYTES],
            task_id=task_id,
            kind=pb.KIND_KEEP,
            sealed=sealed,
            outcome=pb.OUTCOME_DONE,
        )


class PhoneEnd(End):
    """Posts commands when it is told to, and says of each that it is over: `over` is called once for each, refused or answered."""

    def __init__(self, *given: Any, sealed_bytes: int, rng: Random, over: Callable[[PhoneEnd], None]) -> None:
        super().__init__(*given)
        self._sealed_bytes, self._rng, self._over = sealed_bytes, rng, over
        self.under_way: dict[bytes, float] = {}  # when each was due; until its keep row came, or its refusal

    async def post(self, due: float) -> None:
        """Post a command that was due at a time of `time.perf_counter`."""
        sealed = self._rng.randbytes(self._sealed_bytes)
        message_id = sha256(sealed).digest()[:ID_BYTES]
        self.under_way[message_id] = due
        self.tally.posted += 1
        command = pb.Post(
            message_id=message_id, task_id=self._rng.randbytes(ID_BYTES), kind=pb.KIND_COMMAND, sealed=sealed
        )
        await self.say(pb.DeviceFrame(post=command))

    def heard(self, frame: pb.RelayFrame) -> list[pb.DeviceFrame]:
        """Count answers and what came back."""
        match frame.WhichOneof("frame"):
            case "receipt":
                self.row(frame.receipt.seq)
                if (due := self.under_way.get(frame.receipt.message_id)) is not None:
                    self.tally.receipts.add(time.perf_counter() - due)
            case "refusal":
                self.row(frame.refusal.seq)
                self.tally.refused[errors.word(frame.refusal.reason)] += 1
                if self.under_way.pop(frame.refusal.message_id, None) is not None:
                    self._over(self)
            case "deliver":
                self.row(frame.deliver.seq)
                if (due := self.under_way.pop(frame.deliver.sealed[:ID_BYTES], None)) is not None:
                    self.tally.kept += 1
                    self.tally.keeps.add(time.perf_counter() - due)
                    self._over(self)
        return []
