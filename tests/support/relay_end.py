"""A relay made by hand, for tests of a host: it lets anybody in, keeps rows in memory, and decides as the test tells it.

`verdict` says what follows a Take: the go at once ("accept"), nothing until the test says so ("hold"), or Withdrawn ("refuse").
Rows come again after a break, from where the host resumes, as the contract says. Everything the host said is in `frames`.
"""

# ruff: noqa: N802 -- gRPC names the method

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any, Literal

import grpc
from dispatch import errors
from dispatch.api.error.v1.error_pb2 import Reason
from dispatch.api.relay.v1 import relay_pb2 as pb
from dispatch.api.relay.v1 import relay_pb2_grpc
from dispatch.channel import server_options
from dispatch.status import refuse

from tests.support.waiting import DEADLINE_SECONDS

_SMALL_WINDOW = (("grpc.http2.bdp_probe", 0), ("grpc.http2.lookahead_bytes", 65_535))
"""gRPC would let megabytes wait in a stream that nobody reads, and a busy machine takes most of a minute to fill them."""

_GONE = (grpc.aio.AioRpcError, grpc.aio.UsageError, grpc.aio.InternalError, asyncio.InvalidStateError)
"""What gRPC raises, one or the other, at who reads or writes a stream whose host is dead."""


class RelayEnd(relay_pb2_grpc.ThreadServiceServicer):
    """Serves one host. Use as an async context manager."""

    def __init__(self) -> None:
        self.address = ""
        self.verdict: Literal["accept", "hold", "refuse"] = "accept"
        self.oldest = 0  # rows up to here are gone
        self.reading = asyncio.Event()  # cleared: nothing of the host is read
        self.reading.set()
        self.storing = True  # False: keep rows get no receipt
        self.refusing: Reason.ValueType | None = (
            None  # set: posts are refused with it until the first of them comes again
        )
        self.retry_after_ms = 10  # beside that refusal
        self.refused: list[bytes] = []
        self.phone_attached = True
        self.closed: errors.DispatchError | None = None  # why nobody is let in
        self.silence_ms = 65_000  # after which a host gives up a stream
        self.frames: list[pb.DeviceFrame] = []
        self.messages: list[list[str]] = []  # the names of the frames of each message
        self.rows: list[pb.RelayFrame] = []  # what the host gets of each row; seq is the place
        self.kept: list[pb.Post] = []  # the host's rows, each once
        self.hellos: list[pb.Hello] = []
        self.opens: list[pb.Open] = []
        self.on_live: Callable[[bytes], None] = lambda _: None
        self.on_keep: Callable[[pb.Post], None] = lambda _: None
        self._news = asyncio.Condition()
        self._stream: grpc.aio.ServicerContext[Any, Any] | None = None
        self._server: Any = None
        self._writing: dict[int, asyncio.Lock] = {}  # by stream: gRPC takes one write of each at a time

    async def __aenter__(self) -> RelayEnd:
        self._server = grpc.aio.server(options=[*server_options(), *_SMALL_WINDOW])
        relay_pb2_grpc.add_ThreadServiceServicer_to_server(self, self._server)
        self.address = f"127.0.0.1:{self._server.add_insecure_port('127.0.0.1:0')}"
        await self._server.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._server.stop(0)

    async def Attach(  # type: ignore[override]  # the stubs know no coroutine that writes its stream itself
        self, request_iterator: AsyncIterator[pb.AttachRequest], context: grpc.aio.ServicerContext[Any, Any]
    ) -> None:
        frames = self._frames(request_iterator)
        self.hellos.append((await anext(frames)).hello)
        await self.nudge()
        if self.closed is not None:
            await refuse(context, self.closed)
        await self._write(context, pb.RelayFrame(challenge=pb.Challenge(nonce=os.urandom(32), protocol_version=1)))
        await anext(frames)
        opening = (await anext(frames)).open
        self.opens.append(opening)
        if opening.resume_after < self.oldest:
            await refuse(context, errors.ResumeTooOld(metadata={"oldest_seq": str(self.oldest + 1)}))
        limits = pb.Limits(sealed_bytes=70_000, frames=64, silence_ms=self.silence_ms, lease_ms=5_000)
        await self._write(context, pb.RelayFrame(opened=pb.Opened(head_seq=len(self.rows), limits=limits)))
        try:
            async with self._news:
                self._stream = context
                self._news.notify_all()
            await self.presence(attached=self.phone_attached)
            for row in self.rows[opening.resume_after :]:
                await self._write(context, row)
            async for frame in frames:
                await self.reading.wait()
                await self._heard(frame)
                if frame.HasField("bye"):
                    break
        except _GONE:
            pass  # a host that died while it was read, or written to
        finally:
            if self._stream is context:
                self._stream = None
            await self.nudge()

    async def _frames(self, requests: AsyncIterator[pb.AttachRequest]) -> AsyncIterator[pb.DeviceFrame]:
        async for request in requests:
            self.messages.append([frame.WhichOneof("frame") or "" for frame in request.frames])
            for frame in request.frames:
                yield frame

    async def _heard(self, frame: pb.DeviceFrame) -> None:
        match frame.WhichOneof("frame"):
            case "post" if self._still_refuses(frame.post):
                self.refused.append(frame.post.message_id)
                await self.refuse(frame.post.message_id, self.refusing or Reason.REASON_INTERNAL)
            case "post" if self.storing:
                await self._keep(frame.post)
            case "take" if self.verdict == "accept":
                await self.go(frame.take.message_id)
            case "take" if self.verdict == "refuse":
                await self.withdraw(frame.take.message_id)
            case "live":
                self.on_live(frame.live.sealed)
            case _:
                pass
        async with self._news:
            self.frames.append(frame)
            self._news.notify_all()

    def _still_refuses(self, post: pb.Post) -> bool:
        if self.refused and post.message_id == self.refused[0]:
            self.refusing = None
        return self.refusing is not None

    async def _keep(self, post: pb.Post) -> None:
        known = [row for row in self.rows if row.receipt.message_id == post.message_id]
        if not known:
            self.kept.append(post)
            self.on_keep(post)
            known = [self._row(lambda seq: pb.RelayFrame(receipt=pb.Receipt(message_id=post.message_id, seq=seq)))]
        await self.say(known[0])

    async def go(self, message_id: bytes) -> None:
        """Accept a command: the host gets its row back."""
        await self.say(self._row(lambda seq: pb.RelayFrame(deliver=pb.Deliver(seq=seq, message_id=message_id))))

    async def withdraw(self, message_id: bytes) -> None:
        """Refuse a command that was handed over."""
        await self.say(self._row(lambda seq: pb.RelayFrame(withdrawn=pb.Withdrawn(seq=seq, message_id=message_id))))

    async def hand_over(self, message_id: bytes, task_id: bytes, sealed: bytes) -> None:
        """Give the host a command."""
        handover = pb.Handover(message_id=message_id, task_id=task_id, sealed=sealed, valid_for_ms=10_000)
        await self.say(pb.RelayFrame(handover=handover))

    async def live(self, sealed: bytes) -> None:
        """Forward something of the phone."""
        await self.say(pb.RelayFrame(live=pb.Live(sealed=sealed)))

    async def presence(self, *, attached: bool) -> None:
        """Say whether the phone is there."""
        self.phone_attached = attached
        state = pb.REACHABILITY_REACHABLE if attached else pb.REACHABILITY_ABSENT
        await self.say(pb.RelayFrame(presence=pb.Presence(state=state)))

    async def refuse(self, message_id: bytes, reason: Reason.ValueType) -> None:
        """Refuse a post at the door."""
        refusal = pb.Refusal(message_id=message_id, reason=reason, retry_after_ms=self.retry_after_ms)
        await self.say(pb.RelayFrame(refusal=refusal))

    async def say(self, *frames: pb.RelayFrame) -> None:
        """Send frames on the open stream, if there is one."""
        if self._stream is not None:
            with contextlib.suppress(*_GONE):
                await self._write(self._stream, *frames)

    async def attached(self) -> None:
        """Wait until the host's stream is open."""
        await self.until(lambda: self._stream is not None)

    async def detached(self) -> None:
        """Wait until it is not."""
        await self.until(lambda: self._stream is None)

    async def cut(self, details: bytes = b"") -> None:
        """End the host's stream without a word, or with these bytes for a status."""
        if details:
            await self._quiet()
        stream, self._stream = self._stream, None
        if stream is not None:
            metadata = (("grpc-status-details-bin", details),) if details else ()
            with contextlib.suppress(BaseException):
                await stream.abort(grpc.StatusCode.UNAVAILABLE, "cut", metadata)

    async def ends(self, error: errors.DispatchError, *, for_good: bool = True) -> None:
        """End the host's stream with a reason, and let it in no more."""
        await self._quiet()
        self.closed = error if for_good else None
        stream, self._stream = self._stream, None
        if stream is not None:
            with contextlib.suppress(BaseException):
                await refuse(stream, error)

    async def _quiet(self) -> None:
        """Wait until all that the host was saying has come: grpc tells a host that is writing INTERNAL in place of the reason."""
        if self._stream is not None:
            number = 1_000 + len(self.frames)
            await self.say(pb.RelayFrame(ping=pb.Ping(number=number)))
            await self.until(lambda: self._stream is None or any(frame.pong.number == number for frame in self.frames))

    async def until(self, condition: Callable[[], object]) -> None:
        """Wait until something about what the host said is true."""
        async with asyncio.timeout(DEADLINE_SECONDS), self._news:
            await self._news.wait_for(lambda: bool(condition()))

    async def frame(self, kind: str, message_id: bytes | None = None, *, count: int = 1) -> pb.DeviceFrame:
        """Wait for the host's word of a kind (about a message, if one is named), for the n-th of them."""

        def found() -> list[pb.DeviceFrame]:
            return [
                frame
                for frame in self.frames
                if frame.HasField(kind)  # type: ignore[arg-type]  # a name of a field
                and (message_id is None or getattr(frame, kind).message_id == message_id)
            ]

        await self.until(lambda: len(found()) >= count)
        return found()[count - 1]

    async def nudge(self) -> None:
        """Let those who wait look again."""
        async with self._news:
            self._news.notify_all()

    def _row(self, make: Callable[[int], pb.RelayFrame]) -> pb.RelayFrame:
        self.rows.append(make(len(self.rows) + 1))
        return self.rows[-1]

    async def _write(self, context: grpc.aio.ServicerContext[Any, Any], *frames: pb.RelayFrame) -> None:
        # Shielded: a test that gives up in the middle of a write would leave gRPC with half of one.
        await asyncio.shield(self._write_alone(context, frames))

    async def _write_alone(self, context: grpc.aio.ServicerContext[Any, Any], frames: Sequence[pb.RelayFrame]) -> None:
        async with self._writing.setdefault(id(context), asyncio.Lock()):
            await context.write(pb.AttachResponse(frames=frames))
