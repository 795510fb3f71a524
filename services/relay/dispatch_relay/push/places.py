"""Who may try at once: so many in all, and few at the push services of one site. Pure but for waiting.

An endpoint is whatever somebody wrote, and may take its time to answer: those that do keep the people of that site waiting,
and nobody else. docs/push.md "When".
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from urllib.parse import urlsplit

IN_ALL = 128
OF_SITE = 16
_PARTS_OF_SITE = 2
_BITS_OF_SITE = 24


def site(endpoint: str) -> str:
    """Give whose an endpoint is: the last two parts of its name, or the /24 of its address; any name in front of them is free."""
    host = (urlsplit(endpoint).hostname or "").rstrip(".")
    try:
        ip_address(host)
    except ValueError:
        return ".".join(host.split(".")[-_PARTS_OF_SITE:])
    return str(ip_network(f"{host}/{_BITS_OF_SITE}", strict=False))


@dataclass(eq=False)
class _Site:
    places: asyncio.Semaphore
    takers: int = 0  # that have one or wait


class Places:
    """The places. Who comes first is first."""

    def __init__(self, *, in_all: int = IN_ALL, of_site: int = OF_SITE) -> None:
        self._in_all = asyncio.Semaphore(in_all)
        self._of_site = of_site
        self._sites: dict[str, _Site] = {}

    @asynccontextmanager
    async def take(self, where: str) -> AsyncIterator[None]:
        """Wait for a place at a `site`, and hold it."""
        mine = self._sites.setdefault(where, _Site(asyncio.Semaphore(self._of_site)))
        mine.takers += 1
        try:
            # First that of the site: who waits for it takes none that others could have.
            async with mine.places, self._in_all:
                yield
        finally:
            mine.takers -= 1
            if not mine.takers:
                del self._sites[where]
