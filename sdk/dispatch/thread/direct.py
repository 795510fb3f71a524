"""Holds one stream to a host on the local network. The asyncio driver of a phone's direct path; docs/direct.md.

In the clear and without a proof of who is there: nothing counts but what is sealed, and the end says of each batch whether the
host wrote any of it. It knows frames and when a path is lost; what the frames mean is the end's business.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NoReturn, Protocol

import grpc

from dispatch import errors
from dispatch.api.relay.v1.relay_pb2 import AttachRequest, AttachResponse, DeviceFrame, Live, RelayFrame
from dispatch.api.relay.v1.relay_pb2_grpc import ThreadServiceStub
from dispatch.channel import dial
from dispatch.status import from_rpc
from dispatch.thread.client import Silence

BATCH_BYTES = 128 * 1024
"""What is written at once, unless one frame is larger; the host takes no more from somebody it does not know."""
MOST_QUEUED = 256
GOODBYE_SECONDS = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """When a direct path is lost, or does not come to be."""

    open_within_seconds: float = 5.0
    probe_seconds: float = 2.0
    """After so much silence the host is asked to show that it is there."""
    silence_seconds: float = 6.0
    """After so much the path is lost."""


class DirectEnd(Protocol):
    """What stands behind the stream on a phone. Called from one task, one after the other."""

    def heard(self, frames: Sequence[RelayFrame]) -> bool:
        """Take frames, committed before this returns; `met` the client at the first that the host sealed in the session.

        Tells whether it did so with any of these. Raises why the path is of no use any more.
        """

    def question(self) -> bytes:
        """Give something sealed that the host answers. Raises why the path is of no use any more."""


class DirectClient:
    """One stream at a time."""

    def __init__(self, end: DirectEnd, *, patience: Patience | None = None) -> None:
        self._end = end
        self._patience = patience or Patience()
        self.silence_ms = int(self._patience.silence_seconds * 1000)
        """How long nothing was heard on a path that ended with Silence."""
        # Filled by send, emptied by the writer.
        self._queue: list[DeviceFrame] = []
        self._news = asyncio.Event()
        self._dialled = False
        self._leave = asyncio.Event()
        # The reader's and the watch's; read by all.
        self._heard_at = 0.0
        self.is_open = False
        """Whether the host has shown itself on this stream."""

    def send(self, *frames: DeviceFrame) -> bool:
        """Queue frames. False when there is no stream, or it takes nothing: nothing is kept for later."""
        if not self._dialled or self._leave.is_set() or len(self._queue) + len(frames) > MOST_QUEUED:
            return False
        self._queue.extend(frames)
        self._news.set()
        return True

    def met(self) -> None:
        """Hear from the end that the host has shown itself: the path is open."""
        self.is_open = self._dialled

    def leave(self) -> None:
        """End the stream when all that was queued is written."""
        self._leave.set()
        self._news.set()

    async def hold(self, address: str, knock: bytes) -> None:
        """Open a stream with the first sealed words, and hold it until `leave`. Raises why it is lost, or could not be had."""
        loop = asyncio.get_running_loop()
        self._queue, self.is_open = [], False
        self._leave.clear()
        # In the clear on purpose, and to an address that came under the seal: docs/direct.md "What others see".
        async with dial(address) as channel:
            call = ThreadServiceStub(channel).Attach()
            self._dialled, self._heard_at = True, loop.time()
            self.send(DeviceFrame(live=Live(sealed=knock)))
            try:
                async with asyncio.TaskGroup() as group:
                    group.create_task(self._read(call))
                    group.create_task(self._write(call))
                    group.create_task(self._watch(loop.time()))
            except BaseExceptionGroup as several:
                known, others = several.split(errors.DispatchError)
                if known is None or others is not None:
                    raise
                error = known.exceptions[0]
                if not isinstance(error, _Left):
                    raise error from None
            finally:
                self._dialled = self.is_open = False
                call.cancel()

    async def _read(self, call: Any) -> NoReturn:
        while True:
            try:
                response = await call.read()
            except grpc.aio.AioRpcError as failure:
                raise from_rpc(failure) from failure
            except asyncio.InvalidStateError as failure:
                raise errors.NoNetwork("the computer hung up") from failure
            if not isinstance(response, AttachResponse):
                raise errors.NoNetwork("the computer ended the direct path")
            if self._end.heard(response.frames):
                self._heard_at = asyncio.get_running_loop().time()

    async def _write(self, call: Any) -> NoReturn:
        while True:
            await self._news.wait()
            self._news.clear()
            while self._queue:
                batch, size = [self._queue.pop(0)], 0
                size += batch[0].ByteSize()
                while self._queue and (size := size + self._queue[0].ByteSize()) <= BATCH_BYTES:
                    batch.append(self._queue.pop(0))
                try:
                    await call.write(AttachRequest(frames=batch))
                except (grpc.aio.AioRpcError, asyncio.InvalidStateError):
                    # The reader gets the true status of the call; this one would only say that writing failed.
                    await asyncio.Event().wait()
            if self._leave.is_set():
                with contextlib.suppress(Exception):
                    await call.done_writing()
                    await asyncio.wait_for(call.code(), GOODBYE_SECONDS)
                raise _Left

    async def _watch(self, dialled_at: float) -> NoReturn:
        loop, patience = asyncio.get_running_loop(), self._patience
        due = loop.time()
        while True:
            now = loop.time()
            if (late := now - due) > patience.probe_seconds / 2:
                # Who stood still judges nobody: what the host said meanwhile lies unread.
                dialled_at, self._heard_at = dialled_at + late, min(self._heard_at + late, now)
            if not self.is_open:
                left = dialled_at + patience.open_within_seconds - now
                if left <= 0:
                    raise errors.NoNetwork("the computer does not answer directly")
            else:
                silent = now - self._heard_at
                if silent >= patience.silence_seconds:
                    raise Silence("the direct path is silent")
                if silent >= patience.probe_seconds:
                    self.send(DeviceFrame(live=Live(sealed=self._end.question())))
                left = patience.silence_seconds - silent
            wait = min(left, patience.probe_seconds)
            due = now + wait
            await asyncio.sleep(wait)


class _Left(errors.Draining):
    """The stream ended because the phone left. Never leaves this module."""
