"""A carrier over gRPC, against a taker at the other end of the line: how long it waits, and what becomes of a call that is cut."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any

import grpc
import pytest
from dispatch import errors
from dispatch.api.relay.v1.transfer_pb2 import CarryRequest, CarryResponse, Data
from dispatch.api.relay.v1.transfer_pb2_grpc import (
    TransferServiceServicer,
    TransferServiceStub,
    add_TransferServiceServicer_to_server,
)
from dispatch.api.thread.v1.thread_pb2 import TransferWord
from dispatch.channel import dial, server_options
from dispatch.files.carrier import Carrier, RelayCarrier
from dispatch.files.description import Described
from dispatch.files.giving import give
from dispatch.files.partial import Partial, placed
from dispatch.files.taking import take
from dispatch.files.words import Tongue
from dispatch.ids import FileId, TransferId
from dispatch.sealed.file import CHUNK_BYTES, TransferEnd

from tests.support.narrow import Narrow
from tests.support.waiting import DEADLINE_SECONDS, until

TRANSFER = TransferId(bytes(range(16)))
CONTENT = os.urandom(40 * CHUNK_BYTES + 17)
FILE = Described(
    file_id=FileId(os.urandom(16)),
    key=os.urandom(32),
    name="report.csv",
    size=len(CONTENT),
    sha256=sha256(CONTENT).digest(),
)
SILENCE_SECONDS = 5.0
"""Longer than a busy computer stands still."""
BYTES_PER_SECOND = 250_000
"""A line on which the file takes twice the silence, and a chunk a small part of it."""


class Bytes:
    """A source in memory."""

    def read(self, at: int, length: int) -> bytes:
        return CONTENT[at : at + length]


class Served:
    """The carrier of the end that serves the call."""

    def __init__(self, context: Any) -> None:
        self._context = context

    async def say(self, sealed: bytes) -> None:
        await self._context.write(CarryResponse(data=Data(sealed=sealed)))

    async def hear(self) -> bytes:
        request = await self._context.read()
        if not isinstance(request, CarryRequest):
            raise errors.PeerAbsent("it left")
        return request.data.sealed


Behaviour = Callable[[Carrier], Awaitable[None]]


class Taker(TransferServiceServicer):
    """Serves transfers without a relay; counts them."""

    def __init__(self, behaviour: Behaviour) -> None:
        self.transfers = 0
        self._behaviour = behaviour

    async def Carry(self, _: Any, context: Any) -> None:  # type: ignore[override] # noqa: N802 -- the contract's name; a coroutine handler, as the stubs do not know
        self.transfers += 1
        await self._behaviour(Served(context))


@asynccontextmanager
async def served(taker: Taker) -> AsyncIterator[str]:
    """Serve; gives the address."""
    server = grpc.aio.server(options=server_options())
    add_TransferServiceServicer_to_server(taker, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        await server.stop(0)


async def gives(carrier: Carrier) -> None:
    async with asyncio.timeout(DEADLINE_SECONDS):
        await give(carrier, FILE, Bytes(), transfer_id=TRANSFER, rng=os.urandom, progress=lambda _: None)


async def asks(carrier: Carrier) -> None:
    await Tongue(carrier, FILE.seal, TRANSFER, TransferEnd.TAKES, os.urandom).say(TransferWord(ask=0))


async def reads_nothing(carrier: Carrier) -> None:
    await asks(carrier)
    await asyncio.Event().wait()


async def never_says_that_it_has_it(carrier: Carrier) -> None:
    await asks(carrier)
    while True:
        await carrier.hear()


@pytest.mark.big
async def test_a_file_whose_sending_takes_longer_than_the_silence_goes_in_one_transfer(tmp_path: Path) -> None:
    final: list[Path] = []

    async def takes(carrier: Carrier) -> None:
        with Partial(tmp_path / ".arriving.part", FILE) as partial:

            async def keep() -> None:
                final.append(placed(partial, tmp_path, FILE.name))

            await take(carrier, partial, transfer_id=TRANSFER, rng=os.urandom, progress=lambda _: None, keep=keep)

    taker, clock = Taker(takes), asyncio.get_running_loop()
    async with (
        served(taker) as address,
        Narrow(address, bytes_per_second=BYTES_PER_SECOND) as line,
        dial(line.address, alone=True) as channel,
    ):
        began = clock.time()
        await gives(RelayCarrier(TransferServiceStub(channel).Carry(), silence_seconds=SILENCE_SECONDS))

    assert clock.time() - began > SILENCE_SECONDS
    assert taker.transfers == 1
    assert final[0].read_bytes() == CONTENT


@pytest.mark.parametrize("behaviour", [reads_nothing, never_says_that_it_has_it])
async def test_a_transfer_in_which_nothing_moves_any_more_is_over_after_the_silence(behaviour: Behaviour) -> None:
    async with served(Taker(behaviour)) as address, dial(address, alone=True) as channel:
        carrier = RelayCarrier(TransferServiceStub(channel).Carry(), silence_seconds=0.5)

        with pytest.raises(errors.NoNetwork):
            await gives(carrier)


async def writes(carrier: Carrier) -> None:
    while True:
        await carrier.say(bytes(CHUNK_BYTES))


async def reads(carrier: Carrier) -> None:
    while True:
        await carrier.hear()


@pytest.mark.parametrize("work", [writes, reads])
async def test_a_call_that_is_cut_beside_who_uses_it_is_no_network_and_no_cancellation(work: Behaviour) -> None:
    """gRPC raises the same for it as for a task that somebody cancels, and who waits for that task would go with it."""
    taker = Taker(reads_nothing)
    async with served(taker) as address, dial(address, alone=True) as channel:
        call = TransferServiceStub(channel).Carry()
        using = asyncio.ensure_future(work(RelayCarrier(call)))
        await until(lambda: taker.transfers)

        call.cancel()

        await asyncio.wait([using], timeout=DEADLINE_SECONDS)
        assert using.done()
        assert not using.cancelled()
        assert isinstance(using.exception(), errors.NoNetwork)


@pytest.mark.parametrize("work", [writes, reads])
async def test_who_is_cancelled_while_the_call_is_used_is_cancelled(work: Behaviour) -> None:
    taker = Taker(reads_nothing)
    async with served(taker) as address, dial(address, alone=True) as channel:
        using = asyncio.ensure_future(work(RelayCarrier(TransferServiceStub(channel).Carry())))
        await until(lambda: taker.transfers)

        using.cancel()

        await asyncio.wait([using], timeout=DEADLINE_SECONDS)
        assert using.cancelled()
