"""Puts the page together: which path is answered by whom. docs/host-page.md "How it is made"."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from importlib.resources import files
from typing import Any

from dispatch import errors
from dispatch.words import Words
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import ASGIApp

from dispatch_host.page import doing, live, shown
from dispatch_host.page.guard import Guard

_TYPES = {"index.html": "text/html", "page.js": "text/javascript", "page.css": "text/css"}
_EVENTS = "text/event-stream"


def site(desk: live.Desk, words: Words, *, warn: doing.Warn, port: int, token: str) -> ASGIApp:
    """Give the page as an ASGI application, for who shows the token."""
    pairing = live.Pairing(desk, words)

    async def said(_: Request) -> Response:
        return JSONResponse({"language": words.language.value, "words": dict(words.page)})

    async def states(_: Request) -> Response:
        return StreamingResponse(live.states(desk, words), media_type=_EVENTS)

    async def pair(_: Request) -> Response:
        return StreamingResponse(pairing.events(), media_type=_EVENTS)

    async def thread(request: dict[str, Any]) -> Any:
        async with desk() as front:
            return await shown.told(front.read_thread(str(request.get("phone", ""))), words)

    async def do(request: dict[str, Any]) -> Any:
        if request.get("do") == "pairing":
            pairing.answer(request.get("yes") is True)
            return {}
        async with desk() as front:
            folder = await doing.do(front, request)
        return {"warnings": [] if folder is None else await asyncio.to_thread(warn, folder.path, folder.writable)}

    inner = Starlette(
        routes=[
            Route("/", _asset("index.html"), methods=["GET"]),
            *(Route(f"/{name}", _asset(name), methods=["GET"]) for name in ("page.js", "page.css")),
            Route("/words.json", said, methods=["GET"]),
            Route("/live", states, methods=["POST"]),
            Route("/pair", pair, methods=["POST"]),
            Route("/thread", _answered(thread, words), methods=["POST"]),
            Route("/do", _answered(do, words), methods=["POST"]),
        ]
    )
    inner.router.redirect_slashes = False
    return Guard(inner, port=port, token=token)


def _answered(
    answer: Callable[[dict[str, Any]], Awaitable[Any]], words: Words
) -> Callable[[Request], Awaitable[Response]]:
    """Read the request, and say why when it is refused."""

    async def endpoint(request: Request) -> Response:
        try:
            return JSONResponse(await answer(await _read(request)))
        except errors.DispatchError as error:
            return JSONResponse(shown.problem(error, words), status_code=409)

    return endpoint


async def _read(request: Request) -> dict[str, Any]:
    try:
        told = json.loads(await request.body())
    except (ValueError, RecursionError, ClientDisconnect):
        told = None
    if not isinstance(told, dict):
        raise errors.BadRequest("that is no JSON object")
    return told


def _asset(name: str) -> Callable[[Request], Awaitable[Response]]:
    content = files("dispatch_host.page").joinpath("assets", name).read_bytes()

    async def answer(_: Request) -> Response:
        return Response(content, media_type=_TYPES[name])

    return answer
