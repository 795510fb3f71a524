"""Subject `bare`: two hops of grpc.aio with the relay's options."""

from __future__ import annotations

import asyncio
import sys
from typing import Any

import grpc
from dispatch.channel import dial

from bench.forwarders.bare import METHOD, SERVICE
from bench.subjects.outgoing import Outgoing
from bench.subjects.server import OfOneServer
from bench.subjects.subject import Ear, Lost, Role, opening
from tests.support.waiting import DEADLINE_SECONDS


class BareLink:
    """A stream on a connection of its own."""

    def __init__(self, address: str, ear: Ear) -> None:
        self._ear = ear
        self._channel = dial(address, alone=True)
        self._call: Any = self._channel.stream_stream(f"/{SERVICE}/{METHOD}")()
        self._outgoing: Outgoing[bytes] = Outgoing(self._write, failed=ear.lost)
        self._reader: asyncio.Task[None] | None = None

    async def open(self, name: bytes) -> None:
        """Say who it is, and wait for the answer. Raises Lost."""
        try:
            async with asyncio.timeout(DEADLINE_SECONDS):
                await self._call.write(name)
                await self._call.read()
        except (grpc.aio.AioRpcError, TimeoutError) as failure:
            raise Lost(repr(failure)) from failure
        self._reader = asyncio.create_task(self._read())

    def send(self, message: bytes) -> None:
        """Send a message."""
        self._outgoing.add(message)

    async def close(self) -> None:
        """End the stream and its connection."""
        if self._reader is not None:
            self._reader.cancel()
            await asyncio.wait([self._reader])
        await self._outgoing.close()
        self._call.cancel()
        await self._channel.close()

    async def _write(self, message: bytes) -> None:
        await self._call.write(message)

    async def _read(self) -> None:
        try:
            while isinstance(message := await self._call.read(), bytes):
                self._ear.heard(message)
            why = "the stream ended"
        except grpc.aio.AioRpcError as failure:
            why = f"the stream ended: {failure.code().name}"
        self._ear.lost(why)


class Bare(OfOneServer):
    """The subject."""

    name = "bare"
    about = "grpc.aio, forwards each message"

    async def start(self) -> None:
        """Start it."""
        await self._server.start([sys.executable, "-m", "bench.forwarders.bare", str(self._server.port)])

    async def link(self, pair: int, role: Role, ear: Ear) -> BareLink:
        """Open a stream."""
        link = BareLink(f"{self._server.host}:{self._server.port}", ear)
        await link.open(opening(role, pair))
        return link
