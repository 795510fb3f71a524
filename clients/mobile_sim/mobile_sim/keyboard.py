"""Reads a person's lines from standard input without holding up the event loop or the end of the process."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import threading

from dispatch import errors

_LONGEST_LINE = 64 * 1024


def read_line() -> str:
    """Read one line, byte by byte so that nothing behind it is taken. Empty at the end of the input."""
    line = bytearray()
    while len(line) < _LONGEST_LINE and (byte := os.read(sys.stdin.fileno(), 1)):
        line += byte
        if byte == b"\n":
            break
    return line.decode(errors="replace")


async def answer() -> bool:
    """Wait for yes or no; anything but yes, and the end of the input, counts as no."""
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
    threading.Thread(target=read, daemon=True).start()
    return (await said).strip().lower() in ("yes", "y")


def read_all() -> str:
    """Read standard input to its end. Raises BadRequest for what is no UTF-8: words must not be changed on their way."""
    try:
        return sys.stdin.buffer.read().decode()
    except UnicodeDecodeError:
        raise errors.BadRequest("standard input has to be UTF-8", metadata={"field": "text"}) from None
