"""The thread service as the host serves it on the local network. Everybody there is a stranger until a sealed frame opens.

The first frame is either sealed in the session that the phone has with this host, or begins a new one. Until one opens nothing is
journalled and nothing answered but the second message of a handshake whose first one opened; all else gets one refusal, the
same whatever was wrong. docs/direct.md "Strangers".
"""

# ruff: noqa: N802 -- gRPC names the method

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn, Protocol

import grpc
from dispatch import errors
from dispatch.api.relay.v1 import relay_pb2 as relay
from dispatch.api.relay.v1 import relay_pb2_grpc
from dispatch.clock import Clock
from dispatch.ids import ID_BYTES, PairId
from dispatch.runtime.logs import get_logger
from dispatch.sealed.errors import SealError
from dispatch.sealed.frame import parse
from dispatch.sealed.handshake import is_handshake
from dispatch.status import refuse

from dispatch_host.allowance import Allowance
from dispatch_host.direct.path import DirectPath
from dispatch_host.direct.porch import Porch
from dispatch_host.direct.side import DirectSide

_LOG = get_logger()

Context = grpc.aio.ServicerContext[relay.AttachRequest, relay.AttachResponse]


@dataclass(frozen=True, slots=True, kw_only=True)
class Knocks:
    """How often strangers may try, and how long one may take."""

    open_within_seconds: float = 5.0
    at_once: int = 8
    at_once_of_one: int = 4
    """From one address."""
    most: int = 30
    within_seconds: float = 10.0
    silence_seconds: float = 8.0
    """After this long without a valid frame of the phone the path is over."""


class Known(Protocol):
    """Finds the pairing that a first frame names."""

    def by_pair(self, pair_id: PairId) -> DirectSide | None: ...
    def by_epoch(self, epoch: bytes) -> DirectSide | None: ...


class _Refused(Exception):
    """Not let in. Why stays here."""


class _Over(Exception):
    """The stream is over."""


class Door(relay_pb2_grpc.ThreadServiceServicer):
    """Lets phones in."""

    def __init__(self, known: Known, *, porch: Porch, clock: Clock, knocks: Knocks) -> None:
        # Fixed after __init__.
        self._known = known
        self._porch = porch
        self._clock = clock
        self._knocks = knocks
        # Touched between two awaits only.
        self._opening: Counter[str] = Counter()
        self._allowance = Allowance(most=knocks.most, window_ms=round(knocks.within_seconds * 1000))

    async def Attach(  # type: ignore[override]  # the stubs know no coroutine that writes its stream itself
        self, _requests: object, context: Context
    ) -> None:
        port = _port(context.peer())
        try:
            with self._knock(self._porch.who(port)):
                async with asyncio.timeout(self._knocks.open_within_seconds):
                    side, path = await self._let_in(context)
        except (_Refused, _Over, TimeoutError, errors.StoreFailed):
            self._porch.refuse(port)
            with contextlib.suppress(grpc.aio.InternalError):
                await refuse(context, errors.SessionNeeded())
            return
        except asyncio.CancelledError:
            self._porch.refuse(port)  # reset before there was an answer
            raise
        self._porch.vouch(port)
        try:
            with contextlib.suppress(_Over, grpc.aio.InternalError):
                try:
                    await self._hold(side, path, context)
                except errors.StoreFailed as failure:  # the phone goes on by the relay
                    await refuse(context, failure)
        finally:
            side.left(path)

    @contextlib.contextmanager
    def _knock(self, who: str) -> Iterator[None]:
        """Count an opening for as long as it lasts. Raises _Refused for one too many."""
        if not who:  # not by the porch: another user of this computer, who went round its bounds
            raise _Refused
        now_ms, knocks = self._clock.steady_ms(), self._knocks
        crowded = sum(self._opening.values()) >= knocks.at_once or self._opening[who] >= knocks.at_once_of_one
        if crowded or not self._allowance.left(now_ms=now_ms):
            raise _Refused
        self._allowance.take(now_ms=now_ms)
        self._opening[who] += 1
        try:
            yield
        finally:
            self._opening[who] -= 1
            if not self._opening[who]:
                del self._opening[who]

    async def _let_in(self, context: Context) -> tuple[DirectSide, DirectPath]:
        """Hear who it is. Raises _Refused, and _Over for one who left."""
        sealed = _only_live(await _message(context))
        side = self._side(sealed)
        path = side.new_path()
        if is_handshake(sealed):
            if not await side.greet(sealed, path):
                raise _Refused
            await context.write(relay.AttachResponse(frames=path.at_once()))
            sealed = _only_live(await _message(context))
        if is_handshake(sealed) or not await side.join(sealed, path):
            raise _Refused
        return side, path

    def _side(self, sealed: bytes) -> DirectSide:
        if is_handshake(sealed):
            side = self._known.by_pair(PairId(sealed[1 : 1 + ID_BYTES]))
        else:
            try:
                side = self._known.by_epoch(parse(sealed).epoch)
            except SealError:
                side = None
        if side is None:
            raise _Refused
        return side

    async def _hold(self, side: DirectSide, path: DirectPath, context: Context) -> None:
        """Carry frames both ways until the phone leaves, falls silent, or may no longer be here. Ends by raising."""

        async def read() -> NoReturn:
            await side.begin(path)
            while True:
                await side.hear((await _message(context)).frames, path)

        async def write() -> NoReturn:
            while True:
                await context.write(relay.AttachResponse(frames=await path.batch()))

        async def watch() -> NoReturn:
            while await side.still_admitted():
                silent_seconds = (self._clock.steady_ms() - path.heard_ms) / 1000
                if silent_seconds >= self._knocks.silence_seconds:
                    break
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(self._knocks.silence_seconds - silent_seconds):
                        await path.over.wait()
                        break
            raise _Over

        await _first_to_end(read(), write(), watch())


async def _first_to_end(*works: Any) -> None:
    """Run these until one ends, and end the others; raises what that one raised."""
    tasks = [asyncio.ensure_future(work) for work in works]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            await task
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _message(context: Context) -> relay.AttachRequest:
    message = await context.read()
    if not isinstance(message, relay.AttachRequest):
        raise _Over
    return message


def _only_live(message: relay.AttachRequest) -> bytes:
    frames: Sequence[relay.DeviceFrame] = message.frames
    if len(frames) != 1 or not frames[0].HasField("live"):
        raise _Refused
    return frames[0].live.sealed


def _port(peer: str) -> int:
    """Read the port of gRPC's word for a peer, "ipv4:127.0.0.1:4711"."""
    port = peer.rpartition(":")[2]
    return int(port) if port.isdecimal() else 0
