"""In a terminal, a person whose task was not sent is asked whether to send it again; programs are never asked."""

from __future__ import annotations

import asyncio
import os
import pty
from pathlib import Path

import pytest

from tests.support.processes import BIN, ENVIRONMENT, run
from tests.support.relay import Relay
from tests.support.seeded_phone import SeededPhone
from tests.support.waiting import DEADLINE_SECONDS, until

pytestmark = pytest.mark.big

QUESTION = b"Send it again?"


class Terminal:
    """A program of ours in a terminal."""

    def __init__(self, process: asyncio.subprocess.Process, screen: int) -> None:
        self.shown = b""
        self._process = process
        self._screen = screen

    @classmethod
    async def start(cls, *words: str) -> Terminal:
        screen, behind = pty.openpty()
        process = await asyncio.create_subprocess_exec(
            str(BIN / words[0]), *words[1:], stdin=behind, stdout=behind, stderr=behind, env=ENVIRONMENT
        )
        os.close(behind)
        return cls(process, screen)

    async def shows(self, words: bytes, times: int = 1) -> None:
        """Read on until the words have been shown so often."""
        loop = asyncio.get_running_loop()
        loop.add_reader(self._screen, self._read)
        try:
            await until(lambda: self.shown.count(words) >= times)
        finally:
            loop.remove_reader(self._screen)

    def _read(self) -> None:
        self.shown += os.read(self._screen, 4096)

    def types(self, line: str) -> None:
        os.write(self._screen, line.encode() + b"\n")

    async def ended(self) -> int:
        async with asyncio.timeout(DEADLINE_SECONDS):
            return await self._process.wait()


async def test_a_person_is_asked_and_what_they_leave_stays_in_the_outbox(tmp_path: Path) -> None:
    async with Relay(tmp_path / "relay") as relay:
        phone = SeededPhone.make(tmp_path / "phone")
        phone.pair(relay.trust, [relay.address])
        terminal = await Terminal.start("dispatch-phone", "send", "build it", "--home", str(phone.path))

        await terminal.shows(QUESTION)
        terminal.types("yes")
        await terminal.shows(QUESTION, times=2)
        terminal.types("no")

        assert await terminal.ended() == 3
        assert b"has not connected" in terminal.shown
        code, unsent = await run("dispatch-phone", "outbox", "--home", str(phone.path))
    assert (code, [one["text"] for one in unsent]) == (0, ["build it"])
