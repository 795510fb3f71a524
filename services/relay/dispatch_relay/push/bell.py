"""Calls people: what waits for its time, goes together, is tried again, and what has become of it. The driver behind the seam.

One task for each pairing of which a call waits. When to call says `schedule`, what an answer means `answers`; who carries a
message is a `Transport`. A call whose waiting is cancelled is still owed, and the next relay takes it up. docs/push.md "When".
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field, replace
from typing import Protocol

from dispatch import errors
from dispatch.clock import Clock
from dispatch.ids import PairId, short
from dispatch.runtime.logs import get_logger

from dispatch_relay.beside import Spawn
from dispatch_relay.log import CallLater, Done, DropTarget, Failed, Log
from dispatch_relay.metrics import Metrics
from dispatch_relay.push import OwedCall, PushOutcome, schedule
from dispatch_relay.push.answers import Answer, Result
from dispatch_relay.push.attempts import Attempts
from dispatch_relay.push.schedule import Pace
from dispatch_relay.push.target import Target
from dispatch_relay.push.words import Message

_log = get_logger()

MOST_WAITING = 100
"""Calls of one pairing that wait. What is more says nothing that these do not say."""
_LONGEST_WAIT_SECONDS = 600.0
"""Looked at again at the latest after this: a clock may have been set meanwhile."""


class Transport(Protocol):
    """A way to a person."""

    @property
    def name(self) -> str:
        """The word of `metrics.TRANSPORTS`."""

    def leads_to(self, pair_id: PairId, target: Target) -> bool:
        """Tell whether it can call the person of this pairing."""

    def place(self, target: Target) -> AbstractAsyncContextManager[object]:
        """Wait until there is room for an attempt, and hold it."""

    async def send(self, message: Message, target: Target) -> Answer:
        """Try once, in a place. What it raises counts as refused."""

    async def close(self) -> None:
        """Let go of what it holds."""


@dataclass(eq=False)
class _Waiting:
    """The calls of one pairing that wait. Touched on the loop only."""

    calls: list[_Call] = field(default_factory=list)
    news: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass(eq=False)
class _Call:
    owed: OwedCall
    came_ms: int
    became: asyncio.Future[PushOutcome]

    def settle(self, outcome: PushOutcome) -> None:
        if not self.became.done():
            self.became.set_result(outcome)


class Bell:
    """A `Push` with transports, of which the first that takes a message is enough."""

    takes_targets = True

    def __init__(
        self,
        transports: Sequence[Transport],
        *,
        key: bytes,
        log: Log,
        clock: Clock,
        pace: Pace,
        metrics: Metrics,
        spawn: Spawn,
        jitter: Callable[[float, float], float],
    ) -> None:
        # Fixed after __init__.
        self.key = key
        self._transports = transports
        self._log = log
        self._clock = clock
        self._pace = pace
        self._metrics = metrics
        self._spawn = spawn
        # Touched on the loop only.
        self._attempts = Attempts(pace=pace, jitter=jitter)
        self._waiting: dict[PairId, _Waiting] = {}
        self._ringing: set[asyncio.Future[None]] = set()
        self._shut = False

    async def call(self, pair_id: PairId, owed: OwedCall) -> PushOutcome:
        # Nothing is waited for until it is in the line: a call that came later would be there before it, and go without it.
        waiting = self._waiting.get(pair_id)
        if waiting is not None and len(waiting.calls) >= MOST_WAITING:
            return PushOutcome.SUPPRESSED_FLOOD
        call = _Call(owed, self._clock.wall_ms(), asyncio.get_running_loop().create_future())
        if self._shut:
            call.became.cancel()
        elif waiting is None:
            waiting = self._waiting[pair_id] = _Waiting([call])
            self._spawn(self._ring(pair_id, waiting))
        else:
            waiting.calls.append(call)
            waiting.news.set()
        if owed.attempts:  # by the relay before this one
            self._attempts.take_up(pair_id, failures=owed.attempts, not_before_ms=owed.due_ms)
        self._metrics.push_waiting.inc()
        try:
            return await call.became
        finally:
            self._metrics.push_waiting.dec()
            if waiting is not None and call in waiting.calls:
                waiting.calls.remove(call)

    def looked(self, pair_id: PairId) -> None:
        self._settle_all(pair_id, PushOutcome.SUPPRESSED_LOOKING)

    def changed(self, pair_id: PairId) -> None:
        if (waiting := self._waiting.get(pair_id)) is not None:
            waiting.news.set()

    def forget(self, pair_id: PairId) -> None:
        self._settle_all(pair_id, PushOutcome.NO_TARGET)
        self._attempts.forget(pair_id)

    async def shut(self, *, within_seconds: float) -> None:
        """Begin no push any more, and wait for those under way: what waits stays owed, and is the next relay's."""
        self._shut = True
        for waiting in self._waiting.values():
            waiting.news.set()
        if self._ringing:
            await asyncio.wait(self._ringing, timeout=within_seconds)

    async def close(self) -> None:
        """Let go of what the transports hold."""
        for way in self._transports:
            await way.close()

    def _settle_all(self, pair_id: PairId, outcome: PushOutcome) -> None:
        if (waiting := self._waiting.get(pair_id)) is not None:
            for call in waiting.calls:
                call.settle(outcome)
            waiting.calls.clear()
            waiting.news.set()

    def _ways(self, pair_id: PairId, target: Target) -> list[Transport]:
        return [way for way in self._transports if way.leads_to(pair_id, target)]

    # ---- one task for each pairing with a call that waits

    async def _ring(self, pair_id: PairId, waiting: _Waiting) -> None:
        ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._ringing.add(ended)
        try:
            while waiting.calls and not self._shut:
                waiting.news.clear()
                try:
                    target = await self._log.target(pair_id)
                except errors.StoreFailed:
                    # Where to call is not known, nor whether it is night.
                    await _until(waiting.news, self._pace.retry_ms / 1_000)
                    continue
                if target is None or not self._ways(pair_id, target):
                    self._settle(waiting, list(waiting.calls), PushOutcome.NO_TARGET)
                    continue
                now = self._clock.wall_ms()
                due = {call: self._due_ms(pair_id, call, target, now_ms=now) for call in waiting.calls}
                ready = [call for call, due_ms in due.items() if due_ms <= now]
                if not due or self._shut:
                    continue
                if not ready:
                    self._hold(due, now_ms=now)
                    await _until(waiting.news, (min(due.values()) - now) / 1_000)
                    continue
                if any(schedule.is_question(call.owed) for call in ready):
                    # What only waits for more to come goes along; what quiet hours hold does not.
                    ready = [call for call in due if not schedule.held(call.owed, target.quiet, now_ms=now)]
                await self._push(pair_id, waiting, ready, target)
        finally:
            if self._waiting.get(pair_id) is waiting:
                del self._waiting[pair_id]
            for call in waiting.calls:
                call.became.cancel()
            self._ringing.discard(ended)
            ended.set_result(None)

    def _due_ms(self, pair_id: PairId, call: _Call, target: Target, *, now_ms: int) -> int:
        due = schedule.due_ms(
            call.owed,
            came_ms=call.came_ms,
            rung_ms=self._attempts.rung_ms(pair_id),
            quiet=target.quiet,
            pace=self._pace,
            now_ms=now_ms,
        )
        return max(due, self._attempts.not_before_ms(pair_id, now_ms=now_ms))

    def _hold(self, due: dict[_Call, int], *, now_ms: int) -> None:
        """Have the store know of calls that wait for long: it was decided to call, whatever the phone acknowledges meanwhile."""
        for call, due_ms in due.items():
            if due_ms - now_ms > self._pace.news_gap_ms and due_ms > call.owed.due_ms:
                self._put_off(call, attempts=call.owed.attempts, due_ms=due_ms)

    def _put_off(self, call: _Call, *, attempts: int, due_ms: int) -> None:
        call.owed = replace(call.owed, attempts=attempts, due_ms=due_ms)
        if call.owed.number:
            self._log.submit(CallLater(call.owed.number, attempts, due_ms), _heard)

    async def _push(self, pair_id: PairId, waiting: _Waiting, ready: Sequence[_Call], target: Target) -> None:
        answers: list[Answer] = []
        for way in self._ways(pair_id, target):
            async with way.place(target):
                ready = [call for call in ready if call in waiting.calls]
                if not ready or self._shut or not (answers or await self._still(pair_id, target)):
                    break  # they look, or it is to be asked anew where to call
                answer = await self._try(way, Message(pair_id, [call.owed for call in ready]), target)
            self._metrics.push_tried(way.name, answer.result)
            _log.info("push tried", transport=way.name, result=answer.result.value, pairing=short(pair_id))
            answers.append(answer)
            if answer.result is Result.SENT:
                break
        if any(answer.result is Result.GONE for answer in answers):
            self._log.submit(DropTarget(pair_id, target.endpoint), _heard)
        now = self._clock.wall_ms()
        if not answers:
            return
        if any(answer.result is Result.SENT for answer in answers):
            self._attempts.ended(pair_id, now_ms=now)
            self._settle(waiting, ready, PushOutcome.SENT)
        elif not any(answer.result.passing for answer in answers):
            self._attempts.ended(pair_id, now_ms=now)
            self._settle(waiting, ready, PushOutcome.FAILED)
        else:
            advised_ms = max(answer.retry_after_ms for answer in answers)
            tried = self._attempts.failed(pair_id, now_ms=now, advised_ms=advised_ms)
            worth = [call for call in ready if not schedule.over(call.owed, at_ms=tried.not_before_ms)]
            self._settle(waiting, [call for call in ready if call not in worth], PushOutcome.FAILED)
            for call in worth:
                self._put_off(call, attempts=tried.failures, due_ms=tried.not_before_ms)

    async def _still(self, pair_id: PairId, target: Target) -> bool:
        """Tell whether the person is to be called there still: there may have been no place for long."""
        try:
            return await self._log.target(pair_id) == target
        except errors.StoreFailed:
            return False

    async def _try(self, way: Transport, message: Message, target: Target) -> Answer:
        try:
            return await way.send(message, target)
        except Exception:
            # Whatever it is, other people are called, and the relay goes on. Without its text, which may name the endpoint.
            _log.error("push broke", transport=way.name, pairing=short(message.pair_id))
            return Answer(Result.REFUSED)

    def _settle(self, waiting: _Waiting, calls: Sequence[_Call], outcome: PushOutcome) -> None:
        for call in calls:
            call.settle(outcome)
            if call in waiting.calls:
                waiting.calls.remove(call)


async def _until(news: asyncio.Event, seconds: float) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(min(seconds, _LONGEST_WAIT_SECONDS)):
            await news.wait()


def _heard(_result: Done | Failed) -> None:
    """Go on whatever came of it: unstored, a call is tried again sooner than it should be."""
