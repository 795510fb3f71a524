"""Two ends of a transfer in one process, with a relay between them that does as the test likes. The seam is `files.Carrier`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from dispatch import errors

from tests.support.waiting import DEADLINE_SECONDS

Lie = Callable[[int, bytes], Iterable[bytes]]
"""What becomes of the n-th message of an end."""


def honest(_: int, sealed: bytes) -> Iterable[bytes]:
    """Forward it."""
    return [sealed]


@dataclass
class Way:
    """One direction."""

    lie: Lie = honest
    cut_at: int | None = None  # the transfer breaks in the place of this message
    said: list[bytes] = field(default_factory=list)
    waiting: asyncio.Queue[bytes | None] = field(default_factory=asyncio.Queue)


class End:
    """A Carrier that records what it says."""

    def __init__(self, out: Way, back: Way) -> None:
        self._out = out
        self._back = back

    async def say(self, sealed: bytes) -> None:
        number = len(self._out.said)
        if number == self._out.cut_at:
            self.broken()
            raise errors.NoNetwork("cut")
        self._out.said.append(sealed)
        for one in self._out.lie(number, sealed):
            await self._out.waiting.put(one)

    async def hear(self) -> bytes:
        async with asyncio.timeout(DEADLINE_SECONDS):
            sealed = await self._back.waiting.get()
        if sealed is None:
            raise errors.PeerAbsent("cut")
        return sealed

    def broken(self) -> None:
        """Let both ends hear that the transfer is over, behind what is on its way."""
        self._out.waiting.put_nowait(None)
        self._back.waiting.put_nowait(None)


def ends(*, giving: Way | None = None, taking: Way | None = None) -> tuple[End, End]:
    """Give the end that gives and the one that takes."""
    down, up = giving or Way(), taking or Way()
    return End(down, up), End(up, down)
