"""When to try again. Pure: randomness and time are arguments."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

FIRST_MS = (100, 500)
"""The first wait is drawn from here, so that a restarted relay does not meet all its devices at once."""
EARLY_MAX_MS = 5_000
EARLY_MS = 60_000
LATE_MS = 30_000
LONGEST_ADVISED_MS = 10 * 60_000
"""No server's word keeps a device away for longer: it may be wrong, and there may be others."""
JITTER = 0.2


@dataclass(slots=True)
class Backoff:
    """Waits of one device since its stream broke: doubling to 5 s in the first minute, then 30 s, with jitter."""

    rng: random.Random
    _broken_at_ms: int | None = field(default=None, init=False)
    _last_ms: float = field(default=0.0, init=False)

    def opened(self) -> None:
        """Forget the past: the stream is open."""
        self._broken_at_ms = None
        self._last_ms = 0.0

    def next_ms(self, now_ms: int, *, advised_ms: int = 0) -> int:
        """Give the next wait. `advised_ms` is the server's word, which is not undercut."""
        if self._broken_at_ms is None:
            self._broken_at_ms = now_ms
        if now_ms - self._broken_at_ms > EARLY_MS:
            wait: float = LATE_MS
        elif self._last_ms:
            wait = min(self._last_ms * 2, EARLY_MAX_MS)
        else:
            wait = self.rng.uniform(*FIRST_MS)
        self._last_ms = wait
        wait *= self.rng.uniform(1 - JITTER, 1 + JITTER)
        return max(round(wait), min(advised_ms, LONGEST_ADVISED_MS))
