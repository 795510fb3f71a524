"""The way from the windows to the phone's desk: one request that lasts (`watch`), and one for each thing that a person does.

Each goes through `owner.carry_out`, as a command's does: whoever finds the home free owns it, and the others ask that one. Knows no
window.
"""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from typing import Any

from dispatch import errors
from dispatch.clock import SystemClock
from dispatch.device.home import Home
from dispatch.words import ENGLISH, Words

from mobile_sim.owner import OpenDesk, carry_out
from mobile_sim.saying.said import Said, refusal_said

Request = dict[str, Any]
Event = dict[str, Any]
Say = Callable[[Event], None]
Hear = Callable[[], Awaitable[bool]]

LAST_EVENTS = 300


class AtDesk:
    """A person at the desk of one home."""

    def __init__(self, home: Home, *, open_desk: OpenDesk, words: Words = ENGLISH) -> None:
        self.words = words
        self._home = home
        self._open_desk = open_desk

    async def watch(self, say: Say) -> None:
        """Hear all that is new, for as long as this is not cancelled. Raises DispatchError when the home can't be had."""
        await carry_out(
            self._home, {"do": "watch", "last": LAST_EVENTS}, open_desk=self._open_desk, say=say, hear=_nobody
        )

    async def do(self, request: Request, say: Say, hear: Hear | None = None) -> list[Said]:
        """Have something done. Gives why not, in lines for people; nothing when it was done, or what became of it was said."""
        try:
            await carry_out(self._home, request, open_desk=self._open_desk, say=say, hear=hear or _nobody)
        except errors.DispatchError as error:
            return list(refusal_said(error, self.words))
        return []


def opened(home: Home, *, plaintext: bool, way: str, words: Words) -> AtDesk:
    """Come to the desk of a home."""

    def open_desk() -> Any:
        from mobile_sim.desk import opened_desk  # noqa: PLC0415 -- grpc and the seal: only the owner needs them
        from mobile_sim.direct import Way  # noqa: PLC0415 -- as above

        return opened_desk(home, clock=SystemClock(), rng=os.urandom, plaintext=plaintext, way=Way(way))

    return AtDesk(home, open_desk=open_desk, words=words)


async def _nobody() -> bool:
    return False
