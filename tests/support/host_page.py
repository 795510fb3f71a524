"""The host's page, served in this process for a host under test."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import httpx
from dispatch.words import Language, Words
from dispatch_host.page.live import Desk
from dispatch_host.page.serving import serve

from tests.support.connect_end import TRUSTS_NOBODY
from tests.support.waiting import DEADLINE_SECONDS


@dataclass(slots=True)
class ServedPage:
    """Where it is, and a way to ask there as the page does."""

    address: str
    http: httpx.AsyncClient

    @property
    def origin(self) -> str:
        return self.address.partition("/#")[0]

    async def post(self, path: str, told: Any, **headers: str) -> httpx.Response:
        """Ask as the page does; `headers` say otherwise."""
        token = urlsplit(self.address).fragment
        own = {"Origin": self.origin, "Authorization": f"Bearer {token}"}
        return await self.http.post(path, json=told, headers=own | headers)

    async def do(self, what: str, **told: Any) -> httpx.Response:
        """Do something."""
        return await self.post("/do", {"do": what, **told})


@asynccontextmanager
async def served(desk: Desk, *, language: Language = Language.ENGLISH) -> AsyncIterator[ServedPage]:
    """Serve the page until the body is over."""
    at: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    stop = asyncio.Event()
    warn = lambda _path, _write: ["It holds the host's own home."]  # noqa: E731 -- a seam of one line
    serving = asyncio.create_task(
        serve(desk, Words.of(language), warn=warn, port=0, rng=os.urandom, serving=at.set_result, stop=stop)
    )
    try:
        await asyncio.wait((at, serving), return_when=asyncio.FIRST_COMPLETED)
        address = at.result() if at.done() else serving.result() or ""
        async with httpx.AsyncClient(
            base_url=address.partition("/#")[0], trust_env=False, verify=TRUSTS_NOBODY, timeout=DEADLINE_SECONDS
        ) as http:
            yield ServedPage(address, http)
    finally:
        stop.set()
        await serving
