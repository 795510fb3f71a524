"""One end of a transfer, made by hand from the contract: it says what a test tells it to, and hears when it is told to."""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Any

from dispatch import errors
from dispatch.api.relay.v1 import relay_pb2, transfer_pb2

from tests.support.device_end import Identity
from tests.support.waiting import DEADLINE_SECONDS
from tests.support.wires import open_wire

CARRY = "/dispatch.api.relay.v1.TransferService/Carry"


class TransferEnd:
    """A stream of one device. Use as an async context manager; nothing is said before `join`."""

    def __init__(self, device: Identity, address: str, *, dialled: str = "") -> None:
        self.device = device
        self._dialled = dialled or address
        self._wire = open_wire(address, CARRY, alone=True)

    async def __aenter__(self) -> TransferEnd:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.drop()

    async def open(self, transfer_id: bytes, *, hello: relay_pb2.Hello | None = None) -> None:
        """Say Hello, Proof and Join as the contract has it; does not wait for the other end."""
        said = hello or self.device.hello()
        await self.say(hello=said)
        challenge = (await self.hears("challenge")).challenge
        proof = self.device.prove_transfer(said, challenge, dialled=self._dialled, transfer_id=transfer_id)
        await self.say(proof=proof)
        await self.say(join=transfer_pb2.Join(transfer_id=transfer_id))

    async def join(self, transfer_id: bytes) -> None:
        """Open, and wait until both are there."""
        await self.open(transfer_id)
        await self.hears("joined")

    async def say(self, **word: Any) -> None:
        """Write one frame. What ended the stream, `hears` says."""
        async with asyncio.timeout(DEADLINE_SECONDS):
            await self._wire.write(transfer_pb2.CarryRequest(**word).SerializeToString())

    async def data(self, sealed: bytes) -> None:
        """Write a message for the other end."""
        await self.say(data=transfer_pb2.Data(sealed=sealed))

    async def hears(self, word: str) -> transfer_pb2.CarryResponse:
        """Wait for the next frame, which has to be this one; raises what ended the stream."""
        frame = await self._next()
        if frame is None:
            raise AssertionError(f"the stream ended in peace without {word}")
        assert frame.WhichOneof("frame") == word, frame
        return frame

    async def heard(self) -> bytes:
        """Wait for the next message of the other end."""
        return (await self.hears("data")).data.sealed

    async def ended(self) -> errors.DispatchError | None:
        """Wait for the end, past whatever still comes; gives why, None for in peace."""
        try:
            while await self._next() is not None:
                pass
        except errors.DispatchError as error:
            return error
        return None

    async def drop(self) -> None:
        """Break the stream without a word."""
        await self._wire.cut()

    async def _next(self) -> transfer_pb2.CarryResponse | None:
        async with asyncio.timeout(DEADLINE_SECONDS):
            message = await self._wire.read()
        return None if message is None else transfer_pb2.CarryResponse.FromString(message)
