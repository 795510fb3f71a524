"""One listener, two things to ask for: a page, or a call. Tells them apart by the path, which the contract gives to calls."""

from __future__ import annotations

from starlette.types import ASGIApp, Receive, Scope, Send

CALLS = "/dispatch.api."


class Front:
    """An ASGI application in front of both."""

    def __init__(self, page: ASGIApp, calls: ASGIApp | None) -> None:
        """Take both; without `calls` a call is a page that there is not."""
        self._page = page
        self._calls = calls

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        is_call = scope["type"] == "http" and scope["path"].startswith(CALLS)
        app = self._calls if is_call and self._calls is not None else self._page
        await app(scope, receive, send)
