"""Which task has which browser: one is started when a task first needs it, and ended when the task is over. Called by tools.py.

A session is held by an asyncio task of its own: what enters it and what leaves it may be different calls of an agent.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from dispatch.endings import to_its_end

from dispatch_host.agents.toolbox import Work
from dispatch_host.browser.chamber import NoBrowser
from dispatch_host.browser.session import Browser, Session


@dataclass(slots=True)
class _Held:
    """A session, or one that begins. Whoever `ends` it waits for `holding`."""

    session: asyncio.Future[Session]
    ends: asyncio.Event = field(default_factory=asyncio.Event)
    holding: asyncio.Task[None] | None = None


class Sessions:
    """The browsers of tasks. The host does one task at a time: that of another one is ended when the next begins."""

    def __init__(self, browser: Browser) -> None:
        # Fixed after __init__.
        self._browser = browser
        self._turn = asyncio.Lock()
        # Touched on one loop.
        self._held: dict[str, _Held] = {}

    async def of(self, work: Work, *, new: bool) -> Session:
        """Give the task's session; a new one is started only where that is asked for. Raises NoBrowser, KeyError."""
        async with self._turn:
            held = self._held.get(work.task.task_id)
            if held is not None and held.session.done() and not held.session.result().over:
                return held.session.result()
            if not new:
                raise KeyError(work.task.task_id)
            for task_id in list(self._held):
                await self._end(task_id)
            return await self._start(work)

    async def end(self, task_id: str) -> None:
        """End the session of a task, if it has one."""
        async with self._turn:
            await self._end(task_id)

    async def _start(self, work: Work) -> Session:
        held = _Held(asyncio.get_running_loop().create_future())
        held.holding = asyncio.create_task(self._hold(held, work))
        try:
            session = await asyncio.shield(held.session)
        except BaseException:
            await _let_go(held)
            raise
        self._held[work.task.task_id] = held
        work.closing.push_async_callback(self.end, work.task.task_id)
        return session

    async def _hold(self, held: _Held, work: Work) -> None:
        try:
            async with self._browser.session(gate=work.gate, ask=work.ask) as session:
                held.session.set_result(session)
                await held.ends.wait()
        except Exception as failure:  # to whoever waits for it; afterwards there is nobody
            if not held.session.done():
                held.session.set_exception(failure if isinstance(failure, NoBrowser) else NoBrowser(_LOST))
                held.session.exception()  # looked at: nobody may wait for it any more

    async def _end(self, task_id: str) -> None:
        if (held := self._held.pop(task_id, None)) is not None:
            await _let_go(held)


_LOST = "The browser could not be started."


async def _let_go(held: _Held) -> None:
    held.ends.set()
    if held.holding is not None:
        if not held.session.done():
            held.holding.cancel()
        await to_its_end(asyncio.gather(held.holding, return_exceptions=True))
