"""A program of ours at a terminal, as a person has it: what it shows, and what is typed."""

from __future__ import annotations

import asyncio
import os
import pty
from collections.abc import Callable
from types import TracebackType

from tests.support.processes import BIN, ENVIRONMENT
from tests.support.waiting import until


class Terminal:
    """One program on a terminal of its own. Use as an async context manager."""

    def __init__(self, *words: str) -> None:
        self._words = words
        self._shown = bytearray()

    async def __aenter__(self) -> Terminal:
        self._ours, theirs = pty.openpty()
        try:
            self._process = await asyncio.create_subprocess_exec(
                str(BIN / self._words[0]),
                *self._words[1:],
                stdin=theirs,
                stdout=theirs,
                stderr=theirs,
                env={**ENVIRONMENT, "TERM": "xterm", "COLUMNS": "100"},
                # A session of its own, whose terminal this is: Ctrl-C typed there is for it.
                start_new_session=True,
                preexec_fn=lambda: os.close(os.open(os.ttyname(0), os.O_RDWR)),
            )
        finally:
            os.close(theirs)
        asyncio.get_running_loop().add_reader(self._ours, self._read)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process.returncode is None:
            self._process.kill()
            await self._process.wait()
        asyncio.get_running_loop().remove_reader(self._ours)
        os.close(self._ours)

    @property
    def shown(self) -> str:
        return self._shown.decode(errors="replace")

    async def shows(self, *words: str, holds: Callable[[str], object] = bool) -> str:
        """Wait until all of these have been shown; gives everything up to then."""
        await until(lambda: all(word in self.shown for word in words) and holds(self.shown))
        return self.shown

    def types(self, text: str) -> None:
        """Type."""
        os.write(self._ours, text.encode())

    async def ended(self) -> int:
        """Wait for its end; gives the exit code."""
        return await self._process.wait()

    def _read(self) -> None:
        try:
            self._shown += os.read(self._ours, 65536)
        except OSError:  # the program has left its terminal
            asyncio.get_running_loop().remove_reader(self._ours)
