"""The client under test: a program that is told what to do by lines of JSON and says what came of it. docs/conformance.md "Lines".

Called by the scenarios and by the corpus. Knows no wish by name.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any

from tests.support.waiting import DEADLINE_SECONDS

Line = dict[str, Any]
_LONGEST_LINE = 4 * 1024 * 1024


class ClientEnded(Exception):
    """The program ended while something was expected of it."""


class Client:
    """The process. Use as an async context manager; it is killed at the end."""

    def __init__(self, command: Sequence[str]) -> None:
        self._command = command
        self.lines: list[Line] = []
        self._news = asyncio.Condition()
        self._number = 0
        self._reading: asyncio.Task[None]
        self._process: asyncio.subprocess.Process

    async def __aenter__(self) -> Client:
        pipe = asyncio.subprocess.PIPE
        self._process = await asyncio.create_subprocess_exec(
            *self._command, stdin=pipe, stdout=pipe, limit=_LONGEST_LINE
        )
        self._reading = asyncio.create_task(self._read())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process.returncode is None:
            self._process.kill()
        await self._process.wait()
        await self._reading

    async def wish(self, what: str, /, **words: Any) -> Line:
        """Have the client do something and give what came of it; `refused` has the reason when nothing did.

        Raises ClientEnded, TimeoutError.
        """
        self._number += 1
        number = str(self._number)
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"wish": what, "number": number, **words}).encode() + b"\n")
        return await self.line(lambda line: line.get("done") == number)

    def begin(self, what: str, /, **words: Any) -> asyncio.Task[Line]:
        """Do the same, and something else meanwhile."""
        return asyncio.create_task(self.wish(what, **words))

    async def line(self, where: Callable[[Line], bool], *, after: int = 0) -> Line:
        """Wait for a line behind the first `after` ones. Raises ClientEnded, TimeoutError."""
        async with asyncio.timeout(DEADLINE_SECONDS), self._news:
            while (found := next((line for line in self.lines[after:] if where(line)), None)) is None:
                if self._process.returncode is not None:
                    raise ClientEnded(f"it ended with {self._process.returncode}")
                await self._news.wait()
        return found

    async def _read(self) -> None:
        assert self._process.stdout is not None
        while written := await self._process.stdout.readline():
            async with self._news:
                self.lines.append(json.loads(written))
                self._news.notify_all()
        await self._process.wait()
        async with self._news:
            self._news.notify_all()
