"""Runs one task at a time on the whole host, in the order of acceptance, over all pairings.

Called by the app, which gives it the agents, of which the chosen one does a task; woken by links when a task has its go.
Every way in which an agent can end, also by breaking or by saying nothing, becomes exactly one outcome, and what was done up
to then is in the thread. Knows no frames and no seals: what it writes goes through the steps, what it shows in passing
through `show`.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Protocol, TypeVar

from dispatch import errors
from dispatch.api.error.v1.error_pb2 import Reason
from dispatch.api.thread.v1.thread_pb2 import DownLiveItem
from dispatch.clock import Clock
from dispatch.failures import place_of
from dispatch.ids import TaskId
from dispatch.runtime.logs import get_logger

from dispatch_host import entries, steps
from dispatch_host.agents import Agent, Artifact, NotDone, Progress, Result, Step, Task, Text, Turn
from dispatch_host.agents.registry import Chosen, Registry
from dispatch_host.asking import Asker, Floor, Steering, Watchdog
from dispatch_host.entries import Entry
from dispatch_host.files import Artifacts, Inbox
from dispatch_host.journal import Tx, Writer, files, tasks
from dispatch_host.journal.values import StoredTask
from dispatch_host.limits import Limits
from dispatch_host.live import LiveNews
from dispatch_host.metrics import HostMetrics
from dispatch_host.permissions.gate import TaskGate
from dispatch_host.permissions.held import Held
from dispatch_host.power.sleep import Pause
from dispatch_host.scribe import Scribe
from dispatch_host.steps import Ready
from dispatch_host.tasks import STEPS, Event, State

T = TypeVar("T")

MEMORY_BYTES = 1024 * 1024
_LETTING_GO_SECONDS = 0.8
"""Within a second of a cancel the outcome is written, whatever the agent does."""
_STORE_RETRY_SECONDS = 1.0

_LOG = get_logger()


class Audience(Protocol):
    """Those who read: the links of the host."""

    def wrote(self, thread: int) -> None:
        """Hear that a thread has news in the outbox."""

    def wrote_anywhere(self) -> None:
        """Hear that any thread may have news: a task ended, and those behind it moved up, whosever they are."""

    def show(self, thread: int, items: Sequence[DownLiveItem]) -> None:
        """Show something in passing, if anybody is there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """How a task ends."""

    event: Event
    reason: Reason.ValueType = Reason.REASON_UNSPECIFIED
    text: str = field(default="", repr=False)
    result: str = field(default="", repr=False)
    memory: str = field(default="{}", repr=False)


CANCELLED = Ending(event=Event.CANCEL, reason=Reason.REASON_CANCELLED_BY_PERSON)
STOPPED = Ending(event=Event.INTERRUPT, reason=Reason.REASON_HOST_STOPPED)
SILENT = Ending(event=Event.FAIL, reason=Reason.REASON_WATCHDOG)
ENDLESS = Ending(event=Event.FAIL, reason=Reason.REASON_WATCHDOG, text="It ran for longer than a task may.")
BROKEN = Ending(event=Event.FAIL, reason=Reason.REASON_AGENT_FAILED)

_EVENTS = {
    Reason.REASON_PERSON_DENIED: Event.DENY,
    Reason.REASON_NOBODY_ANSWERED: Event.TIME_OUT,
}
"""How a task ends that was not done, where that is not a failure."""


