"""Looking names up, which may take as long as whoever answers for them likes. Called by the proxy.

The system's resolver blocks a thread for as long as it waits, and can't be broken off; a page makes up as many names as it likes.
So it has threads of its own, a few, which nothing else of the host ever waits for, and which keep no process from ending.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Sequence
from typing import Any

from dispatch.doctor.aside import aside

from dispatch_host.browser.reach import Address, literal

MOST_AT_ONCE = 16
_SECONDS = 60.0  # in which a resolver gives up by itself, whatever it was set to; whoever asked has long gone
_Found = Sequence[tuple[Any, ...]]


class Names:
    """Looks names up, at most MOST_AT_ONCE at a time: more wait, as long as who asks does."""

    def __init__(self, resolver: Callable[[str], _Found] | None = None) -> None:
        """`resolver` blocks and raises OSError, as `socket.getaddrinfo` does: a seam for tests."""
        # Fixed after __init__.
        self._resolver = resolver or _system
        self._turns = asyncio.Semaphore(MOST_AT_ONCE)
        # Touched on one loop.
        self._asking: set[asyncio.Task[_Found]] = set()

    async def look_up(self, name: str) -> Sequence[Address]:
        """Give the addresses of a name. Raises OSError."""
        await self._turns.acquire()
        asking = asyncio.get_running_loop().create_task(aside(lambda: self._resolver(name), seconds=_SECONDS))
        self._asking.add(asking)
        asking.add_done_callback(self._over)
        try:
            # Shielded: who asked may go, and the thread is there as before: the turn is not over.
            found = await asyncio.shield(asking)
        except TimeoutError as late:
            raise OSError("no answer") from late
        return [address for *_, where in found if (address := literal(str(where[0]).partition("%")[0])) is not None]

    def _over(self, asking: asyncio.Task[_Found]) -> None:
        self._asking.discard(asking)
        self._turns.release()
        if not asking.cancelled():
            asking.exception()  # looked at: who asked may have gone


def _system(name: str) -> _Found:
    return socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
