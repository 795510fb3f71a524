"""The WebSocket server: which connections there are, which become a stream, and what happens when one is lost.

Knows paths and who serves them, but no frame. Wired by `listeners`; docs/web.md "Streams over a WebSocket".
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Mapping, Set
from http import HTTPStatus
from typing import Any

from dispatch.address import Address
from dispatch.channel import MESSAGE_BYTES
from dispatch.failures import place_of
from dispatch.runtime.arrivals import PATIENCE_SECONDS, Arrival, Arrivals
from dispatch.runtime.certificate import Certificate
from dispatch.runtime.logs import get_logger
from dispatch.runtime.origins import Origins, host_of
from dispatch.runtime.peer import Proxies
from dispatch.runtime.sockets import bind
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.http11 import Request, Response

from dispatch_relay.metrics import Metrics
from dispatch_relay.web.connection import WRITE_BYTES, Connection
from dispatch_relay.web.guard import Turned, judge
from dispatch_relay.web.wire import WebWire
from dispatch_relay.wire import Wire

_log = get_logger()

Serve = Callable[[Wire], Coroutine[object, object, None]]

_CLOSE_SECONDS = 5.0
_LAST_WORDS_SECONDS = 1.0
"""How long a stream's handler has to read what a device said before its connection was lost."""
_PING_SECONDS = 20.0
_PONG_SECONDS = 100.0
"""Longer than a transfer may stand still: who is not read for so long can't have its Pong read either."""
_MESSAGES_WAITING = 2
"""What may have come before it is read."""
_BACKLOG = 128


class Listener:
    """Takes WebSockets, and gives each to who serves its path."""

    def __init__(
        self,
        streams: Mapping[str, Serve],
        *,
        names: Set[str],
        origins: Origins,
        certificate: Certificate | None,
        connections: int,
        metrics: Metrics,
        proxies: Proxies,
    ) -> None:
        """Take who serves which path. `names` are the addresses by which the relay may be called; some come when it listens."""
        self._streams = streams
        self._names = names
        self._origins = origins
        self._tls = certificate is not None
        self._metrics = metrics
        self._proxies = proxies
        self._arrivals = Arrivals(
            connections=connections,
            context=None if certificate is None else certificate.context(),
            counted=metrics.web_connections.set,
            turned_away=lambda: metrics.turned_away(Turned.FULL),
        )
        self._server: Server | None = None

    async def start(self, listen: Address) -> Address:
        """Listen and serve; gives the address really bound. Raises OSError."""
        bound, address = bind(listen)
        # What the library logs are headers and tracebacks of strangers' mistakes; ours are counted.
        factory: Any = self._connection  # its published type takes a class, and it takes whatever makes one
        quiet = logging.Logger("websockets", level=logging.CRITICAL + 1)
        self._server = await serve(
            self._serve,
            sock=bound,
            backlog=_BACKLOG,
            process_request=self._let_in,
            create_connection=factory,
            compression=None,
            server_header=None,
            open_timeout=PATIENCE_SECONDS,
            close_timeout=_CLOSE_SECONDS,
            ping_interval=_PING_SECONDS,
            ping_timeout=_PONG_SECONDS,
            max_size=MESSAGE_BYTES,
            max_queue=_MESSAGES_WAITING,
            write_limit=WRITE_BYTES,
            logger=quiet,
        )
        return address

    async def stop(self, *, grace_seconds: float) -> None:
        """Take no more connections, let the streams that were told why say it, then cut whoever is still there."""
        if self._server is None:
            return
        self._server.close(close_connections=False)
        if self._server.handler_tasks:
            await asyncio.wait(self._server.handler_tasks, timeout=grace_seconds)
        self._arrivals.shut()
        await self._server.wait_closed()

    def _connection(self, *given: Any, **options: Any) -> Arrival:
        connection = Connection(*given, **options)
        return self._arrivals.take(connection, connection.owes)

    def _let_in(self, connection: ServerConnection, request: Request) -> Response | None:
        """Decide about a request; None lets the library open the WebSocket."""
        turned = judge(
            request.path,
            {name.lower(): request.headers.get_all(name) for name in request.headers},
            names={host_of(name) for name in self._names},
            paths=self._streams.keys(),
            origins=self._origins,
        )
        if turned is None and self._arrivals.full:
            turned = Turned.FULL
        if turned is None:
            return None
        self._metrics.turned_away(turned)
        return connection.respond(HTTPStatus(turned.status), "")

    async def _serve(self, connection: ServerConnection) -> None:
        """Have a stream served; a handler whose device has gone is given a moment, and cancelled."""
        request = connection.request
        if request is None or not isinstance(connection, Connection):
            raise AssertionError("opened without a request, or not by us")
        handling = asyncio.create_task(self._streams[request.path](WebWire(connection, proxies=self._proxies)))
        lost = asyncio.create_task(connection.wait_closed())
        try:
            await asyncio.wait((handling, lost), return_when=asyncio.FIRST_COMPLETED)
            await asyncio.wait((handling,), timeout=_LAST_WORDS_SECONDS if lost.done() else 0)
        finally:
            lost.cancel()
            if not handling.done():
                handling.cancel()
                await asyncio.wait((handling,))
        if not handling.cancelled() and (failure := handling.exception()) is not None:
            _log.error("broken", method=request.path, where=place_of(failure))
            raise failure
