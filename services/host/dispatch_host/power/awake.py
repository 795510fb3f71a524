"""Keeps the computer awake when its owner wants that, and knows whether it really is: held by what, or not because of what.

What keeps awake is a *lock* that some system gives (`Means`): it is asked for, looked after, and asked for again when it was
lost. Called by the app; told by the runner whether a task runs, and by the operations what the owner wants.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Protocol

from dispatch.api.error.v1.error_pb2 import Reason
from dispatch.runtime.logs import get_logger

CHECK_SECONDS = 5.0
"""How often a lock is looked after. A lost one is asked for again at once, then as often as one that was never given."""
RETRY_SECONDS = 30.0

_LOG = get_logger()


class Mode(StrEnum):
    """When the computer is to be kept awake."""

    ON = "on"
    OFF = "off"
    WHILE_RUNNING = "while-running"


DEFAULT = Mode.WHILE_RUNNING
"""Nobody's battery is spent unasked, and no task is cut short by a sleep that it could have held off."""


class NotGiven(Exception):
    """A system gives no lock. `reason` is KEEP_AWAKE_DENIED or KEEP_AWAKE_UNAVAILABLE; the words are for engineers."""

    def __init__(self, reason: Reason.ValueType, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason


class Lock(Protocol):
    """What keeps the computer awake for as long as it is held; a process that ends lets go of it."""

    @property
    def by(self) -> str:
        """Whose it is, for people: "logind"."""

    def is_held(self) -> bool:
        """Tell whether the system still knows of it."""

    def release(self) -> None:
        """Let go of it. Never fails: one that was lost is gone anyway."""


class Means(Protocol):
    """A system that may give a lock. Called on one thread of its own, always the same: it may block."""

    def take(self) -> Lock:
        """Ask for a lock. Raises NotGiven."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Awake:
    """How it stands. Not held and no reason: it will be held while a task runs."""

    mode: Mode
    held_by: str = ""
    reason: Reason.ValueType = Reason.REASON_UNSPECIFIED
    detail: str = ""


class KeepAwake:
    """The switch, and the one lock behind it."""

    def __init__(
        self,
        means: Sequence[Means],
        *,
        mode: Mode,
        changed: Callable[[Awake], None],
        failed: Callable[[], None] = lambda: None,
        check_seconds: float = CHECK_SECONDS,
        retry_seconds: float = RETRY_SECONDS,
    ) -> None:
        """Start with this mode. `failed` is told of each failure that no system should show; it may be called on any thread."""
        # Fixed after __init__.
        self._changed = changed
        self._check_seconds = check_seconds
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="keep-awake")
        self._hand = _Hand(means, retry_seconds=retry_seconds, failed=failed)
        # Touched on the loop.
        self._mode = mode
        self._busy = False
        self._one_at_a_time = asyncio.Lock()
        self._news = asyncio.Event()
        self.now = Awake(mode=mode)

    def busy(self, busy: bool) -> None:
        """Hear whether a task runs."""
        if busy != self._busy:
            self._busy = busy
            self._news.set()

    async def choose(self, mode: Mode) -> Awake:
        """Do as the owner wants from now on; gives what became of it."""
        self._mode = mode
        await self._settle(ask=True)
        return self.now

    async def run(self) -> None:
        """Hold what is to be held, until cancelled."""
        try:
            while True:
                self._news.clear()
                await self._settle(ask=False)
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(self._check_seconds):
                        await self._news.wait()
        finally:
            self._thread.submit(self._hand.let_go)
            self._thread.shutdown(wait=False)

    async def _settle(self, *, ask: bool) -> None:
        """Bring the lock in line with what is wanted. `ask` is for a person who waits: a system is asked again at once."""
        loop = asyncio.get_running_loop()
        async with self._one_at_a_time:
            settling = (self._mode, self._busy, ask, loop.time())
            before, self.now = self.now, await loop.run_in_executor(self._thread, self._hand.settle, *settling)
            if replace(self.now, detail="") != replace(before, detail=""):
                _LOG.info("keep awake", mode=self.now.mode.value, held_by=self.now.held_by, detail=self.now.detail)
                self._changed(self.now)


class _Hand:
    """What holds the lock. Every method runs on the one thread that may block, and nothing else touches the fields.

    The systems behind it are libraries, buses and other people's programs: whatever they raise, the host goes on.
    """

    def __init__(self, means: Sequence[Means], *, retry_seconds: float, failed: Callable[[], None]) -> None:
        self._means = means
        self._failed = failed
        self._retry_seconds = retry_seconds
        self._lock: Lock | None = None
        self._was_given = False  # whether the last asking was answered with a lock
        self._refusal: NotGiven | None = None  # the last answer, if it was a no
        self._refused_at = 0.0

    def settle(self, mode: Mode, busy: bool, ask: bool, now: float) -> Awake:
        wanted = mode is Mode.ON or (mode is Mode.WHILE_RUNNING and busy)
        if self._lock is not None and not self._is_held(self._lock):
            _LOG.warning("keep awake: the lock was lost", by=self._lock.by)
            self.let_go()
        if not wanted:
            self.let_go()
        # Before a task needs it, it is tried once, so that the owner and the phone are warned in time.
        lacking = self._lock is None and (wanted or (mode is Mode.WHILE_RUNNING and not self._was_given))
        if lacking and (ask or self._refusal is None or now - self._refused_at >= self._retry_seconds):
            self._take(now)
            if not wanted:
                self.let_go()
        return self._awake(mode)

    def let_go(self) -> None:
        lock, self._lock = self._lock, None
        if lock is not None:
            with contextlib.suppress(Exception):  # then it was lost anyway
                lock.release()

    def _is_held(self, lock: Lock) -> bool:
        try:
            return lock.is_held()
        except Exception as failure:
            self._broke(failure)
            return False

    def _broke(self, failure: Exception) -> None:
        self._failed()
        _LOG.error("keep awake: a system broke", cause=type(failure).__name__, detail=str(failure))

    def _take(self, now: float) -> None:
        """Ask one system after the other. A plain no says more than "not here", so it is the one that is remembered."""
        refusals: list[NotGiven] = []
        for means in self._means:
            try:
                self._lock = means.take()
            except NotGiven as refusal:
                refusals.append(refusal)
            except Exception as failure:
                self._broke(failure)
                what = f"{type(means).__name__} broke ({type(failure).__name__})"
                refusals.append(NotGiven(Reason.REASON_KEEP_AWAKE_UNAVAILABLE, what))
            else:
                self._was_given, self._refusal = True, None
                return
        denied = [one for one in refusals if one.reason == Reason.REASON_KEEP_AWAKE_DENIED]
        nowhere = NotGiven(Reason.REASON_KEEP_AWAKE_UNAVAILABLE, "; ".join(map(str, refusals)))
        self._was_given, self._refusal, self._refused_at = False, next(iter(denied), nowhere), now

    def _awake(self, mode: Mode) -> Awake:
        if mode is Mode.OFF:
            return Awake(mode=mode, reason=Reason.REASON_KEEP_AWAKE_OFF)
        if self._lock is not None:
            return Awake(mode=mode, held_by=self._lock.by)
        if self._refusal is None:
            return Awake(mode=mode)
        return Awake(mode=mode, reason=self._refusal.reason, detail=str(self._refusal))
