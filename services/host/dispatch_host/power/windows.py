"""Windows tells before and after sleep, and before shutdown and log-off. *Not run yet*: nothing that tests this is a Windows."""

from __future__ import annotations

import asyncio
import ctypes
import time
from typing import Any

from dispatch_host.power.sleep import FAREWELL_SECONDS, Heard, teller

GOODBYE_SECONDS = 4.5
"""How long a shutdown waits for the host to stop; Windows ends the process after five."""

_DEVICE_NOTIFY_CALLBACK = 2
# PBT_APMSUSPEND, and its two ways of waking.
_SUSPEND = 0x04
_RESUME = (0x07, 0x12)
_LOGOFF, _SHUTDOWN = 5, 6


class _Subscription(ctypes.Structure):
    _fields_ = (("callback", ctypes.c_void_p), ("context", ctypes.c_void_p))


class PowerWatch:
    """PowerRegisterSuspendResumeNotification and a console control handler; both call on threads of the system's."""

    async def watch(self, heard: Heard) -> None:
        loop = asyncio.get_running_loop()
        library: Any = getattr(ctypes, "WinDLL")  # noqa: B009 -- unknown to the type checker elsewhere
        function: Any = getattr(ctypes, "WINFUNCTYPE")  # noqa: B009 -- as above
        power, kernel = library("powrprof"), library("kernel32")
        tell = teller(loop)

        def slept_or_woke(_context: Any, kind: int, _setting: Any) -> int:
            if kind == _SUSPEND:
                tell(heard.falling_asleep)
                time.sleep(FAREWELL_SECONDS)
            elif kind in _RESUME:
                tell(heard.awake)
            return 0

        def console(kind: int) -> int:
            if kind not in (_LOGOFF, _SHUTDOWN):
                return 0
            tell(heard.shutting_down)
            time.sleep(GOODBYE_SECONDS)  # the process is ended when this returns
            return 1

        # Kept in variables: a callback that is collected while the system holds it ends the process.
        on_power = function(ctypes.c_ulong, ctypes.c_void_p, ctypes.c_ulong, ctypes.c_void_p)(slept_or_woke)
        on_console = function(ctypes.c_int, ctypes.c_ulong)(console)
        subscription = _Subscription(ctypes.cast(on_power, ctypes.c_void_p), None)
        handle = ctypes.c_void_p()
        power.PowerRegisterSuspendResumeNotification(
            _DEVICE_NOTIFY_CALLBACK, ctypes.byref(subscription), ctypes.byref(handle)
        )
        kernel.SetConsoleCtrlHandler(on_console, True)
        try:
            await asyncio.Event().wait()
        finally:
            kernel.SetConsoleCtrlHandler(on_console, False)
            power.PowerUnregisterSuspendResumeNotification(handle)


def unbiased_ms() -> int:
    """Give the ms that this computer was awake: Python's own steady clock goes on during sleep there."""
    ticks = ctypes.c_ulonglong()
    library: Any = getattr(ctypes, "WinDLL")  # noqa: B009 -- as above
    library("kernel32").QueryUnbiasedInterruptTime(ctypes.byref(ticks))
    return ticks.value // 10_000
