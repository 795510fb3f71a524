"""What is remembered of the attempts to call the people of pairings, whatever became of the calls that they were for. Pure.

Kept by `bell`, in memory: whoever looks, or lets calls come to nothing, is not called any sooner by that.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from dispatch.ids import PairId

from dispatch_relay.push import schedule
from dispatch_relay.push.schedule import LONGEST_ADVICE_MS, LONGEST_RETRY_MS, Pace


@dataclass(frozen=True, slots=True)
class Tried:
    """Of one pairing. Times are ms since 1970."""

    rung_ms: int = 0
    """When an attempt was the last for its calls: the person was called, or it was given up. 0 for never."""
    failures: int = 0
    """Attempts since then that came to nothing and may go better."""
    not_before_ms: int = 0
    """What the back-off, or a push service, asks for."""

    def over_ms(self, pace: Pace) -> int:
        """Say from when on nothing follows from it any more."""
        rested_ms = self.rung_ms + max(pace.news_gap_ms, pace.question_gap_ms)
        return max(rested_ms, self.not_before_ms + LONGEST_RETRY_MS if self.failures else 0)


class Attempts:
    """Those of all pairings."""

    def __init__(self, *, pace: Pace, jitter: Callable[[float, float], float]) -> None:
        self._pace = pace
        self._jitter = jitter
        self._tried: dict[PairId, Tried] = {}  # the one that was tried last is last

    def rung_ms(self, pair_id: PairId) -> int:
        """Say when the person was called last; 0 for never."""
        return self._of(pair_id).rung_ms

    def not_before_ms(self, pair_id: PairId, *, now_ms: int) -> int:
        """Say before when nothing is tried; 0 for no such time."""
        asked = self._of(pair_id).not_before_ms
        # No wait is longer: the clock was set back, and what it said is worth nothing.
        return asked if asked <= now_ms + LONGEST_ADVICE_MS else 0

    def take_up(self, pair_id: PairId, *, failures: int, not_before_ms: int) -> None:
        """Hear what the relay before this one tried."""
        was = self._of(pair_id)
        self._tried[pair_id] = replace(
            was, failures=max(was.failures, failures), not_before_ms=max(was.not_before_ms, not_before_ms)
        )

    def ended(self, pair_id: PairId, *, now_ms: int) -> None:
        """Note an attempt that is the last for its calls."""
        self._keep(pair_id, Tried(rung_ms=now_ms), now_ms=now_ms)

    def failed(self, pair_id: PairId, *, now_ms: int, advised_ms: int) -> Tried:
        """Note an attempt that came to nothing; gives how many did, and when to try again."""
        was = self._of(pair_id)
        failures = was.failures + 1
        wait_ms = schedule.retry_ms(failures, advised_ms=advised_ms, pace=self._pace, jitter=self._jitter)
        tried = replace(was, failures=failures, not_before_ms=now_ms + wait_ms)
        self._keep(pair_id, tried, now_ms=now_ms)
        return tried

    def forget(self, pair_id: PairId) -> None:
        """Hear that the pairing is over."""
        self._tried.pop(pair_id, None)

    def _of(self, pair_id: PairId) -> Tried:
        return self._tried.get(pair_id, Tried())

    def _keep(self, pair_id: PairId, tried: Tried, *, now_ms: int) -> None:
        self._tried.pop(pair_id, None)
        self._tried[pair_id] = tried
        while (oldest := next(iter(self._tried))) != pair_id and self._tried[oldest].over_ms(self._pace) < now_ms:
            del self._tried[oldest]
