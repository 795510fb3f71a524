"""Keeps one thread stream open for as long as `run` runs. The asyncio driver that phone and host share.

It knows frames and the order in which a stream is opened. What the frames mean is the end's business (`ThreadEnd`); it
never looks into a seal. One task reads, one writes; nobody else touches the call.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn, Protocol

import grpc

from dispatch import errors
from dispatch.api.relay.v1.relay_pb2 import (
    Ack,
    AttachRequest,
    AttachResponse,
    Bye,
    Challenge,
    Condition,
    DeviceFrame,
    DeviceKind,
    Hello,
    Looking,
    Notice,
    Open,
    Opened,
    Pong,
    Proof,
    RelayFrame,
)
from dispatch.api.relay.v1.relay_pb2_grpc import ThreadServiceStub
from dispatch.channel import COMPANY_SECONDS, MESSAGE_BYTES
from dispatch.clock import Clock
from dispatch.ids import DeviceId, Instance, Rng
from dispatch.proof import stream_proof_bytes
from dispatch.status import from_rpc
from dispatch.thread.backoff import Backoff
from dispatch.tls import BY_THE_RULE, Dialler
from dispatch.version import APP_VERSION, PROTOCOL_VERSIONS

OPEN_WITHIN_SECONDS = 10.0
BATCH_BYTES = MESSAGE_BYTES // 2
"""A backlog of large rows must not make a message that gRPC refuses: it would be refused again on every stream."""
MOST_QUEUED = 1_024
"""Frames that wait for the writer before no more are read."""
GOODBYE_WITHIN_SECONDS = 1.0

# After these nothing is gained by coming back: a person has to do something first.
FINAL = (
    errors.StreamSuperseded,
    errors.NotPaired,
    errors.HostRevoked,
    errors.DeviceRevoked,
    errors.SignInRequired,
    errors.AppTooOld,
    errors.VersionUnsupported,
)
# After these a fresh grant may help, at once and once.
_RENEW = (errors.GrantExpired, errors.GrantInvalid, errors.ProofInvalid)


@dataclass(frozen=True, slots=True)
class Identity:
    """Who this device is, and its hand. The private key stays behind `sign`."""

    device_id: DeviceId
    kind: DeviceKind.ValueType
    sign: Callable[[bytes], bytes]


@dataclass(frozen=True, slots=True)
class Right:
    """A serialized SignedGrant, the relays where it may be used, and how these are dialled."""

    grant: bytes
    relays: Sequence[str]
    dialler: Dialler = BY_THE_RULE


class ThreadEnd(Protocol):
    """What stands behind the stream on a device. All calls come from one task, one after the other."""

    async def right(self, *, fresh: bool) -> Right:
        """Give the right to attach. `fresh` asks for a new one: the last was not accepted."""

    def resume_after(self) -> int:
        """Give the last row that the device has without a gap."""

    def looking(self) -> bool:
        """Tell whether a person looks at the thread."""

    async def opened(self, opened: Opened) -> None:
        """Hear that the stream is open."""

    async def received(self, frames: Sequence[RelayFrame]) -> None:
        """Take frames in order. What must be remembered is committed before this returns."""

    async def closed(self, error: errors.DispatchError) -> None:
        """Hear that the stream is lost, or could not be opened. It is tried again unless the error is final."""


class ThreadClient:
    """One device's stream in one pairing, made anew whenever it breaks."""

    def __init__(
        self, end: ThreadEnd, *, identity: Identity, instance: Instance, clock: Clock, rng: Rng, backoff: Backoff
    ) -> None:
        # Fixed after __init__.
        self._end = end
        self._identity = identity
        self._instance = instance
        self._clock = clock
        self._rng = rng
        self._backoff = backoff
        # Touched by run, its reader and its watch only.
        self._dialled = ""
        self._last_heard_ms = 0
        self._silence_ms = 65_000
        self._lease_ms = 5_000
        self._frames_limit = 64
        # The writer's: filled by send, emptied by the writer.
        self._queue: list[DeviceFrame] = []
        self._ack = 0
        self._news = asyncio.Event()
        self._calm = asyncio.Event()  # whether the relay may be read
        self._open = False
        self._leave = asyncio.Event()
        self._renew = asyncio.Event()

    @property
    def relay(self) -> str:
        """The address that was dialled last; empty before the first."""
        return self._dialled

    def send(self, *frames: DeviceFrame) -> bool:
        """Queue frames for the open stream. False when there is none: nothing is kept for later."""
        if not self._open or self._leave.is_set():
            return False
        self._queue.extend(frames)
        self._news.set()
        if len(self._queue) > MOST_QUEUED:
            self._calm.clear()
        return True

    def acknowledge(self, through_seq: int) -> None:
        """Say that the device has every row up to this one, soon: it is in no hurry, and only the newest counts."""
        if self._open and not self._leave.is_set():
            self._ack = max(self._ack, through_seq)
            self._news.set()

    def leave(self, condition: Condition.ValueType | None) -> None:
        """Say why (if there is a why) and goodbye; `run` then returns."""
        if condition is not None:
            self.send(DeviceFrame(notice=Notice(condition=condition)))
        self.send(DeviceFrame(bye=Bye()))
        self._leave.set()
        self._news.set()

    def renew(self) -> None:
        """Take the open stream for lost and open another: whoever knows that it may lead nowhere need not wait for the silence."""
        self._renew.set()

    async def run(self) -> None:
        """Hold the stream. Returns after `leave`; raises the error when coming back is of no use."""
        renewed = False
        attempt = 0
        while not self._leave.is_set():
            try:
                right = await self._end.right(fresh=renewed)
                if not right.relays:
                    raise errors.NoRelay
                await self._one_stream(right, right.relays[attempt % len(right.relays)])
            except _Left:
                return
            except errors.DispatchError as error:
                if self._leave.is_set():
                    return
                was_open, self._open = self._open, False
                await self._end.closed(error)
                if isinstance(error, FINAL):
                    raise
                if isinstance(error, _RENEW) and not renewed:
                    renewed = True
                    continue
                renewed = renewed and not was_open
                attempt = 0 if was_open else attempt + 1
                await self._pause(self._backoff.next_ms(self._clock.steady_ms(), advised_ms=error.retry_after_ms))

    async def _pause(self, wait_ms: int) -> None:
        """Wait, unless `leave` comes first."""
        # Not wait_for: before Python 3.12 it loses a cancellation that comes just as it ends.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(wait_ms / 1000):
                await self._leave.wait()

    async def _one_stream(self, right: Right, relay: str) -> NoReturn:
        """Open a stream and hold it until it ends; always ends by raising why."""
        self._dialled = relay
        self._queue.clear()
        self._ack = 0
        self._calm.set()
        looking = self._end.looking()
        try:
            channel = right.dialler.dial(relay)
        except ValueError as problem:
            raise errors.NoRelay(str(problem)) from problem
        async with channel:
            call = ThreadServiceStub(channel).Attach()
            try:
                async with asyncio.timeout(OPEN_WITHIN_SECONDS):
                    first, opened = await self._handshake(call, right.grant, relay, looking=looking)
            except TimeoutError as silence:
                raise errors.NoNetwork(f"{relay} does not answer") from silence
            except grpc.aio.AioRpcError as failure:
                raise await right.dialler.explain(relay, from_rpc(failure)) from failure
            except asyncio.InvalidStateError as failure:
                raise await right.dialler.explain(relay, errors.NoNetwork(f"{relay} hung up")) from failure
            self._backoff.opened()
            self._silence_ms = opened.limits.silence_ms or self._silence_ms
            self._lease_ms = opened.limits.lease_ms or self._lease_ms
            self._frames_limit = opened.limits.frames or self._frames_limit
            self._last_heard_ms = self._clock.steady_ms()
            self._renew.clear()
            self._open = True
            await self._end.opened(opened)
            if self._end.looking() != looking:  # since it began to open: nobody else says so any more
                self.send(DeviceFrame(looking=Looking(looking=not looking)))
            try:
                async with asyncio.TaskGroup() as group:
                    group.create_task(self._read(call, first))
                    group.create_task(self._write(call))
                    group.create_task(self._watch())
            except BaseExceptionGroup as several:
                known, others = several.split(errors.DispatchError)
                if known is None or others is not None:
                    raise
                raise _worst(known) from None
            finally:
                self._open = False
                call.cancel()
            raise AssertionError("a stream ends by raising")

    async def _handshake(
        self, call: Any, grant: bytes, relay: str, *, looking: bool
    ) -> tuple[Sequence[RelayFrame], Opened]:
        """Hello, Challenge, Proof and Open, Opened. Gives what came behind Opened in the same batch."""
        nonce = self._rng(32)
        hello = Hello(
            device_id=self._identity.device_id,
            grant=grant,
            app_version=APP_VERSION,
            device_kind=self._identity.kind,
            protocol_versions=PROTOCOL_VERSIONS,
            nonce=nonce,
            instance=self._instance,
        )
        await call.write(AttachRequest(frames=[DeviceFrame(hello=hello)]))
        challenge: Challenge = _first(await _batch(call), "challenge")[0].challenge
        proof = stream_proof_bytes(
            dialled=relay,
            device=self._identity.device_id,
            client_nonce=nonce,
            server_nonce=challenge.nonce,
            grant=grant,
        )
        opening = Open(resume_after=self._end.resume_after(), looking=looking)
        await call.write(
            AttachRequest(
                frames=[
                    DeviceFrame(proof=Proof(dialled=relay, signature=self._identity.sign(proof))),
                    DeviceFrame(open=opening),
                ]
            )
        )
        frames = _first(await _batch(call), "opened")
        return frames[1:], frames[0].opened

    async def _read(self, call: Any, first: Sequence[RelayFrame]) -> NoReturn:
        frames: Sequence[RelayFrame] = first
        while True:
            self._last_heard_ms = self._clock.steady_ms()
            for frame in frames:
                if frame.HasField("ping"):
                    self.send(DeviceFrame(pong=Pong(number=frame.ping.number)))
                elif frame.HasField("draining"):
                    raise errors.Draining(retry_after_ms=frame.draining.reconnect_in_ms)
            rest = [frame for frame in frames if not frame.HasField("ping")]
            if rest:
                await self._end.received(rest)
            # Back-pressure on a relay that asks faster than it reads the answers: they would fill our memory.
            await self._calm.wait()
            frames = await _batch(call)

    async def _write(self, call: Any) -> NoReturn:
        while True:
            await self._news.wait()
            if not self._queue and self._ack:
                await self._company()
            self._news.clear()
            while self._queue or self._ack:
                batch = self._next()
                if len(self._queue) <= MOST_QUEUED:
                    self._calm.set()
                try:
                    await call.write(AttachRequest(frames=batch))
                except (grpc.aio.AioRpcError, asyncio.InvalidStateError):
                    # The reader gets the true status of the call; this one would only say that writing failed.
                    await asyncio.Event().wait()
            if self._leave.is_set():
                with contextlib.suppress(Exception):
                    await call.done_writing()
                    await asyncio.wait_for(call.code(), GOODBYE_WITHIN_SECONDS)
                raise _Left

    def _next(self) -> list[DeviceFrame]:
        """Take the frames of the next message."""
        first = [DeviceFrame(ack=Ack(through_seq=self._ack))] if self._ack else []
        rest = _head(self._queue, most=self._frames_limit - len(first))
        self._queue, self._ack = self._queue[len(rest) :], 0
        return first + rest

    async def _company(self) -> None:
        """Wait for what takes an ack along, for a moment."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(COMPANY_SECONDS):
                while not self._queue:
                    self._news.clear()
                    await self._news.wait()

    async def _watch(self) -> NoReturn:
        """Take the stream for lost when the relay has been silent for too long.

        While a person looks the relay asks every lease: then two without a word are enough, and who looks is not shown for a
        minute what nobody knows any more. Who stood still judges nobody: what the relay said meanwhile lies unread.
        """
        looked_at_ms: int | None = None  # since when
        due_ms = self._clock.steady_ms()
        while True:
            now_ms, most_ms = self._clock.steady_ms(), self._silence_ms
            if (late_ms := now_ms - due_ms) > self._lease_ms // 2:
                self._last_heard_ms = min(self._last_heard_ms + late_ms, now_ms)
                looked_at_ms = None if looked_at_ms is None else looked_at_ms + late_ms
            heard_ms = self._last_heard_ms
            if not self._end.looking():
                looked_at_ms = None
            else:
                looked_at_ms = now_ms if looked_at_ms is None else looked_at_ms
                # Before that the relay had no reason to ask so often.
                most_ms, heard_ms = min(most_ms, 2 * self._lease_ms), max(heard_ms, looked_at_ms)
            silent_ms = now_ms - heard_ms
            if silent_ms >= most_ms:
                raise Silence(f"nothing heard for {silent_ms} ms")
            # Looked at again before that is over: somebody may begin to look meanwhile. Each half lease while somebody does:
            # how long this process stood still is known but for the time between two looks.
            often_ms = max(self._lease_ms, 1_000) if looked_at_ms is None else max(self._lease_ms // 2, 1)
            wait_ms = min(most_ms - silent_ms, often_ms)
            due_ms = now_ms + wait_ms
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(wait_ms / 1000):
                    await self._renew.wait()
                    raise errors.LeaseLost("begun anew")


class Silence(errors.LeaseLost):
    """The other end was silent for too long, as this one sees it: contact has been gone for that long already."""


class _Left(errors.Draining):
    """The stream ended because the device said goodbye. Never leaves this module."""


def _head(queue: Sequence[DeviceFrame], *, most: int) -> list[DeviceFrame]:
    """Give the first frames that fit into one message; at least one."""
    batch: list[DeviceFrame] = []
    size = 0
    for frame in queue[:most]:
        size += frame.ByteSize()
        if batch and size > BATCH_BYTES:
            break
        batch.append(frame)
    return batch


def _worst(several: BaseExceptionGroup[errors.DispatchError]) -> errors.DispatchError:
    """Give the one error that tells why: several tasks may have fallen over the same end."""
    leaves = [error for error in several.exceptions if isinstance(error, errors.DispatchError)]
    return next((error for error in leaves if isinstance(error, _Left)), leaves[0])


def _first(frames: Sequence[RelayFrame], kind: str) -> Sequence[RelayFrame]:
    if not frames or frames[0].WhichOneof("frame") != kind:
        raise errors.ProtocolViolation(f"the relay did not answer with {kind}")
    return frames


async def _batch(call: Any) -> Sequence[RelayFrame]:
    """Read one batch. Raises what ended the stream."""
    try:
        response = await call.read()
    except grpc.aio.AioRpcError as failure:
        raise from_rpc(failure) from failure
    if not isinstance(response, AttachResponse):
        raise errors.NoNetwork("the relay closed the stream")
    return response.frames
