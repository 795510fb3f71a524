"""What goes to an open page by itself: how things are, after every change, and a pairing while it lasts. Server-sent events.

Reads the front desk over and over: it has no call that waits for a change, and what it says is small.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Any

from dispatch import errors
from dispatch.api.host.v1 import host_pb2 as pb
from dispatch.words import Words

from dispatch_host.page import shown
from dispatch_host.qr import rows

if TYPE_CHECKING:
    from dispatch_host.front import Front

Desk = Callable[[], "AbstractAsyncContextManager[Front]"]
"""Comes to the front desk of the running host. Raises NotRunning."""

LOOK_SECONDS = 0.5
_LOOK_WITHIN_SECONDS = 15.0
"""For all of a look at a host that hangs, however many calls it is."""
_QUIET_SECONDS = 15.0
_COMMENT = b": still here\n\n"


def event(name: str, told: Any) -> bytes:
    """Write a server-sent event."""
    return f"event: {name}\ndata: {json.dumps(told, ensure_ascii=False)}\n\n".encode()


async def states(desk: Desk, words: Words) -> AsyncGenerator[bytes, None]:
    """Give how things are, at once and whenever they are otherwise. The page gives up what is silent for 40 s."""
    loop = asyncio.get_running_loop()
    before, said_at = b"", loop.time()
    while True:
        now = event("shown", await _look(desk, words))
        # By the clock: a look at a host that hangs takes long.
        if now != before or loop.time() - said_at >= _QUIET_SECONDS:
            yield _COMMENT if now == before else now
            said_at = loop.time()
        before = now
        await asyncio.sleep(LOOK_SECONDS)


async def _look(desk: Desk, words: Words) -> shown.Shown:
    try:
        async with asyncio.timeout(_LOOK_WITHIN_SECONDS), desk() as front:
            return shown.state(await front.status(), (await front.list_tasks(shown.TASKS)).tasks, words)
    except (errors.NotRunning, errors.NoNetwork, TimeoutError):
        return shown.absent(words)


class Pairing:
    """The one pairing that may go on, and the person's answer to it."""

    def __init__(self, desk: Desk, words: Words) -> None:
        self._desk = desk
        self._words = words
        self._answers: asyncio.Queue[bool] | None = None

    def answer(self, yes: bool) -> None:
        """Hear whether both show the same code. Raises OfferUnknown when nothing is being paired."""
        if self._answers is None:
            raise errors.OfferUnknown
        self._answers.put_nowait(yes)

    async def events(self) -> AsyncGenerator[bytes, None]:
        """Pair, for as long as the page listens; without it somebody said no."""
        if self._answers is not None:
            yield event("ended", shown.pairing_already(self._words))
            return
        answers = self._answers = asyncio.Queue()
        try:
            async with self._desk() as front, contextlib.aclosing(front.pair(pb.PairStart(), answers)) as events:
                async for one in events:
                    drawn = rows(one.qr.link) if one.HasField("qr") else ()
                    yield event(*shown.pairing(one, self._words, rows=drawn))
        except errors.DispatchError as error:
            yield event("ended", shown.problem(error, self._words))
        finally:
            self._answers = None
