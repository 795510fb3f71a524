"""What every subject of `bench` must do, and a subject that only tests have, which carries messages in this process."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from pathlib import Path

from bench.subjects.pair import NUMBER_BYTES, Pair
from bench.subjects.subject import Ear, Lost, Missing, Role, Subject

SIZES = (300, 1_024, 8_192, 65_536)


async def check_subject(subject: Subject) -> None:
    """Carry messages of every size for two pairs at once, each to its own end; then nothing of the server is left."""
    await subject.start()
    pairs = [Pair(), Pair()]
    try:
        pids = list(subject.pids)
        assert pids
        assert all(is_there(pid) for pid in pids)
        for number, pair in enumerate(pairs):
            await pair.open(subject, number)
        # A pair takes only its own numbers for an answer, and each message once: mixed-up pairs would wait in vain.
        for size in SIZES:
            rest = os.urandom(size - NUMBER_BYTES)
            await asyncio.gather(*(pair.round_trip(rest) for pair in pairs for _ in range(4)))
    finally:
        for pair in pairs:
            await pair.close()
        await subject.stop()
    assert not subject.pids
    assert not any(is_there(pid) for pid in pids)


def is_there(pid: int) -> bool:
    """Tell whether a process runs."""
    return (Path("/proc") / str(pid)).exists()


class Told:
    """An ear that keeps what it hears."""

    def __init__(self) -> None:
        self.messages: list[bytes] = []
        self.losses: list[str] = []

    def heard(self, message: bytes) -> None:
        self.messages.append(message)

    def lost(self, why: str) -> None:
        self.losses.append(why)


class InProcess:
    """A subject without a server: what an end sends the other one hears a little later.

    `turns` is shared by all of a run, and has its name for each first message after another subject's. It breaks at message
    `breaks_at`, and does not begin with a `missing` or a `broken`.
    """

    about = "carries in this process"

    def __init__(
        self, name: str, turns: list[str], *, missing: str = "", broken: str = "", breaks_at: int | None = None
    ) -> None:
        self.name = name
        self.pids: Sequence[int] = ()
        self.stopped = 0
        self.carried = 0
        self._turns, self._missing, self._broken, self._breaks_at = turns, missing, broken, breaks_at
        self._ears: dict[tuple[int, Role], Ear] = {}

    async def start(self) -> None:
        if self._missing:
            raise Missing(self._missing)
        if self._broken:
            raise Lost(self._broken)
        self.pids = (os.getpid(),)

    async def link(self, pair: int, role: Role, ear: Ear) -> InProcessLink:
        self._ears[pair, role] = ear
        return InProcessLink(self, pair, role)

    async def stop(self) -> None:
        self.stopped += 1
        self.pids = ()

    def carry(self, pair: int, role: Role, message: bytes) -> None:
        self.carried += 1
        if self._turns[-1:] != [self.name]:
            self._turns.append(self.name)
        if self._breaks_at is not None and self.carried >= self._breaks_at:
            self._ears[pair, role].lost("it broke")
        asyncio.get_running_loop().call_soon(self._ears[pair, role.other].heard, message)


class InProcessLink:
    """One end of it."""

    def __init__(self, subject: InProcess, pair: int, role: Role) -> None:
        self._subject, self._pair, self._role = subject, pair, role

    def send(self, message: bytes) -> None:
        self._subject.carry(self._pair, self._role, message)

    async def close(self) -> None: ...
