"""What the parts of a room share: who is there, how both ends are, the newest rows, and the way to the log.

Holds state and says it; decides nothing. `room`, `watch`, `commands` and `keeping` work on one of these, on the event loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from dispatch import errors
from dispatch.channel import COMPANY_SECONDS
from dispatch.clock import Clock
from dispatch.ids import PairId, TaskId, short
from dispatch.runtime.logs import get_logger
from dispatch.tracing import UNTOLD, Traces

from dispatch_relay import frames
from dispatch_relay.beside import Spawn
from dispatch_relay.log import Done, Failed, Log, Op, Row, RowKind, Then, Thread
from dispatch_relay.metrics import Metrics
from dispatch_relay.presence import End, Presence
from dispatch_relay.push import Push
from dispatch_relay.settings import Settings
from dispatch_relay.stream import Stream
from dispatch_relay.tail import Tail

_log = get_logger()

RETRY_STORE_MS = 500
"""After how long a write that failed is tried again."""


@dataclass(frozen=True, slots=True)
class Tools:
    """What every room works with."""

    log: Log
    clock: Clock
    settings: Settings
    metrics: Metrics
    push: Push
    spawn: Spawn
    report: Callable[[], None]  # the log has a report more
    traces: Traces = UNTOLD


class Place:
    """The state of a pairing in memory."""

    def __init__(
        self,
        pair_id: PairId,
        thread: Thread,
        tools: Tools,
        *,
        moved: Callable[[], None],
        lost: Callable[[], None],
    ) -> None:
        # Fixed after __init__.
        self.pair_id = pair_id
        self.tools = tools
        self.moved = moved  # called when the log has told something, and when it is asked nothing more
        self._lost = lost  # called when it has told that the seat is another's
        # Written by room.
        self.streams: dict[End, Stream] = {}
        self.over: errors.DispatchError | None = None  # the pairing has ended: why posts are refused
        # The room is not ours any more: nothing is written, and what the log still tells is not ours to follow.
        self.lost = False
        # Written by watch.
        self.presence = {end: thread.presence.get(end, Presence()) for end in End}
        # Written by commands and keeping.
        self.open_tasks: dict[TaskId, int] = dict(thread.open_tasks)  # since when
        # Written here.
        self.tail = Tail(head_seq=thread.head_seq, limit_bytes=tools.settings.batch_bytes)
        self.oldest_seq = thread.oldest_seq
        self.submitted = 0  # ops that the log has not told of yet
        self._held: list[tuple[Op, Then]] = []  # that go with the next, or in a moment
        self._company: asyncio.TimerHandle | None = None
        self._move_due = False  # `moved` is about to be called

    def now(self) -> int:
        """Ms on the steady clock: for every wait."""
        return self.tools.clock.steady_ms()

    def wall(self) -> int:
        """Ms since 1970: for what is stored and shown."""
        return self.tools.clock.wall_ms()

    def forget_tasks(self, before_ms: int) -> None:
        """Forget the open tasks that the log has forgotten for their age."""
        for task_id in [known for known, at_ms in self.open_tasks.items() if at_ms < before_ms]:
            del self.open_tasks[task_id]

    def submit(self, op: Op, then: Callable[[Done | Failed], None]) -> None:
        """Write an op; `then` hears what came of it. Does nothing when the seat is not ours any more."""
        if self.lost:
            return
        self.submitted += 1
        self.write_held()
        self.tools.log.submit(op, partial(self._told, then))

    def submit_with_the_next(self, op: Op, then: Callable[[Done | Failed], None]) -> None:
        """Write an op that can wait for the next of this pairing: with that, or in a moment. In order all the same."""
        if self.lost:
            return
        self.submitted += 1
        self._held.append((op, partial(self._told, then)))
        if self._company is None:
            self._company = asyncio.get_running_loop().call_later(COMPANY_SECONDS, self.write_held)

    def write_held(self) -> None:
        """Write what was held for the next."""
        if self._company is not None:
            self._company.cancel()
            self._company = None
        held, self._held = self._held, []
        for op, then in held if not self.lost else ():
            self.tools.log.submit(op, then)

    def _told(self, then: Callable[[Done | Failed], None], result: Done | Failed) -> None:
        self.submitted -= 1
        if self.lost:
            return
        if isinstance(result, Failed):
            if result.seat_lost:
                self._lost()
                return
            self.tools.metrics.store_failures.inc()
            _log.error("store failed", why=result.why, pairing=short(self.pair_id))
        elif result.to_report:
            self.tools.report()
        then(result)
        if not self._move_due:
            # Once for all that one commit has told.
            self._move_due = True
            asyncio.get_running_loop().call_soon(self._move)

    def _move(self) -> None:
        self._move_due = False
        self.moved()

    async def rows(self, after_seq: int) -> Sequence[Row]:
        """Read rows that are no longer in memory. Raises errors.StoreFailed."""
        limit = self.tools.settings.batch_bytes
        return await self.tools.log.rows(self.pair_id, after_seq=after_seq, limit_bytes=limit)

    def publish(self, row: Row) -> None:
        """Let a row that has just been committed go to both ends."""
        if self.streams:
            self.tail.release(min(stream.cursor for stream in self.streams.values()))
        self.tail.add(row)
        self.oldest_seq = self.oldest_seq or row.seq
        for stream in self.streams.values():
            # The receipt of what was kept goes with what comes next: nobody waits for it, as a person does for a verdict.
            stream.news(hurried=row.kind is not RowKind.KEEP or stream.end is not row.kind.author)

    def answer_again(self, row: Row, stream: Stream) -> None:
        """Give the answer of a row once more. Behind the cursor it comes by itself; now it would be out of order."""
        if row.seq <= stream.cursor:
            stream.say(frames.row(row, to=stream.end))

    def refuse_at_the_door(self, stream: Stream, message_id: bytes, no: errors.DispatchError) -> None:
        """Refuse what is not stored."""
        self.tools.metrics.refused(no.reason)
        stream.say(frames.refusal(message_id, no.reason, retry_after_ms=no.retry_after_ms, detail=no.detail))


def nothing(_result: Done | Failed) -> None:
    """Follow up an op of which nobody waits to hear."""
