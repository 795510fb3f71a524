"""A pair at any subject: its host sends back what it hears, its phone knows which round trip is over."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable

from bench.subjects.subject import Ear, Link, Lost, Role, Subject

NUMBER_BYTES = 8
WITHIN_SECONDS = 60.0
"""A message that takes longer is lost. Long: the computer may be busy, and a loss is a defect of the subject."""


class Echo:
    """The host's ear. What it loses is lost for the phone."""

    def __init__(self, lost: Callable[[str], None]) -> None:
        self.link: Link | None = None
        self.lost = lost

    def heard(self, message: bytes) -> None:
        """Send it back."""
        if self.link is not None:
            self.link.send(message)


class Pair:
    """A phone and a host. It is its phone's ear."""

    def __init__(self) -> None:
        self._links: list[Link] = []
        self._under_way: dict[int, asyncio.Future[None]] = {}
        self._number = 0
        self._why = ""

    async def open(self, subject: Subject, number: int) -> None:
        """Connect both ends. Raises Lost."""
        echo = Echo(self.lost)
        ears: tuple[tuple[Role, Ear], ...] = ((Role.HOST, echo), (Role.PHONE, self))
        for role, ear in ears:
            self._links.append(await subject.link(number, role, ear))
        echo.link = self._links[0]

    async def round_trip(self, rest: bytes) -> None:
        """Send a message of so many bytes and those of its number, and wait for it to come back. Raises Lost."""
        if self._why:
            raise Lost(self._why)
        self._number += 1
        number = self._number
        over = self._under_way[number] = asyncio.get_running_loop().create_future()
        self._links[1].send(number.to_bytes(NUMBER_BYTES, "big") + rest)
        try:
            async with asyncio.timeout(WITHIN_SECONDS):
                await over
        except TimeoutError:
            raise Lost(f"a message was not back after {WITHIN_SECONDS:.0f} s") from None
        finally:
            self._under_way.pop(number, None)

    def heard(self, message: bytes) -> None:
        """Note that a round trip is over."""
        over = self._under_way.pop(int.from_bytes(message[:NUMBER_BYTES], "big"), None)
        if over is not None and not over.done():
            over.set_result(None)

    def lost(self, why: str) -> None:
        """Fail what is under way, and whatever is sent from now on."""
        self._why = self._why or why
        for over in self._under_way.values():
            if not over.done():
                over.set_exception(Lost(self._why))

    async def close(self) -> None:
        """End both connections."""
        for link in self._links:
            with contextlib.suppress(OSError, Lost):
                await link.close()
