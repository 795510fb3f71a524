"""A web site on this computer, on port 0: pages by their path, and what was asked of it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Asked:
    """One request, as it came."""

    method: str
    path: str
    body: str = ""


@dataclass(slots=True)
class Site:
    """Answers `pages` by their path, without the query; a path that is not there is 404."""

    port: int = 0
    pages: dict[str, bytes] = field(default_factory=dict)
    headers: dict[str, tuple[str, ...]] = field(default_factory=dict)  # in place of what makes it a page
    status: dict[str, int] = field(default_factory=dict)
    endless: set[str] = field(default_factory=set)  # paths whose answer never ends
    asked: list[Asked] = field(default_factory=list)

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def url(self, path: str = "/") -> str:
        return self.origin + path

    def page(self, path: str, html: str) -> str:
        """Put a page there; gives its address."""
        self.pages[path] = html.encode()
        return self.url(path)

    def file(self, path: str, data: bytes, name: str) -> str:
        """Put a file to download there; gives its address."""
        self.pages[path] = data
        self.headers[path] = (
            "Content-Type: application/octet-stream",
            f'Content-Disposition: attachment; filename="{name}"',
        )
        return self.url(path)

    def leads(self, path: str, to: str) -> str:
        """Have a path lead elsewhere; gives its address."""
        self.pages[path] = b""
        self.headers[path] = (f"Location: {to}",)
        self.status[path] = 302
        return self.url(path)

    def sent(self, method: str = "POST") -> list[Asked]:
        """Give the requests of a method."""
        return [one for one in self.asked if one.method == method]

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
            method, target, _ = head[0].split(" ", 2)
            length = next((int(line.split(":")[1]) for line in head if line.lower().startswith("content-length:")), 0)
            body = (await reader.readexactly(length)).decode("latin-1")
            self.asked.append(Asked(method, target, body))
            path = target.partition("?")[0]
            found = self.pages.get(path)
            status = self.status.get(path, 200 if found is not None else 404)
            data = found if found is not None else b"not there"
            headers = self.headers.get(path, ("Content-Type: text/html; charset=utf-8",))
            lines = [f"HTTP/1.1 {status} X", "Connection: close", *headers]
            if path not in self.endless:
                lines.append(f"Content-Length: {len(data)}")
            writer.write("\r\n".join([*lines, "", ""]).encode() + data)
            await writer.drain()
            if path in self.endless:
                await reader.read()
        writer.close()


@asynccontextmanager
async def a_site() -> AsyncIterator[Site]:
    """Hold a site."""
    site = Site()
    served: set[asyncio.Task[None]] = set()

    def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.get_running_loop().create_task(site._serve(reader, writer))
        served.add(task)
        task.add_done_callback(served.discard)

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    site.port = server.sockets[0].getsockname()[1]
    try:
        yield site
    finally:
        server.close()
        for task in served:
            task.cancel()
        await asyncio.gather(*served, return_exceptions=True)
