"""Runs the phone in TypeScript as a process that is told what to do by lines of JSON (clients/web_phone/tests/cross).

It reaches the services by itself, as a browser does: Connect to the pairing service, WebSockets to the relay.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any

from tests.support.waiting import DEADLINE_SECONDS

FOLDER = Path(__file__).parents[2] / "clients" / "web_phone"
Line = dict[str, Any]


class WebPhone:
    """The process. Use as an async context manager."""

    def __init__(self) -> None:
        self.lines: list[Line] = []
        self._news = asyncio.Condition()
        self._number = 0
        self._reading: asyncio.Task[None]
        self._process: asyncio.subprocess.Process

    async def __aenter__(self) -> WebPhone:
        self._process = await asyncio.create_subprocess_exec(
            "node", str(FOLDER / "out" / "tests" / "cross" / "phone.js"),
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, limit=4 * 1024 * 1024,
        )  # fmt: skip
        self._reading = asyncio.create_task(self._read())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        await self._process.wait()
        await self._reading

    async def wish(self, what: str, **words: str) -> Line:
        """Have the phone do something and give what came of it; `refused` has the reason when nothing did."""
        self._number += 1
        number = str(self._number)
        self._say({"wish": what, "number": number, **words})
        return await self.line(lambda line: line.get("done") == number)

    def begin(self, what: str, **words: str) -> asyncio.Task[Line]:
        """The same, and do something else meanwhile."""
        return asyncio.create_task(self.wish(what, **words))

    async def line(self, where: Callable[[Line], bool], *, after: int = 0) -> Line:
        """Wait for a line. Fails with the last lines that came, since they are all that is known of a phone that falls silent."""
        try:
            async with asyncio.timeout(DEADLINE_SECONDS), self._news:
                while (found := next((line for line in self.lines[after:] if where(line)), None)) is None:
                    if self._process.returncode is not None:
                        raise AssertionError("the phone has ended")
                    await self._news.wait()
        except TimeoutError:
            raise AssertionError(f"the phone did not say it; its last lines: {self.lines[-20:]}") from None
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

    def _say(self, line: Line) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(line).encode() + b"\n")


def built() -> None:
    """Compile the phone."""
    tsc = FOLDER / "node_modules" / ".bin" / "tsc"
    made = subprocess.run([str(tsc), "-p", str(FOLDER)], capture_output=True, text=True, check=False)
    assert made.returncode == 0, made.stdout
