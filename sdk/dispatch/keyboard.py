"""Reads a person's lines from standard input without holding up the event loop or the end of the process. Called by devices."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import threading
from collections.abc import AsyncIterator

_LONGEST_LINE = 64 * 1024


def read_line() -> str:
    """Read one line, byte by byte so that nothing behind it is taken. Empty at the end of the input.

    Past Python's buffer: a thread that still waits in there at the end of the process would stop it from ending.
    """
    line = bytearray()
    with contextlib.suppress(OSError, ValueError):
        while len(line) < _LONGEST_LINE and (byte := os.read(sys.stdin.fileno(), 1)):
            line += byte
            if byte == b"\n":
                break
    return line.decode(errors="replace")


def is_yes(line: str) -> bool:
    """Tell whether a line says yes; anything else, and the end of the input, counts as no."""
    return line.strip().lower() in {"yes", "y"}


async def lines() -> AsyncIterator[str]:
    """Give the lines that a person types from now on, until the end of the input. For one reader at a time."""
    loop = asyncio.get_running_loop()
    typed: asyncio.Queue[str] = asyncio.Queue()

    def read() -> None:
        with contextlib.suppress(RuntimeError):  # the loop has ended: nobody waits for lines any more
            while line := read_line():
                loop.call_soon_threadsafe(typed.put_nowait, line)
            loop.call_soon_threadsafe(typed.put_nowait, "")

    # As in `answer`.
    threading.Thread(target=read, daemon=True, name="lines").start()
    while line := await typed.get():
        yield line


def forget_typed() -> None:
    """Drop what was typed and not sent off: it was not meant for what is asked only now. Does nothing off a terminal."""
    try:
        import termios  # noqa: PLC0415 -- not on every system
    except ImportError:
        return
    with contextlib.suppress(termios.error, OSError, ValueError):
        termios.tcflush(sys.stdin.fileno(), termios.TCIFLUSH)


async def answer() -> bool:
    """Wait for yes or no."""
    loop = asyncio.get_running_loop()
    said: asyncio.Future[str] = loop.create_future()

    def tell(line: str) -> None:
        if not said.done():
            said.set_result(line)

    def read() -> None:
        line = read_line()
        with contextlib.suppress(RuntimeError):  # the loop has ended: nobody waits for the answer any more
            loop.call_soon_threadsafe(tell, line)

    # A daemon and raw reads: a person who never answers must not keep the process from ending.
    threading.Thread(target=read, daemon=True, name="answer").start()
    return is_yes(await said)
