"""Follows one task and says what happens, until it is over or the person has waited enough. Called by `desk`."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from uuid import UUID

from dispatch import errors
from dispatch.api.thread.v1.thread_pb2 import DownLiveItem
from dispatch.cli import exit_of, policy_told
from dispatch.clock import Clock
from dispatch.device import awake_words
from dispatch.device.telling import task_word
from dispatch.ids import TaskId

from mobile_sim.exits import exit_of_view
from mobile_sim.facts import Fact, Kind
from mobile_sim.ledger import TASK
from mobile_sim.line import Line
from mobile_sim.owner import Event, Request, Say
from mobile_sim.patience import Patience
from mobile_sim.store import Store, Task, Verdict
from mobile_sim.task_view import (
    OUTCOMES,
    WITH_HOST,
    State,
    TaskView,
    after,
    event_of,
    last_line,
    view_of,
)

WARNED_AGAIN_MS = 24 * 3_600_000
"""After a day a person is told again that nothing keeps the computer awake."""


class Follow:
    """One person's look at one task."""

    def __init__(
        self, line: Line, store: Store, task: Task, *, host: str, clock: Clock, patience: Patience, say: Say
    ) -> None:
        self._line = line
        self._store = store
        self._task_id: TaskId = task.task_id
        self._pair_id = task.pair_id
        self._host = host
        self._clock = clock
        self._patience = patience
        self._say = say
        self._place = 0
        self._view = TaskView()
        self._warned = False

    def resolved_by(self, request: Request) -> bool:
        """Decide where to begin; tells whether another attempt is needed.

        A task that the host has, or whose attempt may still get its verdict, is followed; one that was refused or never sent, or
        of which nobody says what became, is sent again, unless the person has been told so already (`place`: another
        process followed it and ended).
        """
        facts = self._store.tasks.facts(self._task_id)
        view = view_of(facts)
        told = int(request.get("place", 0))
        self._place = min(told, len(facts)) or _first_place(facts, view)
        self._view = view_of(facts[: self._place])
        if view.state in WITH_HOST or view.state in OUTCOMES:
            return False
        since_ms = self._clock.wall_ms() - self._patience.posted_ms
        for post in self._store.tasks.posts(self._task_id, TASK):
            if post.verdict is Verdict.OPEN and post.posted_at_ms > since_ms:
                return False
        return told == 0 or view.state is State.NEW

    async def to_the_end(
        self,
        wait_seconds: float | None,
        *,
        sending: asyncio.Task[object] | None,
        stop_sending: Callable[[], Awaitable[None]],
    ) -> int:
        """Say all that happens, then the last line. Gives the exit code.

        The wait counts from when the task was sent, which has its own bound; when it is over nothing more is sent.
        """
        line = self._line
        loop = asyncio.get_running_loop()
        end: float | None = None
        line.partial_listeners.add(self._partial)
        try:
            while True:
                self._say_news()
                if sending is not None and sending.done():
                    sending.result()  # what broke it is said as it is
                    if sending.result() is None and self._view.state is State.UNCONFIRMED:
                        break  # it was to be sent again, and nothing went out; what was sent before may run
                if self._is_over():
                    break
                now = loop.time()
                if wait_seconds is not None and end is None and (sending is None or self._view.state is not State.NEW):
                    end = now + wait_seconds
                if end is not None and now >= end:
                    await stop_sending()
                    self._say_news()
                    break
                await line.bell.heard(None if end is None else end - now)
        finally:
            line.partial_listeners.discard(self._partial)
        return self._say_last()

    def _is_over(self) -> bool:
        if self._task_id in self._line.attended:
            return False
        return self._view.over or self._line.final

    def _warn(self) -> None:
        """Say before it matters that the computer may fall asleep over the task: as soon as the host has said so, once a day, and
        when that has changed."""
        if self._warned or self._view.over or (awake := self._line.awake) is None:
            return
        self._warned = True
        warning = awake_words.warning(awake)
        reason, now_ms = warning["reason"] if warning else "", self._clock.wall_ms()
        known, at_ms = self._store.pairings.warned(self._pair_id)
        if reason == known and (not reason or abs(now_ms - at_ms) < WARNED_AGAIN_MS):
            return
        with self._store.transaction():
            self._store.pairings.set_warned(self._pair_id, reason, now_ms)
        if warning is not None:
            self._say(self._signed(warning | {"at": now_ms}))

    def _say_news(self) -> None:
        self._warn()
        facts = self._store.tasks.facts(self._task_id)
        for fact in facts[self._place :]:
            self._place += 1
            self._view = after(self._view, fact)
            event = event_of(self._view, fact)
            if event is not None:
                self._say(self._signed(event | self._asking_before(fact)))

    def _say_last(self) -> int:
        error = self._line.error if self._line.final else None
        line = self._signed(last_line(self._view))
        if error is not None and not self._view.over:
            line |= {"reason": errors.word(error.reason), "advice": error.advice}
        if (why := self._line.error) is not None and line.get("reason") == errors.word(why.reason):
            line |= policy_told(why)
        self._say(line)
        if self._view.over or error is None:
            return exit_of_view(self._view)
        return exit_of(error)

    def _asking_before(self, fact: Fact) -> Event:
        """Give the words of the task that asks a person while this one waits for it."""
        if fact.kind is not Kind.WAITING or not fact.detail:
            return {}
        before = self._store.tasks.get(TaskId(UUID(fact.detail).bytes))
        return {"asking_text": before.text} if before is not None else {}

    def _signed(self, event: Event) -> Event:
        here = {"_place": self._place, "_state": self._view.shown_state.value}
        return event | {"task_id": task_word(self._task_id), "host": self._host} | here

    def _partial(self, task_id: TaskId, item: DownLiveItem) -> None:
        if task_id == self._task_id:
            partial = item.partial_text
            event = {"event": "text", "partial": True, "delta": partial.delta, "offset": partial.offset}
            self._say(self._signed(event | {"at": self._clock.wall_ms()}))


def _first_place(facts: Sequence[Fact], view: TaskView) -> int:
    """Tell from where on the facts are news: a task that the host has is told from its acceptance, others from now on."""
    accepted = [place for place, fact in enumerate(facts) if fact.kind in (Kind.ACCEPTED, Kind.SCHEDULED)]
    return accepted[0] if accepted else len(facts) if view.over else 0
