"""Asks the operating system what it may never answer, without waiting for ever: a mount that is dead, a resolver that is stuck.

Such a call can't be broken off. It is left behind on a thread that keeps neither the loop nor the process from ending.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


async def aside(ask: Callable[[], T], *, seconds: float) -> T:
    """Ask on a thread of its own. Raises TimeoutError, and what the call raises."""
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[T] = loop.create_future()

    def told(result: T | None, failure: Exception | None) -> None:
        if answer.done():
            return  # nobody waits any more
        if failure is not None:
            answer.set_exception(failure)
        else:
            answer.set_result(result)  # type: ignore[arg-type]  # without a failure it is the result

    def run() -> None:
        result, failure = None, None
        try:
            result = ask()
        except Exception as error:  # whatever it is, who asked is to hear it
            failure = error
        with contextlib.suppress(RuntimeError):  # the loop has ended meanwhile
            loop.call_soon_threadsafe(told, result, failure)

    # Not the loop's own pool: its end waits for every thread in it.
    threading.Thread(target=run, name="doctor-aside", daemon=True).start()
    async with asyncio.timeout(seconds):
        return await answer
