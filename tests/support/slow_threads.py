"""The threads of a loop, one function of which takes its time: for what must not outlive who waits for it."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from tests.support.waiting import DEADLINE_SECONDS, turns, until


class SlowThreads(ThreadPoolExecutor):
    """The default threads of the running loop from now on; a function of this name begins, and waits."""

    def __init__(self, slow: str) -> None:
        super().__init__()
        self._slow = slow
        self._begun, self._goes_on = threading.Event(), threading.Event()
        asyncio.get_running_loop().set_default_executor(self)

    def submit(self, fn: Callable[..., Any], /, *args: Any, **named: Any) -> Future[Any]:
        called = getattr(fn, "args", [fn])[0]  # asyncio.to_thread wraps it
        meant = getattr(called, "__name__", "") == self._slow
        return super().submit(self._slowly if meant else fn, *((fn,) if meant else ()), *args, **named)

    def _slowly(self, fn: Callable[..., Any], /, *args: Any, **named: Any) -> Any:
        self._begun.set()
        assert self._goes_on.wait(DEADLINE_SECONDS)
        return fn(*args, **named)

    async def outlived_by(self, work: Coroutine[Any, Any, object]) -> bool:
        """Cancel it while the function is in its thread; tells whether it ended behind that, and no sooner."""
        working = asyncio.create_task(work)
        await until(lambda: self._begun.is_set() or working.done())
        working.cancel()
        await turns()
        waited = not working.done()
        self._goes_on.set()
        with contextlib.suppress(asyncio.CancelledError):
            await working
        return waited and working.cancelled()
