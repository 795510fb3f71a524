"""Behind a load balancer: has the application see the caller that the balancer names, in place of the balancer.

Wraps all that browsers ask for. The rule of whose word counts is `dispatch.runtime.peer`'s. Called by the service's app.py.
"""

from __future__ import annotations

from dispatch.runtime.peer import FORWARDED, Proxies
from starlette.types import ASGIApp, Receive, Scope, Send

_HEADER = FORWARDED.encode()
_NO_PORT = 0


class Forwarded:
    """An ASGI application around another one."""

    def __init__(self, app: ASGIApp, *, proxies: Proxies) -> None:
        self._app = app
        self._proxies = proxies

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        client = scope.get("client")
        said = [value.decode("latin-1") for name, value in scope.get("headers", ()) if name == _HEADER]
        if client is not None and (caller := self._proxies.caller(client[0], said)) != client[0]:
            scope = {**scope, "client": (caller, _NO_PORT)}
        await self._app(scope, receive, send)
