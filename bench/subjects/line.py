"""A TCP connection that speaks a protocol by hand. Each subject's own protocol is a class on top of it, which knows its bytes."""

from __future__ import annotations

import asyncio
from typing import TypeVar, cast

from bench.subjects.subject import Ear, Lost
from tests.support.waiting import DEADLINE_SECONDS

T = TypeVar("T", bound="Line")


class Line(asyncio.Protocol):
    """One connection. `take` is called with what has come, as often as it takes something of it."""

    def __init__(self, ear: Ear) -> None:
        self.ear = ear
        self._rest = b""
        self._transport: asyncio.Transport | None = None
        self._answered: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._closed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._closing = False

    @classmethod
    async def dial(cls: type[T], host: str, port: int, ear: Ear) -> T:
        """Connect. Raises Lost."""
        try:
            _, line = await asyncio.get_running_loop().create_connection(lambda: cls(ear), host, port)
        except OSError as failure:
            raise Lost(str(failure)) from failure
        return line

    def take(self, data: bytes, at: int) -> int:
        """Take one word of the server that begins there; gives where the next one begins, `at` when it is not all there yet."""
        raise NotImplementedError

    def write(self, data: bytes) -> None:
        """Write bytes. What is written to a connection that is gone is lost; `ear` has heard that it is gone."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)

    async def asked(self, data: bytes) -> None:
        """Write something, and wait until `answered` is called. Raises Lost."""
        self._answered = asyncio.get_running_loop().create_future()
        self.write(data)
        try:
            async with asyncio.timeout(DEADLINE_SECONDS):
                await self._answered
        except TimeoutError:
            raise Lost("the server does not answer") from None

    def answered(self, why: str = "") -> None:
        """Note the answer to what was asked, a refusal when there is a `why`."""
        if self._answered.done():
            return
        if why:
            self._answered.set_exception(Lost(why))
        else:
            self._answered.set_result(None)

    async def close(self) -> None:
        """End the connection."""
        self._closing = True
        if self._transport is not None:
            self._transport.close()
            await self._closed

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is none by class

    def data_received(self, data: bytes) -> None:
        """Take all that is whole."""
        data = self._rest + data if self._rest else data
        at, then = 0, self.take(data, 0)
        while then > at:
            at, then = then, (self.take(data, then) if then < len(data) else then)
        self._rest = data[at:]

    def connection_lost(self, exc: Exception | None) -> None:
        """Say that it is gone, unless it was closed here."""
        if not self._closing:
            why = f"the connection ended: {exc or 'by the server'}"
            self.answered(why)
            self.ear.lost(why)
        if not self._closed.done():
            self._closed.set_result(None)
