"""macOS tells before and after sleep through IOKit. *Not run yet*: nothing that tests this project is a Mac.

Shutdown and log-out need no watch there: the process gets SIGTERM, and time to say goodbye.
"""

from __future__ import annotations

import asyncio
import ctypes
import threading
import time
from typing import Any

from dispatch_host.power.sleep import FAREWELL_SECONDS, Heard, Tell, teller

_LOOK_SECONDS = 0.25

# <IOKit/IOMessage.h>
_CAN_SLEEP = 0xE0000270
_WILL_SLEEP = 0xE0000280
_POWERED_ON = 0xE0000300

_CALLBACK = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_uint32, ctypes.c_uint32, ctypes.c_void_p)


class PowerWatch:
    """IORegisterForSystemPower, listened to on a thread with a run loop of its own."""

    async def watch(self, heard: Heard) -> None:
        loop, stop = asyncio.get_running_loop(), threading.Event()
        listening = loop.run_in_executor(None, _listen, heard, teller(loop), stop)
        try:
            await asyncio.shield(listening)
        finally:
            stop.set()


def _listen(heard: Heard, tell: Tell, stop: threading.Event) -> None:
    kit = ctypes.CDLL("/System/Library/Frameworks/IOKit.framework/IOKit")
    core = ctypes.CDLL("/System/Library/Frameworks/CoreFoundation.framework/CoreFoundation")
    kit.IORegisterForSystemPower.restype = ctypes.c_uint32
    kit.IOAllowPowerChange.argtypes = [ctypes.c_uint32, ctypes.c_ssize_t]
    for function in (kit.IONotificationPortGetRunLoopSource, core.CFRunLoopGetCurrent):
        function.restype = ctypes.c_void_p
    kit.IONotificationPortGetRunLoopSource.argtypes = [ctypes.c_void_p]
    core.CFRunLoopAddSource.argtypes = [ctypes.c_void_p] * 3
    core.CFRunLoopRunInMode.argtypes = [ctypes.c_void_p, ctypes.c_double, ctypes.c_bool]
    mode = ctypes.c_void_p.in_dll(core, "kCFRunLoopDefaultMode")
    port, notifier, root = ctypes.c_void_p(), ctypes.c_uint32(), ctypes.c_uint32()

    def happened(_reference: Any, _service: int, message: int, argument: Any) -> None:
        if message == _POWERED_ON:
            tell(heard.awake)
            return
        if message == _WILL_SLEEP:
            tell(heard.falling_asleep)
            time.sleep(FAREWELL_SECONDS)
        if message in (_CAN_SLEEP, _WILL_SLEEP):
            # Unanswered, macOS waits for 30 s and then sleeps all the same.
            kit.IOAllowPowerChange(root.value, argument or 0)

    callback = _CALLBACK(happened)  # kept: collected while the system holds it, it would end the process
    root.value = kit.IORegisterForSystemPower(None, ctypes.byref(port), callback, ctypes.byref(notifier))
    if not root.value:
        return
    core.CFRunLoopAddSource(core.CFRunLoopGetCurrent(), kit.IONotificationPortGetRunLoopSource(port), mode)
    while not stop.is_set():
        core.CFRunLoopRunInMode(mode, _LOOK_SECONDS, False)
    kit.IODeregisterForSystemPower(ctypes.byref(notifier))
