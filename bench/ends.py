"""Both ends of a pair as the contract has them, with as little as possible behind: frames go in and out as bytes, nothing is kept.

What is sealed here is random bytes, which to a relay is the same. A keep row begins with the id of the command that it answers, so
that the phone's end knows how long that took. Called by `bench.pair_load`.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable
from hashlib import sha256
from random import Random
from typing import Any

import grpc
from dispatch import errors
from dispatch.api.relay.v1 import relay_pb2 as pb
from dispatch.channel import COMPANY_SECONDS
from dispatch.status import from_rpc

from bench.tally import Tally
from tests.support.device_end import ATTACH, Identity

ID_BYTES = 16
RETRY_SECONDS = 0.2
OPENING_SECONDS = 120.0


class End:
    """One stream of a device."""

    def __init__(self, device: Identity, channel: grpc.aio.Channel, address: str, tally: Tally) -> None:
        # fixed after __init__
        self.device, self.tally = device, tally
        self._channel, self._address = channel, address
        # touched by the reading task only, and by `attach` before it
        self.attached = False
        self._seq = 0
        # touched by `say` only
        self._waiting: list[bytes] = []
        self._writing = False
        self._acked = 0
        self._ack: asyncio.TimerHandle | None = None  # one is in no hurry, and waits for what takes it along
        self._saying: set[asyncio.Task[None]] = set()
        self._call: Any = None
        self._reading: asyncio.Task[None] | None = None

    async def attach(self) -> None:
        """Open the stream, and again whenever it ends. Raises the reason for which the relay does not let the device in."""
        await self._come()
        self._reading = asyncio.create_task(self._stay())

    async def _come(self) -> None:
        async with asyncio.timeout(OPENING_SECONDS):
            while True:
                try:
                    await self._open()
                    break
                except (errors.TrustStale, errors.RateLimited, errors.Draining, errors.NoNetwork):
                    await asyncio.sleep(RETRY_SECONDS)
        self.attached = True

    async def leave(self) -> None:
        """Break the stream."""
        if self._ack is not None:
            self._ack.cancel()
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.wait([self._reading])
        if self._call is not None:
            self._call.cancel()

    async def say(self, *frames: pb.DeviceFrame) -> None:
        """Write frames, with whatever else waits to be written; one write at a time. Nobody hears them while no stream is open."""
        if not self.attached:
            return
        if self._seq > self._acked:
            frames = (pb.DeviceFrame(ack=pb.Ack(through_seq=self._seq)), *frames)
            self._acked = self._seq
        self._waiting.append(pb.AttachRequest(frames=frames).SerializeToString())
        if self._writing:
            return
        self._writing = True
        try:
            while self._waiting and self.attached:
                batch, self._waiting = b"".join(self._waiting), []
                # What ended a stream, its reader counts.
                with contextlib.suppress(grpc.aio.AioRpcError, asyncio.InvalidStateError):
                    await self._call.write(batch)
        finally:
            self._waiting.clear()
            self._writing = False

    async def _open(self) -> None:
        self._call = self._channel.stream_stream(ATTACH)()
        try:
            hello = self.device.hello()
            await self._call.write(pb.AttachRequest(frames=[pb.DeviceFrame(hello=hello)]).SerializeToString())
            challenge = await self._first("challenge")
            proof = self.device.prove(hello, challenge.challenge, dialled=self._address)
            frames = [pb.DeviceFrame(proof=proof), pb.DeviceFrame(open=pb.Open(resume_after=self._seq))]
            await self._call.write(pb.AttachRequest(frames=frames).SerializeToString())
            await self._first("opened")
        except grpc.aio.AioRpcError as failure:
            raise from_rpc(failure) from failure

    async def _first(self, word: str) -> pb.RelayFrame:
        message = await self._call.read()
        frame = pb.AttachResponse.FromString(message).frames[0] if isinstance(message, bytes) else pb.RelayFrame()
        if frame.WhichOneof("frame") != word:
            raise errors.Internal(f"{word} did not come, but {frame.WhichOneof('frame')}")
        return frame

    async def _stay(self) -> None:
        while True:
            try:
                await self._read()
                self.tally.ended["in peace"] += 1
            except grpc.aio.AioRpcError as failure:
                self.tally.ended[errors.word(from_rpc(failure).reason)] += 1
            self.attached = False
            await self._come()
            if posts := self.unanswered():
                await self.say(*(pb.DeviceFrame(post=post) for post in posts))

    async def _read(self) -> None:
        while isinstance(message := await self._call.read(), bytes):
            answers: list[pb.DeviceFrame] = []
            for frame in pb.AttachResponse.FromString(message).frames:
                if frame.HasField("ping"):
                    answers.append(pb.DeviceFrame(pong=pb.Pong(number=frame.ping.number)))
                else:
                    answers += self.heard(frame)
            if answers:
                await self.say(*answers)
            elif self._seq > self._acked and self._ack is None:
                self._ack = asyncio.get_running_loop().call_later(COMPANY_SECONDS, self._acknowledge)

    def _acknowledge(self) -> None:
        self._ack = None
        if self._seq > self._acked:
            self._soon()

    def _soon(self, *frames: pb.DeviceFrame) -> None:
        """Say frames, and what waits for company, beside."""
        task = asyncio.create_task(self.say(*frames))
        self._saying.add(task)
        task.add_done_callback(self._saying.discard)

    def heard(self, frame: pb.RelayFrame) -> list[pb.DeviceFrame]:
        """Take a frame; gives what to answer."""
        raise NotImplementedError

    def unanswered(self) -> list[pb.Post]:
        """Give what was posted and has no answer: it is posted again on the next stream, where it gets the same one."""
        raise NotImplementedError

    def row(self, seq: int) -> None:
        """Note that a row came."""
        self._seq = max(self._seq, seq)


class HostEnd(End):
    """Takes every command, and answers each with one keep row that ends its task."""

    def __init__(self, *given: Any, sealed_bytes: int, rng: Random) -> None:
        super().__init__(*given)
        self._sealed_bytes, self._rng = sealed_bytes, rng
        # touched by the reading task only
        self._tasks: dict[bytes, bytes] = {}  # by command
        self._posts: dict[bytes, pb.Post] = {}

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
                self._posts.pop(frame.receipt.message_id, None)
            case "refusal":
                self.row(frame.refusal.seq)
                self._posts.pop(frame.refusal.message_id, None)
                self.tally.refused[errors.word(frame.refusal.reason)] += 1
            case "deliver":
                self.row(frame.deliver.seq)
                command = frame.deliver.message_id
                if (task_id := self._tasks.pop(command, None)) is not None:
                    post = self._kept(command, task_id)
                    self._posts[post.message_id] = post
                    return [pb.DeviceFrame(post=post)]
        return []

    def unanswered(self) -> list[pb.Post]:
        """Give the keep rows that have no receipt."""
        return list(self._posts.values())

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
        self._posts: dict[bytes, pb.Post] = {}  # until the first answer

    async def post(self, due: float) -> None:
        """Post a command that was due at a time of `time.perf_counter`."""
        sealed = self._rng.randbytes(self._sealed_bytes)
        message_id = sha256(sealed).digest()[:ID_BYTES]
        self.under_way[message_id] = due
        self.tally.posted += 1
        command = pb.Post(
            message_id=message_id, task_id=self._rng.randbytes(ID_BYTES), kind=pb.KIND_COMMAND, sealed=sealed
        )
        self._posts[message_id] = command
        await self.say(pb.DeviceFrame(post=command))

    def heard(self, frame: pb.RelayFrame) -> list[pb.DeviceFrame]:
        """Count answers and what came back."""
        match frame.WhichOneof("frame"):
            case "receipt":
                self.row(frame.receipt.seq)
                if self._posts.pop(frame.receipt.message_id, None) is not None:
                    self.tally.receipts.add(time.perf_counter() - self.under_way[frame.receipt.message_id])
            case "refusal":
                self.row(frame.refusal.seq)
                self.tally.refused[errors.word(frame.refusal.reason)] += 1
                self._posts.pop(frame.refusal.message_id, None)
                if self.under_way.pop(frame.refusal.message_id, None) is not None:
                    self._over(self)
            case "deliver":
                self.row(frame.deliver.seq)
                if (due := self.under_way.pop(frame.deliver.sealed[:ID_BYTES], None)) is not None:
                    self.tally.kept += 1
                    self.tally.keeps.add(time.perf_counter() - due)
                    self._over(self)
        return []

    def unanswered(self) -> list[pb.Post]:
        """Give the commands that have neither receipt nor refusal."""
        return list(self._posts.values())
