"""The floor: a server that copies bytes between the two connections of a pair. Started by `bench.subjects.tcp`.

A connection begins with five bytes, which end ("p" or "h") and the number of its pair; the server answers with one.
"""

from __future__ import annotations

import asyncio
import sys
from typing import cast

import uvloop

OPENING_BYTES = 5
LET_IN = b"+"

Pairs = dict[bytes, "Side"]


class Side(asyncio.Protocol):
    """One end's connection."""

    def __init__(self, ends: Pairs) -> None:
        self._ends = ends
        self._name = b""
        self._peer = b""
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self.transport = cast("asyncio.Transport", transport)  # uvloop's is none by class

    def data_received(self, data: bytes) -> None:
        """Copy it to the peer; the first bytes say who that is."""
        if self._name:
            peer = self._ends.get(self._peer)
            if peer is not None and peer.transport is not None:
                peer.transport.write(data)
        elif len(data) == OPENING_BYTES and data[:1] in {b"p", b"h"} and self.transport is not None:
            self._name, self._peer = data, (b"h" if data[:1] == b"p" else b"p") + data[1:]
            self._ends[self._name] = self
            self.transport.write(LET_IN)
        elif self.transport is not None:
            self.transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget it."""
        if self._ends.get(self._name) is self:
            del self._ends[self._name]


async def main(port: int) -> None:
    """Serve on loopback until the process is ended."""
    ends: Pairs = {}
    server = await asyncio.get_running_loop().create_server(lambda: Side(ends), "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1])))
