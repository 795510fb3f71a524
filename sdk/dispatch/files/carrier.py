"""One end of a transfer stream: joins, then says and hears sealed messages in order. The seam between a transfer and the wire.

On a connection of its own: what a thread says goes beside it and waits for none of it.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any, Protocol

import grpc

from dispatch import errors
from dispatch.api.relay.v1.relay_pb2 import Bye, Challenge, Hello, Proof
from dispatch.api.relay.v1.transfer_pb2 import CarryRequest, CarryResponse, Data, Join
from dispatch.api.relay.v1.transfer_pb2_grpc import TransferServiceStub
from dispatch.ids import Instance, Rng, TransferId
from dispatch.proof import transfer_proof_bytes
from dispatch.status import from_rpc
from dispatch.thread import Identity, Right
from dispatch.version import APP_VERSION, PROTOCOL_VERSIONS

CHALLENGE_WITHIN_SECONDS = 10.0
JOIN_WITHIN_SECONDS = 30.0
"""The relay gives the other end less; this is for a relay that says nothing."""
SILENCE_SECONDS = 120.0
"""After so long in which nothing moved either way the transfer is lost, whatever the relay thinks."""
_CLOSE_WITHIN_SECONDS = 2.0


class Carrier(Protocol):
    """Carries sealed messages between the two ends of one transfer."""

    async def say(self, sealed: bytes) -> None:
        """Send one; returns when there is room for the next. Raises DispatchError when the transfer is over."""

    async def hear(self) -> bytes:
        """Give the next of the other end. Raises DispatchError when there is none any more.

        One may wait for it while one speaks: the other end owes no word before it has heard what is said.
        """


class RelayCarrier:
    """A transfer over a relay. Made by `joined`."""

    def __init__(self, call: Any, *, silence_seconds: float = SILENCE_SECONDS) -> None:
        # Fixed after __init__.
        self._call = call
        self._silence_seconds = silence_seconds
        # Touched by `hear`, which sets it while it waits, and by `say`, which moves it on.
        self._silence: asyncio.Timeout | None = None

    @classmethod
    @contextlib.asynccontextmanager
    async def joined(
        cls, right: Right, relay: str, transfer_id: TransferId, *, identity: Identity, instance: Instance, rng: Rng
    ) -> AsyncIterator[RelayCarrier]:
        """Join a transfer; leaves it in peace when the body ends so. Raises DispatchError, PeerAbsent among them."""
        try:
            channel = right.dialler.dial(relay, alone=True)
        except ValueError as problem:
            raise errors.NoRelay(str(problem)) from problem
        async with channel:
            carrier = cls(TransferServiceStub(channel).Carry())
            try:
                await carrier._join(right, relay, transfer_id, identity=identity, instance=instance, rng=rng)
                yield carrier
                await carrier._close()
            finally:
                carrier._call.cancel()

    async def _join(
        self, right: Right, relay: str, transfer_id: TransferId, *, identity: Identity, instance: Instance, rng: Rng
    ) -> None:
        nonce = rng(32)
        hello = Hello(
            device_id=identity.device_id,
            grant=right.grant,
            app_version=APP_VERSION,
            device_kind=identity.kind,
            protocol_versions=PROTOCOL_VERSIONS,
            nonce=nonce,
            instance=instance,
        )
        try:
            async with asyncio.timeout(CHALLENGE_WITHIN_SECONDS):
                await self._write(CarryRequest(hello=hello))
                challenge: Challenge = (await self._read("challenge")).challenge
            signed = transfer_proof_bytes(
                dialled=relay,
                device=identity.device_id,
                client_nonce=nonce,
                server_nonce=challenge.nonce,
                grant=right.grant,
                transfer_id=transfer_id,
            )
            async with asyncio.timeout(JOIN_WITHIN_SECONDS):
                await self._write(CarryRequest(proof=Proof(dialled=relay, signature=identity.sign(signed))))
                await self._write(CarryRequest(join=Join(transfer_id=transfer_id)))
                await self._read("joined")
        except TimeoutError as silence:
            raise errors.NoNetwork(f"{relay} does not answer") from silence

    async def say(self, sealed: bytes) -> None:
        """Send one message."""
        try:
            async with asyncio.timeout(self._silence_seconds):
                await self._write(CarryRequest(data=Data(sealed=sealed)))
        except TimeoutError as silence:
            raise errors.NoNetwork("the transfer stands still") from silence
        if self._silence is not None and not self._silence.expired():
            self._silence.reschedule(asyncio.get_running_loop().time() + self._silence_seconds)

    async def hear(self) -> bytes:
        """Give the next message."""
        try:
            async with asyncio.timeout(self._silence_seconds) as self._silence:
                return (await self._read("data")).data.sealed
        except TimeoutError as silence:
            raise errors.NoNetwork("the transfer stands still") from silence
        finally:
            self._silence = None

    async def _write(self, request: CarryRequest) -> None:
        try:
            await self._call.write(request)
        except (grpc.aio.AioRpcError, asyncio.InvalidStateError) as failure:
            # Whoever hears gets the true status of the call; this one only says that writing failed.
            raise errors.NoNetwork("the transfer broke") from failure
        except asyncio.CancelledError as failure:
            if _is_asked_for():
                raise
            raise errors.NoNetwork("the transfer broke") from failure

    async def _read(self, word: str) -> CarryResponse:
        try:
            response = await self._call.read()
        except grpc.aio.AioRpcError as failure:
            raise from_rpc(failure) from failure
        except asyncio.InvalidStateError as failure:
            raise errors.NoNetwork("the relay hung up") from failure
        except asyncio.CancelledError as failure:
            if _is_asked_for():
                raise
            raise errors.NoNetwork("the transfer broke") from failure
        if not isinstance(response, CarryResponse):
            raise errors.NoNetwork("the other end left the transfer")
        if response.WhichOneof("frame") != word:
            raise errors.ProtocolViolation(f"the relay did not answer with {word}")
        return response

    async def _close(self) -> None:
        """Say goodbye, and let the relay end the stream: what was said before has gone out by then."""
        with contextlib.suppress(grpc.aio.AioRpcError, asyncio.InvalidStateError, TimeoutError, errors.NoNetwork):
            async with asyncio.timeout(_CLOSE_WITHIN_SECONDS):
                await self._write(CarryRequest(bye=Bye()))
                await self._call.done_writing()
                await self._call.code()


def _is_asked_for() -> bool:
    """Tell whether a cancellation is of this task. gRPC raises the same in all who use a call that one of them was cancelled in."""
    task = asyncio.current_task()
    return task is None or task.cancelling() > 0
