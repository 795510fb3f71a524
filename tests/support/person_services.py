"""Services that people already have, in small: a server of ntfy and one of mail, which take whatever comes and keep it."""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Any

from aiohttp import web


class Ntfy:
    """A server of ntfy on a free port. Use as an async context manager."""

    def __init__(self) -> None:
        self._runner: web.AppRunner | None = None
        self.status = 200
        self.got: list[dict[str, Any]] = []
        self.port = 0

    async def __aenter__(self) -> Ntfy:
        app = web.Application()
        app.router.add_post("/{path:.*}", self._posted)
        self._runner = web.AppRunner(app)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.port = self._runner.addresses[0][1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    async def _posted(self, request: web.Request) -> web.Response:
        self.got.append(await request.json())
        return web.json_response({}, status=self.status)


class Mail:
    """A server of mail on a free port. Use as an async context manager."""

    def __init__(self) -> None:
        self._server: asyncio.Server | None = None
        self.got: list[str] = []
        self.port = 0

    async def __aenter__(self) -> Mail:
        self._server = await asyncio.start_server(self._talk, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._server is not None:
            self._server.close()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 here\r\n")
        while line := await reader.readline():
            match line[:4].upper().strip():
                case b"DATA":
                    writer.write(b"354 go on\r\n")
                    mail = await reader.readuntil(b"\r\n.\r\n")
                    self.got.append(mail.decode())
                    writer.write(b"250 taken\r\n")
                case b"QUIT":
                    writer.write(b"221 bye\r\n")
                    break
                case _:
                    writer.write(b"250 yes\r\n")
        writer.close()
