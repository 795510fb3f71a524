"""Connections that are opened and say nothing, or too little: what costs a stranger nothing."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tests.support.waiting import DEADLINE_SECONDS


class Silent:
    """One of them."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    def says(self, words: bytes) -> None:
        """Say something after all."""
        self._writer.write(words)

    async def hears(self, end: bytes) -> bytes:
        """Give what is said to it, up to there."""
        async with asyncio.timeout(DEADLINE_SECONDS):
            return await self._reader.readuntil(end)

    async def is_cut(self) -> None:
        """Wait until it was cut off; fails when something is said to it instead."""
        async with asyncio.timeout(DEADLINE_SECONDS):
            with contextlib.suppress(ConnectionError):
                assert await self._reader.read() == b""


@asynccontextmanager
async def silent(address: object, number: int = 1) -> AsyncIterator[list[Silent]]:
    """Open so many."""
    host, _, port = str(address).rpartition(":")
    opened = [await asyncio.open_connection(host, int(port)) for _ in range(number)]
    try:
        yield [Silent(*one) for one in opened]
    finally:
        for _, writer in opened:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()
