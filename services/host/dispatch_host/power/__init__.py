"""Sleep: told of before and after it, kept off while the computer is needed. Chosen by platform here, used by the app.

`sleep` says what there is to hear and measures what nobody told; `awake` keeps the computer awake and says whether it is.
`logind`, `desktop`, `macos` and `windows` are the systems that tell, or that are asked.
"""

from __future__ import annotations

import sys
from collections.abc import Callable

from dispatch.clock import Clock

from dispatch_host.power.awake import Means
from dispatch_host.power.sleep import SleepWatch


def best_sleep_watch() -> SleepWatch:
    """Choose what this system has."""
    # What another system has is not loaded: its libraries are not here.
    if sys.platform == "darwin":
        from dispatch_host.power.macos import PowerWatch as MacWatch  # noqa: PLC0415 -- as above

        return MacWatch()
    if sys.platform == "win32":
        from dispatch_host.power.windows import PowerWatch as WindowsWatch  # noqa: PLC0415 -- as above

        return WindowsWatch()
    from dispatch_host.power.logind import LogindWatch  # noqa: PLC0415 -- as above

    return LogindWatch()


def best_means() -> tuple[Means, ...]:
    """Give the ways to keep this computer awake, the first to be tried first."""
    from dispatch_host.power.desktop import Desktop  # noqa: PLC0415 -- only `run` keeps awake

    if sys.platform != "linux":
        return (Desktop(),)
    from dispatch_host.power.logind import Logind  # noqa: PLC0415 -- as above

    return Desktop(), Logind()


def awake_time(clock: Clock) -> Callable[[], int]:
    """Give the clock, in ms, that stands still while this computer sleeps."""
    if sys.platform == "win32":
        from dispatch_host.power.windows import unbiased_ms  # noqa: PLC0415 -- as above

        return unbiased_ms
    return clock.steady_ms
