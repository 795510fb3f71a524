"""A relay that does what a test says: it opens streams as the contract has it, and then lies, forgets, repeats, reorders.

Behind it stands a host made by hand (`host_mind`) that it may or may not ask.
"""

from __future__ import annotations

import asyncio
import os
from types import TracebackType
from typing import Any

import grpc
from dispatch import errors
from dispatch.api.error.v1.error_pb2 import Reason
from dispatch.api.relay.v1 import relay_pb2 as pb
from dispatch.api.relay.v1 import relay_pb2_grpc
from dispatch.channel import server_options
from dispatch.status import refuse

from tests.support.host_mind import HostMind
from tests.support.waiting import DEADLINE_SECONDS

REACHABLE = pb.Presence(state=pb.REACHABILITY_REACHABLE, instance=b"one host process")


class Stream:
    """One stream of the phone."""

    def __init__(self) -> None:
        self.out: asyncio.Queue[pb.AttachResponse | errors.DispatchError | None] = asyncio.Queue()
        self.frames: list[pb.DeviceFrame] = []

    def say(self, **frames: Any) -> None:
        """Write one batch: `say(receipt=…)`."""
        batch = [pb.RelayFrame(**{name: frame}) for name, frame in frames.items()]
        self.out.put_nowait(pb.AttachResponse(frames=batch))

    def cut(self) -> None:
        """End the stream."""
        self.out.put_nowait(None)


class LyingRelay(relay_pb2_grpc.ThreadServiceServicer):
    """One pairing's relay. Use as an async context manager."""

    def __init__(self) -> None:
        self.mind: HostMind
        self.address = ""
        self.streams: list[Stream] = []
        self.posts: list[pb.Post] = []
        self.rows: list[bytes] = []
        self.seq = 0
        self.oldest_seq = 1  # rows before it are gone
        self.head_seq: int | None = None  # what Opened says; None for the truth
        self.pending: list[bytes] = []
        self.presence = REACHABLE
        self.forwards = True  # live frames reach the host
        self.opens = True  # at once; else when the test calls `open`
        self.lease_ms = 0  # what Opened says; 0 leaves it out
        self._news = asyncio.Condition()
        self._server: Any = None

    async def __aenter__(self) -> LyingRelay:
        self._server = grpc.aio.server(options=server_options())
        relay_pb2_grpc.add_ThreadServiceServicer_to_server(self, self._server)
        self.address = f"127.0.0.1:{self._server.add_insecure_port('127.0.0.1:0')}"
        await self._server.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._server.stop(0)

    @property
    def stream(self) -> Stream:
        """The newest stream."""
        return self.streams[-1]

    def open(self, stream: Stream) -> None:
        """Let the phone in."""
        head_seq = self.seq if self.head_seq is None else self.head_seq
        stream.say(
            opened=pb.Opened(
                head_seq=head_seq,
                oldest_seq=1,
                pending_message_ids=self.pending,
                limits=pb.Limits(lease_ms=self.lease_ms),
            ),
            presence=self.presence,
        )

    def deliver(self, sealed: bytes, *, seq: int | None = None) -> None:
        """Give the phone a row; the next one unless the test names its place."""
        self.seq = self.seq + 1 if seq is None else seq
        self.stream.say(deliver=pb.Deliver(seq=self.seq, message_id=os.urandom(16), sealed=sealed))

    def receipt(self, post: pb.Post) -> None:
        """Say that a post was accepted."""
        self.seq += 1
        self.stream.say(receipt=pb.Receipt(message_id=post.message_id, seq=self.seq))

    def refuse(self, post: pb.Post, reason: Reason.ValueType) -> None:
        """Say that a post was refused."""
        self.seq += 1
        self.stream.say(refusal=pb.Refusal(message_id=post.message_id, reason=reason, seq=self.seq))

    async def post(self, number: int = 1) -> pb.Post:
        """Wait for the phone's post of that number."""
        await self.until(lambda: len(self.posts) >= number)
        return self.posts[number - 1]

    async def until(self, holds: Any) -> None:
        """Wait for something that a frame of the phone brings."""
        async with asyncio.timeout(DEADLINE_SECONDS), self._news:
            await self._news.wait_for(holds)

    async def Attach(  # type: ignore[override] # noqa: N802 -- the contract's name; a coroutine handler, as the stubs do not know
        self, requests: Any, context: Any
    ) -> None:
        """Serve a stream."""
        stream = Stream()
        reading = asyncio.create_task(self._read(requests, stream))
        try:
            while (batch := await stream.out.get()) is not None:
                if isinstance(batch, errors.DispatchError):
                    await refuse(context, batch)
                else:
                    await context.write(batch)
        finally:
            reading.cancel()

    async def _read(self, requests: Any, stream: Stream) -> None:
        async for request in requests:
            for frame in request.frames:
                self._hear(frame, stream)
            async with self._news:
                self._news.notify_all()

    def _hear(self, frame: pb.DeviceFrame, stream: Stream) -> None:
        stream.frames.append(frame)
        match frame.WhichOneof("frame"):
            case "hello":
                stream.say(challenge=pb.Challenge(nonce=os.urandom(32), protocol_version=1))
            case "open" if frame.open.resume_after + 1 < self.oldest_seq:
                stream.out.put_nowait(errors.ResumeTooOld(metadata={"oldest_seq": str(self.oldest_seq)}))
            case "open":
                self.streams.append(stream)
                if self.opens:
                    self.open(stream)
            case "post":
                self.posts.append(frame.post)
            case "bye":
                stream.cut()
            case "live" if self.forwards:
                lives, rows = self.mind.live(frame.live.sealed)
                for live in lives:
                    stream.say(live=pb.Live(sealed=live))
                for row in rows:
                    self.deliver(row)
