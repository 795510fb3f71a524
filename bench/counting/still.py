"""A clock that is moved by hand, and an event loop that goes by it and never waits: what runs on them runs the same each time.

Of itself only a moment passes, when nobody has anything else to do: that for which frames and writes wait for company. Nothing
outside the process has a part in what the loop does, so that instructions can be counted. Used by `small_relay`.
"""

from __future__ import annotations

import asyncio
import math
import selectors
from dataclasses import dataclass

from dispatch.channel import COMPANY_SECONDS

BEGIN_MS = 1_700_000_000_000
"""When a count begins, ms since 1970."""

_ROUNDING_SECONDS = 1e-6
"""By how much a sum of seconds may be off."""


class Stuck(RuntimeError):
    """Nobody has anything left to do, and somebody still waits."""


@dataclass(slots=True)
class StillClock:
    """All three clocks, which stand still until `pass_` is called."""

    now_ms: int = BEGIN_MS

    def wall_ms(self) -> int:
        return self.now_ms

    def steady_ms(self) -> int:
        return self.now_ms

    def boot_ms(self) -> int:
        return self.now_ms

    def pass_(self, ms: int) -> None:
        """Let time pass."""
        self.now_ms += ms


class _Nobody(selectors.DefaultSelector):
    """Hears of nothing: no socket is open but the loop's own."""

    def __init__(self, clock: StillClock) -> None:
        super().__init__()
        self._clock = clock

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None or timeout > COMPANY_SECONDS + _ROUNDING_SECONDS:
            raise Stuck
        if timeout > 0:
            self._clock.pass_(math.ceil((timeout - _ROUNDING_SECONDS) * 1_000))
        return []


class StillLoop(asyncio.SelectorEventLoop):
    """Runs what is ready. Raises Stuck where another loop would wait."""

    def __init__(self, clock: StillClock) -> None:
        super().__init__(_Nobody(clock))
        self._clock_by_hand = clock

    def time(self) -> float:
        # From its beginning on: in seconds since 1970 what is due now and what is due in a nanosecond would be the same number.
        return (self._clock_by_hand.now_ms - BEGIN_MS) / 1_000
