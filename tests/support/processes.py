"""Runs our programs as a person would, and reads their JSON lines. Waits for conditions with a deadline."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.support.nursery import Child, Nursery
from tests.support.nursery_process import MAINS
from tests.support.waiting import DEADLINE_SECONDS

BIN = Path(sys.executable).parent

Event = dict[str, Any]


ENVIRONMENT = {name: value for name, value in os.environ.items() if not name.startswith("GRPC_")}
ENVIRONMENT["DISPATCH_HOST_DIRECT"] = "off"
"""Ours, less what importing Dispatch has set in it: a program sets that by itself, or it has a defect that tests must see.
Nothing listens on the network; a test of the direct path says where."""

_LINE_BYTES = 4 * 1024 * 1024
"""A line holds a whole answer."""

_NURSERIES: dict[str, Nursery] = {}
"""By program; each is made on first use, and ends with this process."""

_TO_BE_EXECUTED = ("GRPC_", "LANG", "LC_", "LD_", "PYTHON", "TZ")
"""Variables that are read before a program's first line: what a forked one would not see."""


def _is_a_test() -> bool:
    """Tell whether this process runs tests. The demo starts programs by this module, too, and a person may look at those."""
    return "pytest" in sys.modules or "tests.faults" in sys.modules


async def _begin(
    program: str, words: Sequence[str], env: Mapping[str, str], *, executed: bool
) -> asyncio.subprocess.Process | Child:
    """Start a program: one of ours by its nursery, any other, and one with an environment of its own, by executing it."""
    forked = program in MAINS and _is_a_test() and not executed
    if forked and not any(name.startswith(_TO_BE_EXECUTED) for name in env):
        nursery = _NURSERIES.get(program)
        if nursery is None or nursery.process.poll() is not None:
            nursery = _NURSERIES[program] = Nursery(program, ENVIRONMENT)
        return await nursery.fork([str(BIN / program), *words], {**ENVIRONMENT, **env}, limit=_LINE_BYTES)
    return await asyncio.create_subprocess_exec(
        str(BIN / program),
        *words,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        limit=_LINE_BYTES,
        env={**ENVIRONMENT, **env},
        start_new_session=True,
    )


class Process:
    """A running program of ours with `--json`: its events as they come, its exit code, its standard error."""

    def __init__(self, words: Sequence[str], process: asyncio.subprocess.Process | Child) -> None:
        self.words = list(words)
        self.events: list[Event] = []
        self.stderr = bytearray()
        self._process = process
        self._news = asyncio.Condition()
        self._readers = [
            asyncio.create_task(self._read_events()),
            asyncio.create_task(self._read_errors()),
        ]

    @classmethod
    async def start(cls, *words: str, env: Mapping[str, str] | None = None, executed: bool = False) -> Process:
        """Start a program of the virtual environment: `start("dispatch-relay", "serve", …)`; `--json` is added.

        `executed`: not by a nursery, so that it inherits from this process what it has just been given (limits, a mask).
        """
        process = await _begin(words[0], [*words[1:], "--json"], env or {}, executed=executed)
        return cls(words, process)

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def returncode(self) -> int | None:
        return self._process.returncode

    async def event(self, name: str, where: Callable[[Event], bool] = lambda _: True, *, after: int = 0) -> Event:
        """Wait for an event by name; `after` skips that many events from the beginning."""

        def found() -> Event | None:
            return next((e for e in self.events[after:] if e.get("event") == name and where(e)), None)

        async with asyncio.timeout(DEADLINE_SECONDS), self._news:
            while (event := found()) is None:
                if self._readers[0].done():
                    raise AssertionError(f"{self} ended without {name!r}")
                await self._news.wait()
        return event

    async def stream(self) -> AsyncIterator[Event]:
        """Give the events as they come, from the first to the program's last."""
        seen = 0
        while True:
            async with self._news:
                while seen == len(self.events) and not self._readers[0].done():
                    await self._news.wait()
                fresh = self.events[seen:]
            if not fresh:
                return
            seen += len(fresh)
            for event in fresh:
                yield event

    async def say(self, line: str) -> None:
        """Type a line."""
        if self._process.stdin is None:
            raise AssertionError("no standard input")
        self._process.stdin.write(line.encode() + b"\n")
        await self._process.stdin.drain()

    def close_stdin(self) -> None:
        """End its standard input."""
        if self._process.stdin is not None:
            self._process.stdin.close()

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the process and its children."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, number)

    async def ended(self) -> int:
        """Wait for its end; gives the exit code."""
        async with asyncio.timeout(DEADLINE_SECONDS * 2):
            code = await self._process.wait()
            await asyncio.gather(*self._readers)
        return code

    async def stop(self) -> int:
        """End it with SIGTERM, with SIGKILL when it does not listen."""
        if self._process.returncode is None:
            self.signal(signal.SIGCONT)
            self.signal(signal.SIGTERM)
            try:
                async with asyncio.timeout(DEADLINE_SECONDS / 2):
                    await self._process.wait()
            except TimeoutError:
                self.signal(signal.SIGKILL)
        self.close_stdin()
        return await self.ended()

    async def _read_events(self) -> None:
        if self._process.stdout is None:
            raise AssertionError("no standard output")
        while line := await self._process.stdout.readline():
            async with self._news:
                self.events.append(json.loads(line))
                self._news.notify_all()
        async with self._news:
            self._news.notify_all()

    async def _read_errors(self) -> None:
        if self._process.stderr is None:
            raise AssertionError("no standard error")
        while chunk := await self._process.stderr.read(65536):
            self.stderr += chunk

    def __repr__(self) -> str:
        tail = bytes(self.stderr[-2000:]).decode(errors="replace")
        return f"{' '.join(self.words)} (exit {self.returncode})\nevents: {self.events[-5:]}\nstderr: {tail}"


async def run(*words: str, stdin: str = "", env: Mapping[str, str] | None = None) -> tuple[int, list[Event]]:
    """Run a program to its end; gives the exit code and its events. Whoever is cut short leaves no program behind."""
    process = await Process.start(*words, env=env)
    try:
        if stdin:
            await process.say(stdin)
        process.close_stdin()
        return await process.ended(), process.events
    finally:
        if process.returncode is None:
            await process.stop()
