"""Runs one task at a time on the whole host, in the order of acceptance, over all pairings.

Called by the app, which gives it the agents, of which the chosen one does a task; woken by links when a task has its go. The
task at work is `AtWork`; here its one outcome is written, whatever that takes. Knows no frames and no seals: what it writes
goes through the steps.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from functools import partial
from typing import Protocol, TypeVar

from dispatch import errors
from dispatch.api.error.v1.error_pb2 import Reason
from dispatch.api.thread.v1.thread_pb2 import DownLiveItem
from dispatch.clock import Clock
from dispatch.ids import TaskId, short
from dispatch.runtime.logs import get_logger
from dispatch.tracing import UNTOLD, Traces, span_of

from dispatch_host import entries, steps
from dispatch_host.agents import Agent
from dispatch_host.agents.registry import Chosen, Registry
from dispatch_host.asking import Floor
from dispatch_host.at_work import CANCELLED, STOPPED, AtWork, Ending
from dispatch_host.files import Artifacts, Inbox
from dispatch_host.journal import Tx, Writer, tasks
from dispatch_host.journal.values import StoredTask
from dispatch_host.limits import Limits
from dispatch_host.metrics import HostMetrics
from dispatch_host.permissions.held import Held
from dispatch_host.power.sleep import Pause
from dispatch_host.scribe import Scribe
from dispatch_host.steps import Ready
from dispatch_host.tasks import STEPS, Event, State

T = TypeVar("T")

_STORE_RETRY_SECONDS = 1.0
_STARTED_SECONDS = 0.5
"""How long a host that stops waits for a task that is just starting."""

_LOG = get_logger()


class Audience(Protocol):
    """Those who read: the links of the host."""

    def wrote(self, thread: int) -> None:
        """Hear that a thread has news in the outbox."""

    def wrote_anywhere(self) -> None:
        """Hear that any thread may have news: a task ended, and those behind it moved up, whosever they are."""

    def show(self, thread: int, items: Sequence[DownLiveItem]) -> None:
        """Show something in passing, if anybody is there."""


class Runner:
    """The host's one pair of hands."""

    def __init__(
        self,
        agents: Registry,
        *,
        journal: Writer,
        scribe: Scribe,
        clock: Clock,
        limits: Limits,
        metrics: HostMetrics,
        inbox: Inbox,
        artifacts: Artifacts,
        held: Held,
        busy: Callable[[bool], None],
        traces: Traces = UNTOLD,
    ) -> None:
        # Fixed after __init__.
        self._inbox = inbox
        self._artifacts = artifacts
        self._agents = agents
        self._journal = journal
        self._scribe = scribe
        self._clock = clock
        self._limits = limits
        self._metrics = metrics
        self._held = held
        self._busy = busy
        self._traces = traces
        self._floor = Floor(
            store=self._stored,
            scribe=scribe,
            clock=clock,
            rng=scribe.rng,
            held=held,
            answer_seconds=limits.answer_seconds,
            wrote=self._wrote,
            wrote_anywhere=self.moved_up,
            counted=metrics.asked,
            traces=traces,
        )
        # Touched by run, end_running and cancel, all on one loop.
        self._woken = asyncio.Event()
        self._starting = asyncio.Lock()  # held from the step that starts a task until it is the current one
        self._current: AtWork | None = None
        self._chosen: Chosen | None = None  # who does the running task, from just before it starts until it is over
        self._stopping = False
        # Set by run, which the links must exist for.
        self._audience: Audience

    @property
    def takes_words(self) -> bool:
        """Whether the agent of the running task takes what a person adds while it works."""
        return self._chosen is not None and self._chosen.agent.takes_words

    @property
    def agent_name(self) -> str:
        """Who does the running task; empty for none."""
        return "" if self._current is None or self._chosen is None else self._chosen.name

    def wake(self) -> None:
        """Hear that a task was accepted."""
        self._woken.set()

    def moved_up(self) -> None:
        """Hear that those that wait were told something, of the line or of a question: it goes to whom it concerns."""
        self._audience.wrote_anywhere()

    def cancel(self, task_id: TaskId) -> None:
        """Cancel the task if it is the one that runs."""
        if self._current is not None and self._current.task.task_id == task_id:
            self._force(CANCELLED)

    async def cancelled(self, task_id: TaskId) -> None:
        """Cancel the task if it is the one that runs, and wait until its outcome is written."""
        current = self._current
        if current is not None and current.task.task_id == task_id:
            self._force(CANCELLED)
            await current.over.wait()

    def look(self, task_id: TaskId) -> None:
        """Hear that the journal has something for the task if it is the one that runs: an answer."""
        if self._current is not None and self._current.task.task_id == task_id:
            self._current.asker.look()

    def permissions_changed(self) -> None:
        """End the running task if it was given, or has used, what is not permitted any more."""
        if self._current is not None and (lost := self._current.gate.lost()) is not None:
            unused = "" if self._current.gate.has_used(lost) else " Nothing was done with it: a person was asked."
            text = entries.clean(f"{errors.PermissionTakenBack.sentence} It was: {lost.words}.{unused}")
            self._force(Ending(event=Event.FAIL, reason=Reason.REASON_PERMISSION_TAKEN_BACK, text=text))

    def paused(self, pause: Pause) -> None:
        """Hear that the computer slept, or the process stood still: the running task ends by it, or goes on and says so."""
        current = self._current
        if pause.seconds > self._limits.pause_seconds:
            self._force(Ending(event=Event.INTERRUPT, reason=Reason.REASON_HOST_SLEPT, text=pause.words))
        elif current is not None:
            current.step(pause.words, "")

    async def stop(self) -> None:
        """Interrupt the running task because the host stops, start no other, and wait until its outcome is written."""
        self._stopping = True
        self._woken.set()
        # A task that is just starting is the current one in a moment; on a full disk when there is room, and it is stopped then.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_STARTED_SECONDS), self._starting:
                pass
        self._force(STOPPED)
        if self._current is not None:
            await self._current.over.wait()

    async def run(self, audience: Audience) -> None:
        """Run tasks until `stop`. Cancelling it leaves the running task to the next process, which ends it."""
        self._audience = audience
        while not self._stopping:
            self._woken.clear()
            # Made before the step that names it in the thread: who is chosen meanwhile does the task after this one.
            chosen = self._chosen = self._agents.for_next_task()
            async with self._starting:
                ready = await self._stored(partial(steps.start_next, scribe=self._scribe, agent=chosen.name))
                if ready is not None:
                    # Before anything else is awaited: what is taken back from now on must find the task.
                    current = self._current = self._at_work(ready.task)
                    if self._stopping:
                        current.force(STOPPED)  # type: ignore[unreachable]  # `stop` came while this waited for the disk
            if ready is None:
                self._busy(False)
                await self._count_waiting()
                await self._woken.wait()
            else:
                await self._run_one(current, ready, chosen.agent)

    def _force(self, ending: Ending) -> None:
        if self._current is not None:
            self._current.force(ending)

    async def _run_one(self, current: AtWork, ready: Ready, agent: Agent) -> None:
        self._busy(True)
        self._metrics.running.set(1)
        self._audience.wrote(ready.task.thread)
        await self._count_waiting()
        started_ms = self._clock.steady_ms()
        self._trace("waiting", ready.task, start_ms=ready.task.accepted_at_ms)
        began_ms = self._clock.wall_ms()
        _LOG.info("task started", task=ready.task.task_id, pairing=ready.task.pair_id)
        ending = await current.work(ready, agent)
        await self._end(current, ending)
        outcome, reason = STEPS[State.RUNNING, ending.event].value, errors.word(ending.reason) if ending.reason else ""
        self._trace("running", ready.task, start_ms=began_ms, outcome=outcome, reason=reason)
        self._current = None
        current.over.set()
        self._metrics.running.set(0)
        self._metrics.agent_seconds.observe((self._clock.steady_ms() - started_ms) / 1000)

    def _trace(self, name: str, task: StoredTask, *, start_ms: float, outcome: str = "", reason: str = "") -> None:
        """Tell the traces of something that this host did with a task until now."""
        pairing, span_id = short(task.pair_id), span_of(task.task_id, name)
        now_ms = self._clock.wall_ms()
        self._traces.span(
            name,
            task.task_id,
            start_ms=start_ms,
            end_ms=now_ms,
            span_id=span_id,
            outcome=outcome,
            reason=reason,
            pairing=pairing,
        )

    def _wrote(self, thread: int) -> None:
        self._audience.wrote(thread)

    def _at_work(self, task: StoredTask) -> AtWork:
        return AtWork(
            task,
            floor=self._floor,
            limits=self._limits,
            inbox=self._inbox,
            artifacts=self._artifacts,
            show=self._audience.show,
        )

    async def _end(self, current: AtWork, ending: Ending) -> None:
        """Write the one outcome. A disk that is full does not lose it: it is tried until it is written."""
        task, left = current.task, current.left

        def write(tx: Tx) -> bool:
            return steps.end(
                tx,
                self._scribe,
                task,
                ending.event,
                reason=ending.reason,
                text=ending.text,
                before=left,
                result=ending.result,
                memory=ending.memory,
            )

        await self._stored(write)
        self._audience.wrote_anywhere()
        state = STEPS[State.RUNNING, ending.event]
        self._metrics.ended(state)
        _LOG.info(
            "task over",
            task=task.task_id,
            pairing=task.pair_id,
            outcome=state.value,
            reason=errors.word(ending.reason) if ending.reason else None,
        )

    async def _stored(self, work: Callable[[Tx], T]) -> T:
        """Run a step until it succeeds: an accepted task is owed its events, so a full disk is waited out, and said."""
        while True:
            try:
                return await self._journal.step(work)
            except errors.StoreFailed as failure:
                _LOG.error("journal can't be written", detail=failure.detail)
                await asyncio.sleep(_STORE_RETRY_SECONDS)

    async def _count_waiting(self) -> None:
        self._metrics.waiting.set(await self._stored(tasks.count_queued))
