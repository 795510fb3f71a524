"""The task that runs: its agent is read to the end, and every way in which that can end is one ending.

Made by the runner for each task, which writes the ending. What the agent did up to then is in the thread, or left in `left` to
be written before the end. Whoever ends it from outside does that by `force`; from then on its gate allows nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dispatch import errors
from dispatch.api.error.v1.error_pb2 import Reason
from dispatch.api.thread.v1.thread_pb2 import DownLiveItem
from dispatch.failures import place_of
from dispatch.runtime.logs import get_logger
from dispatch.tracing import span_of

from dispatch_host import entries
from dispatch_host.agents import Agent, Artifact, NotDone, Progress, Result, Step, Task, Text, Turn
from dispatch_host.asking import Asker, Floor, Steering
from dispatch_host.entries import Entry
from dispatch_host.files import Artifacts, Inbox
from dispatch_host.journal import Tx, files
from dispatch_host.journal.values import AuditVerdict, StoredTask
from dispatch_host.limits import Limits
from dispatch_host.live import LiveNews
from dispatch_host.permissions.gate import TaskGate
from dispatch_host.steps import Ready
from dispatch_host.tasks import Event
from dispatch_host.watchdog import Watchdog

MEMORY_BYTES = 1024 * 1024
STEPS = 1000
"""Of an agent's own in one task's thread: every one is a row here, at the relay and on the phone."""
FILES = 100
"""Of one task, sent to the phone: each is a row here, at the relay and on the phone."""
_LETTING_GO_SECONDS = 0.8
"""Within a second of a cancel the outcome is written, whatever the agent does."""

_LOG = get_logger()


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
TOO_MANY_FILES = Ending(
    event=Event.FAIL,
    reason=Reason.REASON_LIMIT_REACHED,
    text=f"It sent {FILES} files to the phone, and one task sends no more. Those are there; the rest would fit in a zip.",
)
BROKEN = Ending(event=Event.FAIL, reason=Reason.REASON_AGENT_FAILED)

_EVENTS = {
    Reason.REASON_PERSON_DENIED: Event.DENY,
    Reason.REASON_NOBODY_ANSWERED: Event.TIME_OUT,
}
"""How a task ends that was not done, where that is not a failure."""


class AtWork:
    """One task, while its agent works on it."""

    def __init__(
        self,
        task: StoredTask,
        *,
        floor: Floor,
        limits: Limits,
        inbox: Inbox,
        artifacts: Artifacts,
        show: Callable[[int, Sequence[DownLiveItem]], None],
    ) -> None:
        """`show` shows something in passing to those who read a thread."""
        # Fixed after __init__.
        self.task = task
        self.gate = TaskGate(task.task_id, held=floor.held, store=floor.store, clock=floor.clock)
        self.steering = Steering(task=task, floor=floor)
        self._floor = floor
        self._inbox = inbox
        self._artifacts = artifacts
        self._show_to = show
        self._watchdog = Watchdog(limits.watchdog_seconds, limits.longest_seconds)
        self.asker = Asker(
            task=task,
            floor=floor,
            gate=self.gate,
            watchdog=self._watchdog,
            settled=self._settled,
            is_ending=lambda: self._is_ending,
        )
        # Touched on one loop.
        self.left: list[Entry] = []  # what was done and is not in the thread yet
        self.over = asyncio.Event()  # set by the runner, when the outcome is written
        self._steps = 0  # that its agent told of
        self._told_ms = floor.clock.wall_ms()  # when the last step was
        self._sent: set[tuple[Path, bytes]] = set()  # files, each as it was then
        self._news = LiveNews(task.task_id, round(1000 / limits.live_per_second))
        self._stepped = asyncio.Event()
        self._written = asyncio.Event()
        self._showing = asyncio.Event()
        self._forced: Ending | None = None
        self._is_forced = asyncio.Event()
        self._is_ending = False  # its end is being written, or it is cut off with the whole host

    def force(self, ending: Ending) -> None:
        """End it from outside; the first who does counts."""
        if self._forced is None:
            self._forced, self._is_ending = ending, True
            self.gate.close()
            self._is_forced.set()

    def step(self, title: str, detail: str) -> None:
        """Tell of something that was done, or that happened to it."""
        self.left.append(entries.step(self.task.task_id, title, detail))
        self._stepped.set()
        self._trace("step")

    def _trace(self, kind: str) -> None:
        """Tell the traces that something was done, and no word of what: it took as long as nothing else was told."""
        began_ms, self._told_ms = self._told_ms, self._floor.clock.wall_ms()
        running = span_of(self.task.task_id, "running")
        self._floor.traces.span(
            "step", self.task.task_id, start_ms=began_ms, end_ms=self._told_ms, parent_id=running, kind=kind
        )

    async def work(self, ready: Ready, agent: Agent) -> Ending:
        """Let the agent work; gives how it ended, or how somebody else ended it.

        Forced to end, or cut off with the whole host, the agent gets a moment to stop what it started. One that does not is
        left alone with a gate that allows nothing.
        """
        if self._forced is not None:
            return self._forced  # before it began
        writing, showing = asyncio.create_task(self._write()), asyncio.create_task(self._show())
        working, forced = asyncio.create_task(self._drive(ready, agent)), asyncio.create_task(self._is_forced.wait())
        try:
            await asyncio.wait([working, forced], return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._is_ending = True
            self.gate.close()
            working.cancel()
            if not (await asyncio.wait([working], timeout=_LETTING_GO_SECONDS))[0]:
                _LOG.warning("the agent does not let go of its task", task=self.task.task_id, pairing=self.task.pair_id)
            helpers: list[asyncio.Task[Any]] = [writing, showing, forced]
            for one in helpers:
                one.cancel()
            await asyncio.gather(*helpers, return_exceptions=True)
        return self._forced or working.result()

    async def _settled(self) -> None:
        """Wait until every step so far is in the thread."""
        while self.left:
            self._written.clear()
            await self._written.wait()

    async def _drive(self, ready: Ready, agent: Agent) -> Ending:
        """Read the agent's events to the end. Whatever breaks in it is one ending."""
        history = [_turn(earlier) for earlier in ready.history]
        watchdog = self._watchdog
        try:
            async with watchdog.timeout, contextlib.AsyncExitStack() as stack:
                task = await asyncio.to_thread(self._for_agent, ready)
                running = agent.run(task, gate=self.gate, history=history, ask=self.asker, words=self.steering)
                events = await stack.enter_async_context(contextlib.aclosing(running))
                async for event in events:
                    watchdog.moved()
                    match event:
                        case Step(title=title, detail=detail):
                            self._agents_step(title, detail)
                        case Text(delta=delta):
                            self._news.text(entries.clean(delta))
                            self._showing.set()
                        case Progress(done=done, total=total, unit=unit):
                            self._news.progress(done=done, total=total, unit=unit)
                            self._showing.set()
                        case Artifact(path=path):
                            if not await self._send(path):
                                return TOO_MANY_FILES
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
            return self._broken("TimeoutError")
        except errors.DispatchError as failure:
            # What is not permitted, or a file that can't be sent: the agent may not, or it is not there any more.
            return Ending(event=Event.FAIL, reason=failure.reason, text=_sentence(failure))
        except asyncio.CancelledError as failure:
            asked = asyncio.current_task()
            if asked is None or asked.cancelling():
                raise
            # Nobody asked for it: it is the agent's own, or of something that it waited for, and ends its task only.
            return self._broken(place_of(failure))
        except Exception as failure:
            return self._broken(place_of(failure))
        return self._broken("no result")

    def _agents_step(self, title: str, detail: str) -> None:
        """Tell of a step of the agent's own, as long as there are not too many."""
        self._steps += 1
        if self._steps < STEPS:
            self.step(entries.agents_title(title), entries.clean(detail))
        elif self._steps == STEPS:
            self.step("It does more than is told here", f"The first {STEPS - 1:,} steps are in the thread.")

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

    async def _send(self, path: Path) -> bool:
        """Tell the phone of a file, with its id, key and digest; once as it is. False when the task has sent too many.

        Raises FolderNotApproved, FileUnknown, TooLarge.
        """
        task = self.task
        stored = await asyncio.to_thread(
            self._artifacts.name,
            path,
            self.gate.folders,
            thread=task.thread,
            at_ms=self._floor.clock.wall_ms(),
        )
        sent = (path, stored.file.sha256)
        if sent not in self._sent and len(self._sent) >= FILES:
            return False
        if sent not in self._sent:
            self._sent.add(sent)
            # Before the event that names it: a phone may ask for it as soon as it hears of it.
            await self._floor.store(lambda tx: files.add(tx, stored))
            self.left.append(entries.artifact(task.task_id, stored.file))
            self._trace("artifact")
        await self.gate.note(f"folder {path.parent}", f"{path.name}: sent to the phone", AuditVerdict.ALLOWED)
        self._stepped.set()
        return True

    def _broken(self, where: str) -> Ending:
        _LOG.error("agent broke", task=self.task.task_id, pairing=self.task.pair_id, where=where)
        return BROKEN

    async def _write(self) -> None:
        """Write steps as they come; those that come while one write is under way share the next."""
        while True:
            await self._stepped.wait()
            self._stepped.clear()
            batch = list(self.left)
            if not batch:
                continue

            def write(tx: Tx, batch: Sequence[Entry] = batch) -> None:
                self._floor.scribe.tell(tx, self.task, batch)

            def told(writing: asyncio.Future[None], steps: int = len(batch)) -> None:
                # By the loop itself: whoever waits for it may be cut off in the very moment in which it is done.
                if not writing.cancelled() and writing.exception() is None:
                    del self.left[:steps]
                    self._written.set()

            writing = asyncio.ensure_future(self._floor.store(write))
            writing.add_done_callback(told)
            try:
                await asyncio.shield(writing)
            finally:
                # However long it takes: what is written next, the task's end as well, has its turn behind it.
                if not writing.done():
                    await asyncio.wait([writing])
            self._floor.wrote(self.task.thread)

    async def _show(self) -> None:
        """Show what goes by, not more often than the limit."""
        while True:
            await self._showing.wait()
            self._showing.clear()
            while (due_ms := self._news.due_ms()) is not None:
                await asyncio.sleep(max(0, due_ms - self._floor.clock.steady_ms()) / 1000)
                items = self._news.take(self._floor.clock.steady_ms())
                if items:
                    self._show_to(self.task.thread, items)


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
