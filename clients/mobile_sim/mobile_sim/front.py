"""What stands between a command and the phone: has it carried out, shows the events, and says what Ctrl-C leaves behind."""

from __future__ import annotations

import asyncio
import logging
import os
import time
from typing import Any

from dispatch import errors
from dispatch.cli import Console, Exit
from dispatch.clock import SystemClock
from dispatch.device.home import Home

from mobile_sim.keyboard import answer
from mobile_sim.owner import carry_out
from mobile_sim.screen import Screen

Request = dict[str, Any]
Event = dict[str, Any]

# The state that an event leaves a task in, where the two have different names.
_STATES = {"started": "running", "step": "running", "text": "running", "back": "running"}
_GOES_ON = "You stopped watching; the computer goes on with it."
_NOT_THERE_YET = (
    "You stopped watching before the computer had answered. Look at the thread, or send again with the same id."
)
_NOT_SENT = "You stopped before anything was sent. It will not be sent later."


class Front:
    """One command in front of one person or program."""

    def __init__(self, console: Console, *, terminal: bool, plaintext: bool, way: str) -> None:
        self._plaintext = plaintext
        self._way = way
        self._screen = Screen(console, terminal=terminal and not console.as_json)
        self._last: Event = {}
        self.said = False

    def say(self, event: Event) -> None:
        """Show an event."""
        self.said = True
        if "task_id" in event:
            self._last = event
        self._screen.say(event)

    def run(self, home: Home, request: Request) -> int:
        """Have a request carried out. Gives the exit code; raises DispatchError."""
        logging.getLogger().addHandler(logging.NullHandler())
        try:
            return asyncio.run(self._carry_out(home, request))
        except KeyboardInterrupt:
            if request["do"] == "send":
                self._say_left(request)
            return Exit.INTERRUPTED
        finally:
            self._screen.clear()

    async def _carry_out(self, home: Home, request: Request) -> int:
        def open_desk() -> Any:
            from mobile_sim.desk import opened_desk  # noqa: PLC0415 -- grpc and the seal: only the owner needs them
            from mobile_sim.direct import Way  # noqa: PLC0415 -- as above

            return opened_desk(home, clock=SystemClock(), rng=os.urandom, plaintext=self._plaintext, way=Way(self._way))

        return await carry_out(home, request, open_desk=open_desk, say=self.say, hear=answer)

    def _say_left(self, request: Request) -> None:
        """Say what becomes of a task that nobody watches any more."""
        word = str(self._last.get("event", "not_sent"))
        state = _STATES.get(word, word)
        words = {"not_sent": _NOT_SENT}.get(state, _GOES_ON)
        if state in ("sent", "handed_over", "unconfirmed"):
            words = _NOT_THERE_YET
        event: Event = {"event": state, "state": state, "task_id": self._last.get("task_id", request.get("id"))}
        event |= {"host": self._last.get("host"), "at": time.time_ns() // 1_000_000, "text": words}
        if state == "not_sent":
            event |= {"reason": "NO_NETWORK", "advice": "Send it again."}
        else:
            event |= {"reason": errors.word(errors.NotOver.reason), "advice": errors.NotOver.advice}
        self.say(event)
