"""The three clocks, as arguments. Nothing below the wiring reads time by itself.

Wall time is for people and never decides; steady time measures short waits; boot time also runs while the computer
sleeps, which the epoch clock of a session needs (docs/encryption.md).
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Protocol


class Clock(Protocol):
    """Tells time in ms."""

    def wall_ms(self) -> int:
        """Ms since 1970. May jump."""

    def steady_ms(self) -> int:
        """Ms on a clock that never jumps and may stand still during sleep."""

    def boot_ms(self) -> int:
        """Ms on a clock that never jumps and goes on during sleep, where the platform has one."""


# Linux has CLOCK_BOOTTIME; on macOS CLOCK_MONOTONIC goes on during sleep, which is what is wanted.
_BOOT = getattr(time, "CLOCK_BOOTTIME", getattr(time, "CLOCK_MONOTONIC", None))


@dataclass(frozen=True, slots=True)
class SystemClock:
    """The computer's own clocks."""

    def wall_ms(self) -> int:
        return time.time_ns() // 1_000_000

    def steady_ms(self) -> int:
        return time.monotonic_ns() // 1_000_000

    def boot_ms(self) -> int:
        return time.clock_gettime_ns(_BOOT) // 1_000_000 if _BOOT is not None else self.steady_ms()
