"""What stands between a command and the phone: has it carried out, shows the events, and says what Ctrl-C leaves behind."""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

from dispatch import errors
from dispatch.cli import Console, Exit
from dispatch.clock import SystemClock
from dispatch.device.home import Home
from dispatch.keyboard import answer, forget_typed, is_yes, lines, read_line
from dispatch.tracing import UNTOLD, Traces
from dispatch.words import ENGLISH

from mobile_sim.in_place import InPlace
from mobile_sim.owner import carry_out
from mobile_sim.screen import Screen

Request = dict[str, Any]
Event = dict[str, Any]

_SENDING = ("send", "resend")
_GOES_ON = ENGLISH.cases["STOPPED_WATCHING"].sentence
_NOT_THERE_YET = " ".join((ENGLISH.cases["STOPPED_UNANSWERED"].sentence, ENGLISH.cases["STOPPED_UNANSWERED"].advice))
_STOPPED = " ".join((ENGLISH.cases["STOPPED_COMMAND"].sentence, ENGLISH.cases["STOPPED_COMMAND"].advice))
_UNSENT = ENGLISH.cases["STOPPED_UNSENT"]
_LEFT = {
    "not_sent": _UNSENT.sentence,
    "sent": _NOT_THERE_YET,
    "handed_over": _NOT_THERE_YET,
    "unconfirmed": _NOT_THERE_YET,
    "out_of_contact": ENGLISH.cases["STOPPED_OUT_OF_CONTACT"].sentence,
}


class Front:
    """One command in front of one person or program."""

    def __init__(
        self,
        console: Console,
        *,
        terminal: bool,
        plaintext: bool,
        way: str,
        asks: bool = False,
        traces: Traces = UNTOLD,
    ) -> None:
        self._asks = asks and not console.as_json
        self._plaintext = plaintext
        self._way = way
        self._traces = traces
        self._words = console.words
        self._screen = Screen(console, terminal=terminal and not console.as_json)
        self._last: Event = {}
        self._state = "new"  # of the task that is followed, as its view has it
        self._in_place: InPlace | None = None
        self.said = False

    def say(self, event: Event) -> None:
        """Show an event."""
        self.said = True
        self._state = event.pop("_state", self._state)
        if "task_id" in event:
            self._last = event
        self._screen.say(event)
        if self._in_place is not None:
            self._in_place.heard(event)

    def run(self, home: Home, request: Request) -> int:
        """Have a request carried out. Gives the exit code; raises DispatchError."""
        logging.getLogger().addHandler(logging.NullHandler())
        try:
            if request["do"] == "resend" and request["id"] is None:
                # Settled here, once: when another process that does this for us ends, we go on with the same task.
                request |= {"id": self._newest_unsent(home)}
            code = asyncio.run(self._answerable(home, request))
            while self._may_go_again(request, code) and self._wants_again():
                request = request | {"do": "resend", "id": self._last["task_id"]}
                code = asyncio.run(self._answerable(home, request))
        except KeyboardInterrupt:
            if request["do"] in _SENDING:
                self._say_left(request)
            elif request["do"] == "files_get":
                self.say({"event": "stopped", "text": _STOPPED})
            return Exit.INTERRUPTED
        else:
            return code
        finally:
            self._screen.clear()

    def _newest_unsent(self, home: Home) -> str:
        """Give the task that was asked for last of those in the outbox. Raises TaskUnknown when it is empty."""
        unsent: list[Event] = []
        asyncio.run(self._carry_out(home, {"do": "outbox"}, unsent.append))
        if not unsent:
            raise errors.TaskUnknown("nothing waits to be sent again")
        return str(unsent[-1]["task_id"])

    def _may_go_again(self, request: Request, code: int) -> bool:
        """Tell whether a person is asked: what was to be sent never left, or the computer was away."""
        unsent = self._last.get("state") in ("not_sent", "refused") and code in (Exit.NOT_SENT, Exit.HOST_AWAY)
        return self._asks and request["do"] in _SENDING and unsent

    def _wants_again(self) -> bool:
        self._screen.ask(f"{self._words.line('send_again')} ")
        return is_yes(read_line())

    async def _answerable(self, home: Home, request: Request) -> int:
        """Have it carried out; a person at a terminal who watches a task answers there what it asks."""
        if not self._asks or request["do"] not in _SENDING:
            return await self._carry_out(home, request, self.say)

        async def bring(answer_of: Request) -> None:
            # By the socket of whoever owns the home, though that be this very process. What counts is shown by the task.
            await self._carry_out(home, answer_of, _unheard)

        async def typed() -> AsyncIterator[str]:
            async for line in lines():
                self._screen.was_typed_on()
                yield line

        self._in_place = InPlace(
            bring=bring,
            ask=self._screen.ask_aside,
            tell=self._screen.tell,
            lines=typed,
            forget_typed=forget_typed,
            words=self._words,
        )
        answering = asyncio.create_task(self._in_place.run())
        try:
            return await self._carry_out(home, request, self.say)
        finally:
            self._in_place = None
            answering.cancel()
            await asyncio.gather(answering, return_exceptions=True)

    async def _carry_out(self, home: Home, request: Request, say: Callable[[Event], None]) -> int:
        def open_desk() -> Any:
            from mobile_sim.desk import opened_desk  # noqa: PLC0415 -- grpc and the seal: only the owner needs them
            from mobile_sim.direct import Way  # noqa: PLC0415 -- as above

            return opened_desk(
                home,
                clock=SystemClock(),
                rng=os.urandom,
                plaintext=self._plaintext,
                way=Way(self._way),
                traces=self._traces,
            )

        return await carry_out(home, request, open_desk=open_desk, say=say, hear=answer)

    def _say_left(self, request: Request) -> None:
        """Say what becomes of a task that nobody watches any more."""
        state = "not_sent" if self._state == "new" else self._state
        words = _LEFT.get(state, _GOES_ON)
        event: Event = {"event": state, "state": state, "task_id": self._last.get("task_id", request.get("id"))}
        event |= {"host": self._last.get("host"), "at": time.time_ns() // 1_000_000, "text": words}
        if state == "not_sent":
            event |= {"reason": "NO_NETWORK", "advice": _UNSENT.advice}
        else:
            event |= {"reason": errors.word(errors.NotOver.reason), "advice": errors.NotOver.advice}
        self.say(event)


def _unheard(_: Event) -> None:
    """Show nothing: it is shown where it happens."""
