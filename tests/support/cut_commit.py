"""Stands between a client and PostgreSQL, and breaks the connection at a COMMIT: before it arrives, or before its answer does."""

from __future__ import annotations

import asyncio
import contextlib
from types import TracebackType
from urllib.parse import urlsplit, urlunsplit

_COMMIT = b"COMMIT\0"
_CHUNK = 65_536


class CutCommit:
    """Use as an async context manager; dial `url`. Set `armed`, and the next COMMIT is the last word of its connection.

    With `arrives` the server hears it and does it; its answer is what gets lost.
    """

    def __init__(self, url: str, *, arrives: bool) -> None:
        self.armed = False
        self.cut = asyncio.Event()
        self._parts = urlsplit(url)
        self._arrives = arrives
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> CutCommit:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        credentials = self._parts.netloc.rpartition("@")[0]
        netloc = f"{credentials}@127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        self.url = urlunsplit(self._parts._replace(netloc=netloc))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        there, back = await asyncio.open_connection(self._parts.hostname, self._parts.port)
        answers = asyncio.ensure_future(_pipe(there, writer))
        cut = False
        try:
            while data := await reader.read(_CHUNK):
                if self.armed and _COMMIT in data:
                    self.armed, cut = False, True
                    answers.cancel()
                    await asyncio.wait([answers])  # it reads what comes back until it has ended
                    if self._arrives:
                        back.write(data)
                        await there.read(_CHUNK)  # its answer: so it is done
                    break
                back.write(data)
        except (ConnectionError, asyncio.CancelledError):
            pass  # either side has gone, or the test is over
        finally:
            answers.cancel()
            for end in (writer, back):
                with contextlib.suppress(ConnectionError):
                    end.close()
            if cut:
                self.cut.set()
            self._tasks.discard(task)


async def _pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError):
        while data := await reader.read(_CHUNK):
            writer.write(data)
        writer.close()