@dataclass(slots=True)
class _Current:
    """The task that runs. `forced` is set by whoever ends it from outside, before the agent is cancelled."""

    task: StoredTask
    news: LiveNews
    gate: TaskGate
    asker: Asker
    steering: Steering
    watchdog: Watchdog
    steps: list[Entry] = field(default_factory=list)
    stepped: asyncio.Event = field(default_factory=asyncio.Event)
    written: asyncio.Event = field(default_factory=asyncio.Event)
    showing: asyncio.Event = field(default_factory=asyncio.Event)
    working: asyncio.Task[Ending] | None = None
    forced: Ending | None = None
    ending: bool = False  # its end is being written, or it is cut off with the whole host
    over: asyncio.Event = field(default_factory=asyncio.Event)

    async def settled(self) -> None:
        """Wait until every step so far is in the thread."""
        while self.steps:
            self.written.clear()
            await self.written.wait()


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
        self._floor = Floor(
            store=self._stored,
            scribe=scribe,
            clock=clock,
            rng=scribe.rng,
            held=held,
            answer_seconds=limits.answer_seconds,
            wrote=self._wrote,
            counted=metrics.asked,
        )
        # Touched by run, end_running and cancel, all on one loop.
        self._woken = asyncio.Event()
        self._current: _Current | None = None
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
        """Hear that a task left the line without being run: what was written of that goes to whom it concerns."""
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
        """Hear that the journal has something for the task if it is the one that runs: an answer, or words."""
        if self._current is not None and self._current.task.task_id == task_id:
            self._current.asker.look()
            self._current.steering.look()

    def permissions_changed(self) -> None:
        """End the running task if it was given, or has used, what is not permitted any more."""
        if self._current is not None and (lost := self._current.gate.lost()) is not None:
            self._force(
                Ending(
                    event=Event.FAIL,
                    reason=Reason.REASON_PERMISSION_TAKEN_BACK,
                    text=entries.clean(f"{errors.PermissionTakenBack.sentence} It was: {lost.words}."),
                )
            )

    def paused(self, pause: Pause) -> None:
        """Hear that the computer slept, or the process stood still: the running task ends by it, or goes on and says so."""
        current = self._current
        if pause.seconds > self._limits.pause_seconds:
            self._force(Ending(event=Event.INTERRUPT, reason=Reason.REASON_HOST_SLEPT, text=pause.words))
        elif current is not None:
            current.steps.append(entries.step(current.task.task_id, pause.words, ""))
            current.stepped.set()

    async def stop(self) -> None:
        """Interrupt the running task because the host stops, start no other, and wait until its outcome is written."""
        self._stopping = True
        self._woken.set()
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
            ready = await self._stored(partial(steps.start_next, scribe=self._scribe, agent=chosen.name))
            if ready is None:
                self._busy(False)
                await self._count_waiting()
                await self._woken.wait()
            else:
                await self._run_one(ready, chosen.agent)

    def _force(self, ending: Ending) -> None:
        current = self._current
        if current is not None and current.forced is None:
            current.forced, current.ending = ending, True
            if current.working is not None:
                current.working.cancel()

    async def _run_one(self, ready: Ready, agent: Agent) -> None:
        # Before anything is awaited: what is taken back from now on must find the task.
        current = self._current = self._made(ready.task)
        self._busy(True)
        self._metrics.running.set(1)
        self._audience.wrote(ready.task.thread)
        await self._count_waiting()
        started_ms = self._clock.steady_ms()
        _LOG.info("task started", task=ready.task.task_id)
        helpers = [asyncio.create_task(self._write(current)), asyncio.create_task(self._show(current))]
        try:
            ending = await self._work(current, ready, agent)
        finally:
            for helper in helpers:
                helper.cancel()
            await asyncio.gather(*helpers, return_exceptions=True)
        await self._end(current, ending)
        self._current = None
        current.over.set()
        self._metrics.running.set(0)
        self._metrics.agent_seconds.observe((self._clock.steady_ms() - started_ms) / 1000)

    def _wrote(self, thread: int) -> None:
        self._audience.wrote(thread)

    def _made(self, task: StoredTask) -> _Current:
        gate = TaskGate(task.task_id, held=self._held, store=self._stored, clock=self._clock)
        watchdog = Watchdog(self._limits.watchdog_seconds, self._limits.longest_seconds)

        async def settled() -> None:
            await current.settled()

        current = _Current(
            task=task,
            news=LiveNews(task.task_id, round(1000 / self._limits.live_per_second)),
            gate=gate,
            asker=Asker(
                task=task,
                floor=self._floor,
                gate=gate,
                watchdog=watchdog,
                settled=settled,
                is_ending=lambda: current.ending,
            ),
            steering=Steering(task=task, floor=self._floor),
            watchdog=watchdog,
        )
        return current

    async def _end(self, current: _Current, ending: Ending) -> None:
        """Write the one outcome. A disk that is full does not lose it: it is tried until it is written."""
        task, left = current.task, current.steps

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
        _LOG.info("task ended", task=task.task_id, outcome=state.value, reason=errors.word(ending.reason))

    async def _work(self, current: _Current, ready: Ready, agent: Agent) -> Ending:
        """Let the agent work; gives how it ended, or how somebody else ended it."""
        working = current.working = asyncio.create_task(self._drive(current, ready, agent))
        if current.forced is not None:
            working.cancel()
        try:
            while current.forced is None and not working.done():
                await asyncio.wait([working])
        finally:
            # Forced to end, or cut off with the whole host: the agent gets a moment to stop what it started.
            current.ending = True
            working.cancel()
            if not (await asyncio.wait([working], timeout=_LETTING_GO_SECONDS))[0]:
                _LOG.warning("the agent does not let go of its task", task=current.task.task_id)
        if current.forced is not None:
            return current.forced
        return working.result()

    async def _drive(self, current: _Current, ready: Ready, agent: Agent) -> Ending:
        """Read the agent's events to the end. Whatever breaks in it is one ending."""
        history = [_turn(earlier) for earlier in ready.history]
        watchdog = current.watchdog
        try:
            async with watchdog.timeout, contextlib.AsyncExitStack() as stack:
                task = await asyncio.to_thread(self._for_agent, ready)
                running = agent.run(task, gate=current.gate, history=history, ask=current.asker, words=current.steering)
                events = await stack.enter_async_context(contextlib.aclosing(running))
                async for event in events:
                    watchdog.moved()
                    match event:
                        case Step(title=title, detail=detail):
                            current.steps.append(
                                entries.step(ready.task.task_id, entries.clean(title), entries.clean(detail))
                            )
                            current.stepped.set()
                        case Text(delta=delta):
                            current.news.text(entries.clean(delta))
                            current.showing.set()
                        case Progress(done=done, total=total, unit=unit):
                            current.news.progress(done=done, total=total, unit=unit)
                            current.showing.set()
                        case Artifact(path=path):
                            current.steps.append(await self._named(current, path))
                            current.stepped.set()
                        case Result(text=text, memory=memory):
                            return Ending(event=Event.DONE, result=entries.clean(text), memory=_remembered(memory))
                        case NotDone(reason=reason, text=text, memory=memory):
                            why = Reason.Value(f"REASON_{reason}")
                            return Ending(
                                event=_EVENTS.get(why, Event.FAIL),
                                reason=why,
                                text=entries.clean(text),
                                memory=_remembered(memory),
                            )
        except TimeoutError:
            if watchdog.timeout.expired():
                return ENDLESS if watchdog.is_endless else SILENT
            return self._broken(current, "TimeoutError")
        except errors.DispatchError as failure:
            # What is not permitted, or a file that can't be sent: the agent may not, or it is not there any more.
            return Ending(event=Event.FAIL, reason=failure.reason, text=_sentence(failure))
        except asyncio.CancelledError as failure:
            asked = asyncio.current_task()
            if asked is None or asked.cancelling():
                raise
            # Nobody asked for it: it is the agent's own, or of something that it waited for, and ends its task only.
            return self._broken(current, place_of(failure))
        except Exception as failure:
            return self._broken(current, place_of(failure))
        return self._broken(current, "no result")

    def _for_agent(self, ready: Ready) -> Task:
        """Write what the agent is asked, with where its attachments are. Raises AttachmentMissing. Blocking."""
        inbox = self._inbox.of(ready.task.thread)
        paths = [one.path for one in ready.attachments if one is not None and one.path.is_file()]
        if len(paths) != len(ready.attachments):
            raise errors.AttachmentMissing("it was here and is not any more")
        return Task(
            task_id=ready.task.task_id.hex(),
            text=ready.task.text,
            inbox=inbox if inbox.is_dir() else None,
            attachments=paths,
        )

    async def _named(self, current: _Current, path: Path) -> Entry:
        """Give a file for the phone its id, key and digest. Raises FolderNotApproved, FileUnknown, TooLarge."""
        task = current.task
        stored = await asyncio.to_thread(
            self._artifacts.name,
            path,
            current.gate.folders,
            thread=task.thread,
            at_ms=self._clock.wall_ms(),
        )
        # Before the event that names it: a phone may ask for it as soon as it hears of it.
        await self._stored(lambda tx: files.add(tx, stored))
        return entries.artifact(task.task_id, stored.file)

    def _broken(self, current: _Current, where: str) -> Ending:
        _LOG.error("agent broke", task=current.task.task_id, where=where)
        return BROKEN

    async def _write(self, current: _Current) -> None:
        """Write steps as they come; those that come while one write is under way share the next."""
        while True:
            await current.stepped.wait()
            current.stepped.clear()
            batch = list(current.steps)
            if not batch:
                continue

            def write(tx: Tx, batch: Sequence[Entry] = batch) -> None:
                steps.tell(tx, self._scribe, current.task, batch)

            # Shielded: cut off in the middle, nobody would know whether these steps are written or still to write.
            writing = asyncio.ensure_future(self._stored(write))
            try:
                await asyncio.shield(writing)
            finally:
                if not (await asyncio.wait([writing], timeout=_LETTING_GO_SECONDS))[0]:
                    writing.cancel()
                elif not writing.cancelled() and writing.exception() is None:
                    del current.steps[: len(batch)]
                    current.written.set()
            self._audience.wrote(current.task.thread)

    async def _show(self, current: _Current) -> None:
        """Show what goes by, not more often than the limit."""
        while True:
            await current.showing.wait()
            current.showing.clear()
            while (due_ms := current.news.due_ms()) is not None:
                await asyncio.sleep(max(0, due_ms - self._clock.steady_ms()) / 1000)
                items = current.news.take(self._clock.steady_ms())
                if items:
                    self._audience.show(current.task.thread, items)

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


def _turn(task: StoredTask) -> Turn:
    return Turn(
        task_text=task.text,
        outcome=task.state.value,
        result_text=task.result,
        memory=json.loads(task.memory),
        task_id=task.task_id.hex(),
    )


def _sentence(failure: errors.DispatchError) -> str:
    permission = failure.metadata.get("permission")
    return entries.clean(f"{failure.sentence} It is: {permission}.") if permission else failure.sentence


def _remembered(memory: object) -> str:
    """Write an agent's memory; one that is far too large is forgotten rather than kept in part."""
    written = json.dumps(memory)
    return written if len(written) <= MEMORY_BYTES else "{}"
