"""One process owns a phone's home; the others have it do what they want, over a socket in the home.

Each command asks `carry_out`. Whoever finds the home free owns it, does the work and serves the others meanwhile; when it
ends, those that still wait go on by themselves: what they wanted is known by its id and is not done twice. One line of JSON
each way at a time. Only the same user gets in.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any, Protocol

from dispatch import errors
from dispatch.device.home import Home
from dispatch.failures import place_of
from dispatch.storing import storing

Request = dict[str, Any]
Event = dict[str, Any]
Say = Callable[[Event], None]
Hear = Callable[[], Awaitable[bool]]

log = logging.getLogger(__name__)

LINE_BYTES = 1024 * 1024
TAKE_OVER_SECONDS = 15.0
_RETRY_SECONDS = 0.05
_LAST_WORD_SECONDS = 0.5
"""How long an owner that is through stays for guests whose work ends by the same news: they would do it a second time."""
_ASKING = ("pair", "revoke")
"""Commands whose guest answers questions."""


class Desk(Protocol):
    """Does what is asked."""

    async def do(self, request: Request, *, say: Say, hear: Hear) -> int:
        """Do it, say what happens, and give the exit code. Raises DispatchError."""


OpenDesk = Callable[[], contextlib.AbstractAsyncContextManager[Desk]]


async def carry_out(
    home: Home,
    request: Request,
    *,
    open_desk: OpenDesk,
    say: Say,
    hear: Hear,
    take_over_seconds: float = TAKE_OVER_SECONDS,
) -> int:
    """Have a request carried out, here or by the owner of the home. Gives the exit code; raises DispatchError."""
    loop = asyncio.get_running_loop()
    give_up = loop.time() + take_over_seconds
    place = 0

    def say_placed(event: Event) -> None:
        """Pass an event on; remember its place, from which another process can go on."""
        nonlocal place
        place = event.pop("_place", place)
        say(event)

    while True:
        asked = loop.time()
        try:
            with home.owned():
                return await _as_owner(home, request | {"place": place}, open_desk=open_desk, say=say_placed, hear=hear)
        except errors.HomeInUse:
            code = await _as_guest(home, request | {"place": place}, say=say_placed, hear=hear)
        if code is not None:
            return code
        # What counts is the time in which nobody works for us. An owner may have done so for long, and in silence.
        give_up += loop.time() - asked
        if loop.time() > give_up:
            raise errors.HomeInUse(str(home.path))
        await asyncio.sleep(_RETRY_SECONDS)


async def _as_owner(home: Home, request: Request, *, open_desk: OpenDesk, say: Say, hear: Hear) -> int:
    async with open_desk() as desk, _serving(home.socket(), desk):
        return await desk.do(request, say=say, hear=hear)


@contextlib.asynccontextmanager
async def _serving(path: Path, desk: Desk) -> AsyncIterator[None]:
    """Serve the other processes until the context ends; those that still wait find their line cut."""
    guests: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is not None:
            guests.add(task)
            task.add_done_callback(guests.discard)
        try:
            if _same_user(writer):
                await _serve_guest(desk, reader, writer)
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError, ValueError):
            pass  # the guest has gone, or spoke nonsense, or we are leaving: for a guest all of that is a cut line
        finally:
            writer.close()

    _unlink(path)
    with storing(path):
        before = os.umask(0o177)
        try:
            server = await asyncio.start_unix_server(serve, path=path, limit=LINE_BYTES)
        finally:
            os.umask(before)
    try:
        yield
    finally:
        server.close()
        _unlink(path)
        if guests:
            await asyncio.wait(guests, timeout=_LAST_WORD_SECONDS)
        for guest in list(guests):
            guest.cancel()
        await asyncio.gather(*guests, return_exceptions=True)


async def _serve_guest(desk: Desk, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    request = json.loads(await reader.readuntil())

    def say(event: Event) -> None:
        writer.write(_line({"say": event}))

    async def hear() -> bool:
        writer.write(_line({"ask": True}))
        return json.loads(await reader.readuntil()).get("answer") is True

    work = asyncio.create_task(_done(desk, request, say=say, hear=hear))
    try:
        if request.get("do") in _ASKING:
            # The guest speaks while the work goes on; its end is noticed when it is asked.
            result = await work
        else:
            gone = asyncio.create_task(reader.read(1))
            await asyncio.wait({work, gone}, return_when=asyncio.FIRST_COMPLETED)
            gone.cancel()
            if not work.done():
                return
            result = work.result()
        writer.write(_line(result))
        await writer.drain()
    finally:
        work.cancel()
        await asyncio.gather(work, return_exceptions=True)


async def _done(desk: Desk, request: Request, *, say: Say, hear: Hear) -> Event:
    try:
        return {"exit": await desk.do(request, say=say, hear=hear)}
    except errors.DispatchError as error:
        return {
            "error": errors.word(error.reason),
            "yet": isinstance(error, errors.NotPairedYet),
            "detail": error.detail,
            "retry_after_ms": error.retry_after_ms,
            "metadata": error.metadata,
        }
    except Exception as failure:
        # The guest's command ends with it; ours, which stands behind the same desk, goes on.
        log.error("a guest's command broke", extra={"where": place_of(failure)})  # noqa: TRY400 -- its words may quote
        return {"error": "INTERNAL", "detail": type(failure).__name__, "retry_after_ms": 0, "metadata": {}}


async def _as_guest(home: Home, request: Request, *, say: Say, hear: Hear) -> int | None:
    """Ask the owner. None when there is none to ask, or it ended before it was done."""
    try:
        reader, writer = await asyncio.open_unix_connection(home.socket(), limit=LINE_BYTES)
    except OSError:
        return None
    try:
        writer.write(_line(request))
        await writer.drain()
        while True:
            word = json.loads(await reader.readuntil())
            if "say" in word:
                say(word["say"])
            elif "ask" in word:
                writer.write(_line({"answer": await hear()}))
                await writer.drain()
            elif "exit" in word:
                return int(word["exit"])
            elif word.get("yet"):
                raise errors.NotPairedYet(word["detail"])
            else:
                raise errors.of_word(
                    word["error"], word["detail"], retry_after_ms=word["retry_after_ms"], metadata=word["metadata"]
                )
    except (OSError, asyncio.IncompleteReadError):
        return None
    finally:
        writer.close()


def _unlink(path: Path) -> None:
    with storing(path):
        path.unlink(missing_ok=True)


def _line(word: Event) -> bytes:
    return json.dumps(word).encode() + b"\n"


def _same_user(writer: asyncio.StreamWriter) -> bool:
    """Tell whether the other end is the same user, where the platform says so; the socket's mode says it everywhere."""
    if not hasattr(socket, "SO_PEERCRED"):
        return True
    credentials = writer.get_extra_info("socket").getsockopt(
        socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i")
    )
    return bool(struct.unpack("3i", credentials)[1] == os.getuid())
