"""Every connection of a listener for browsers, from the moment that it is there: also before TLS, and before it asks for anything.

A connection costs its maker nothing and us a descriptor, and a server of HTTP waits for a first request for ever. So whoever owes
one makes room for the next who comes, and is cut off after a while. Called by `web_server` and the relay's listener; knows no HTTP.
docs/web.md "Connections".
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import Callable
from typing import cast

PATIENCE_SECONDS = 10.0
"""How long TLS may take, and then a whole request."""
TIMES = 2
"""So many times as may be served may be there, so that one too many is told so."""

Owes = Callable[[], object | None]
"""Tells whether no request of a connection is being worked on: something that changes with each that was, None while one is."""


class Arrivals:
    """Counts a listener's connections and bounds what those hold that ask for nothing."""

    def __init__(
        self,
        *,
        connections: int,
        context: ssl.SSLContext | None,
        patience_seconds: float = PATIENCE_SECONDS,
        counted: Callable[[int], None] = lambda _: None,
        turned_away: Callable[[], None] = lambda: None,
    ) -> None:
        """Speak TLS with a context, else in the clear. `counted` hears how many are there."""
        # fixed after __init__
        self.context = context
        self.patience_seconds = patience_seconds
        self._connections = connections
        self._counted = counted
        self._turned_away = turned_away
        # by age; `_owing` holds those of them that had no request being worked on when they were last looked at
        self._there: dict[Arrival, None] = {}
        self._owing: dict[Arrival, None] = {}

    @property
    def full(self) -> bool:
        """Whether there are more than may be served."""
        return len(self._there) > self._connections

    def take(self, served: asyncio.Protocol, owes: Owes) -> Arrival:
        """Give what stands between a connection and who serves it: what the loop's server is given in its place."""
        return Arrival(self, served, owes)

    def shut(self) -> None:
        """Cut off whoever is there."""
        for one in list(self._there):
            one.cut()

    def shut_idle(self) -> None:
        """Cut off whoever owes a request and has read all answers."""
        for one in list(self._owing):
            if one.heard_all:
                one.cut()

    def came(self, arrival: Arrival) -> None:
        """Note a connection, and make room for it."""
        self._there[arrival] = self._owing[arrival] = None
        if self.full:
            idle = next((one for one in self._owing if one is not arrival and one.heard_all), None)
            leaving = idle or (arrival if len(self._there) > TIMES * self._connections else None)
            if leaving is not None:
                self._turned_away()
                leaving.cut()
        self._counted(len(self._there))

    def owing(self, arrival: Arrival, owing: bool) -> None:
        """Note whether a connection owes a request."""
        if not owing:
            self._owing.pop(arrival, None)
        elif arrival in self._there:
            self._owing.setdefault(arrival)

    def went(self, arrival: Arrival) -> None:
        """Note that a connection is over."""
        self._owing.pop(arrival, None)
        if arrival in self._there:
            del self._there[arrival]
            self._counted(len(self._there))


class Arrival(asyncio.Protocol):
    """One connection. It shakes hands, hands on what happens to who serves it, and looks now and then whether anything does."""

    def __init__(self, arrivals: Arrivals, served: asyncio.Protocol, owes: Owes) -> None:
        self._arrivals = arrivals
        self._served = served
        self._owes = owes
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._shaking_hands: asyncio.Task[None] | None = None
        self._begun = False
        self._early = b""
        """What came before the handshake could take it, and then with its end before that was known."""
        self._looking: asyncio.TimerHandle | None = None
        self._seen: tuple[object, int] | None = None
        """What was owed, and unread, when it was last looked at."""

    @property
    def heard_all(self) -> bool:
        """Whether all that was said to it has left."""
        return self._transport is None or not self._transport.get_write_buffer_size()

    def cut(self) -> None:
        """End it at once, without a word."""
        self._over()
        if self._transport is not None:
            self._transport.abort()

    def look(self) -> None:
        """Note whether it owes a request. For who serves it as well, when an answer is complete."""
        self._arrivals.owing(self, self._owes() is not None)

    # What the loop calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Shake hands, where TLS is spoken, else begin."""
        transport = cast("asyncio.Transport", transport)  # uvloop's is none by its class
        self._transport = transport
        context = self._arrivals.context
        if context is None:
            self._begin(transport)
        else:
            self._shaking_hands = self._loop.create_task(self._shake_hands(transport, context))
        self._arrivals.came(self)

    def data_received(self, data: bytes) -> None:
        """Hand on what was said."""
        if not self._begun:
            self._early += data
            return
        self._served.data_received(data)
        self.look()

    def eof_received(self) -> bool | None:
        """Hand on that no more will be said."""
        return self._served.eof_received() if self._begun else None

    def pause_writing(self) -> None:
        """Hand on that what was said is not read."""
        if self._begun:
            self._served.pause_writing()

    def resume_writing(self) -> None:
        """Hand on that it was read."""
        if self._begun:
            self._served.resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        """Hand on that it is over."""
        self._over()
        if self._begun:
            self._begun = False
            self._served.connection_lost(exc)

    async def _shake_hands(self, transport: asyncio.Transport, context: ssl.SSLContext) -> None:
        if self._early:
            # Before all else that `start_tls` has the loop do.
            self._loop.call_soon(_feed, transport, self._early)
            self._early = b""
        # A stranger's mistakes are nothing to log.
        with contextlib.suppress(OSError):
            secured = await self._loop.start_tls(
                transport, self, context, server_side=True, ssl_handshake_timeout=self._arrivals.patience_seconds
            )
            if secured is not None:
                self._transport, self._shaking_hands = secured, None
                self._begin(secured)
                return
        self._shaking_hands = None
        self.cut()

    def _begin(self, transport: asyncio.Transport) -> None:
        self._begun = True
        self._served.connection_made(transport)
        self._seen = self._state()
        self._looking = self._loop.call_later(self._arrivals.patience_seconds, self._look_again)
        if self._early:
            early, self._early = self._early, b""
            self.data_received(early)

    def _look_again(self) -> None:
        """Cut it off when nothing was asked, and nothing read, since it was last looked at."""
        state = self._state()
        if state is not None and state == self._seen:
            self.cut()
            return
        self._seen = state
        self.look()
        self._looking = self._loop.call_later(self._arrivals.patience_seconds, self._look_again)

    def _state(self) -> tuple[object, int] | None:
        owed = self._owes()
        return None if owed is None or self._transport is None else (owed, self._transport.get_write_buffer_size())

    def _over(self) -> None:
        self._arrivals.went(self)
        if self._looking is not None:
            self._looking.cancel()
        if self._shaking_hands is not None:
            self._shaking_hands.cancel()


def _feed(transport: asyncio.Transport, data: bytes) -> None:
    """Give bytes to the transport's protocol as if they came just now."""
    protocol = cast("asyncio.BufferedProtocol", transport.get_protocol())
    while data:
        room = memoryview(protocol.get_buffer(len(data)))
        taken = min(len(room), len(data))
        room[:taken] = data[:taken]
        protocol.buffer_updated(taken)
        data = data[taken:]
