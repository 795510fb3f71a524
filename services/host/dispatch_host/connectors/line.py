"""One open connection to a server: what it offers, and calls. Translates between the SDK and our values; nothing else knows it.

Whatever goes wrong is a `LineBroken` (the connection is over) or a `CallFailed` (this call is), each with words for a person.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Mapping
from typing import Any

import mcp_types as types
from mcp import Client
from mcp.client._transport import Transport
from mcp.client.session import ClientSession
from mcp.shared.exceptions import MCPError
from pydantic import ValidationError

from dispatch_host.connectors.answer import Answer, Thing, Words
from dispatch_host.connectors.failures import CallFailed, LineBroken
from dispatch_host.connectors.meter import Meter
from dispatch_host.connectors.offer import MOST_TOOLS, Offer, Said, offer
from dispatch_host.connectors.sieve import Sieve, sieved

_PAGES = 20
_ENDED = frozenset({types.CONNECTION_CLOSED, types.INTERNAL_ERROR, types.INVALID_REQUEST})
"""Codes behind which the SDK hides that nobody is there any more: the next use opens a new connection."""
_STOP_SECONDS = 0.5  # for telling the server that a call is not wanted any more


class Line:
    """An open connection."""

    def __init__(self, session: ClientSession, meter: Meter, *, sieve: Sieve, by_program: bool, seconds: float) -> None:
        self._session = session
        self._sieve = sieve
        self._meter = meter
        self._by_program = by_program
        self._seconds = seconds  # most for one answer
        self._calls: set[asyncio.Task[types.CallToolResult]] = set()

    async def offer(self) -> Offer:
        """Ask what the server offers now."""
        self._meter.asked()
        said: list[Said] = []
        self._sieve.taken_out()  # of lists that were not asked for, or not to the end
        cursor: str | None = None
        for _ in range(_PAGES):
            try:
                page = await self._session.list_tools(params=types.PaginatedRequestParams(cursor=cursor))
            except (MCPError, ValidationError) as failure:
                raise self._over(failure) from None
            said += [Said(tool.name, tool.description or "", tool.input_schema) for tool in page.tools]
            cursor = page.next_cursor
            if not cursor or len(said) > 2 * MOST_TOOLS:
                break
        return offer(said, more=bool(cursor), taken_out=self._sieve.taken_out())

    async def call(self, tool: str, arguments: Mapping[str, Any]) -> Answer:
        """Call a tool. Cancelled, it tells the server and does not wait for it. Raises LineBroken and CallFailed."""
        self._meter.asked()
        params = types.CallToolRequestParams(name=tool, arguments=dict(arguments))
        # By the session's plain request: its call_tool checks answers against the server's own schema, patterns included.
        sending = self._session.send_request(
            types.CallToolRequest(params=params),
            types.CallToolResult,
            request_read_timeout_seconds=self._seconds,
        )
        calling = asyncio.create_task(sending)
        self._calls.add(calling)
        calling.add_done_callback(self._calls.discard)
        try:
            # One whose server takes nothing any more ends with the connection, not with whoever cancels it.
            await asyncio.wait({calling})
            if calling.cancelled():
                raise self._over(None)
            return _answer(calling.result())
        except MCPError as failure:
            if failure.code == types.REQUEST_TIMEOUT:
                raise CallFailed(f"it gave no answer in {self._seconds:g} s, and was told to stop") from None
            if failure.code == types.CONNECTION_CLOSED or (failure.code in _ENDED and not self._by_program):
                raise self._over(failure) from None
            raise CallFailed("it refused", failure.message) from None
        except ValidationError:
            raise CallFailed("its answer is not what the protocol has") from None
        finally:
            if not calling.done():
                calling.cancel()
                await asyncio.wait({calling}, timeout=_STOP_SECONDS)

    async def leave(self) -> None:
        """End what is still asked of the server."""
        for calling in self._calls:
            calling.cancel()
        await asyncio.gather(*self._calls, return_exceptions=True)

    def _over(self, failure: MCPError | ValidationError | None) -> LineBroken:
        if self._meter.is_over:
            return LineBroken("it says more than anybody asked for")
        if isinstance(failure, ValidationError):
            return LineBroken("what it says is not what the protocol has")
        if failure is not None and failure.code == types.REQUEST_TIMEOUT:
            return LineBroken("it does not answer")
        return LineBroken("it ended" if self._by_program else "it can't be reached any more")


@contextlib.asynccontextmanager
async def line(transport: Transport, meter: Meter, *, by_program: bool, seconds: float) -> AsyncIterator[Line]:
    """Hold a connection. Raises LineBroken where none comes about."""
    sieve = Sieve()
    client = Client(sieved(transport, sieve), read_timeout_seconds=seconds, cache=None)
    async with contextlib.AsyncExitStack() as stack:  # whatever breaks off one of its ends, the others come
        try:
            await stack.enter_async_context(client)
        except Exception as failure:
            # Whatever the SDK or its transport raises, alone or in groups of groups.
            raise LineBroken(_why_not_opened(failure, meter)) from None
        sieve.version = lambda: client.session.protocol_version
        opened = Line(client.session, meter, sieve=sieve, by_program=by_program, seconds=seconds)
        stack.push_async_callback(opened.leave)
        yield opened


def _why_not_opened(failure: BaseException, meter: Meter) -> str:
    while isinstance(failure, BaseExceptionGroup):
        failure = failure.exceptions[0]
    if meter.is_over:
        return "it says more than anybody asked for"
    if isinstance(failure, MCPError) and failure.code == types.CONNECTION_CLOSED:
        return "it ended before it was ready"
    if isinstance(failure, MCPError | ValidationError):
        return "it does not speak the protocol, or lets nobody in"
    return f"it can't be reached ({type(failure).__name__})"


def _answer(result: types.CallToolResult) -> Answer:
    parts = [_part(block) for block in result.content]
    if not parts and result.structured_content is not None:
        parts = [Words(json.dumps(result.structured_content, ensure_ascii=False))]
    return Answer(parts, failed=result.is_error)


def _part(block: types.ContentBlock) -> Words | Thing:
    match block:
        case types.TextContent():
            return Words(block.text)
        case types.ImageContent():
            return Thing("picture", block.mime_type, _decoded_size(block.data))
        case types.AudioContent():
            return Thing("sound", block.mime_type, _decoded_size(block.data))
        case types.ResourceLink():
            return Thing("link", block.uri)
        case types.EmbeddedResource():
            inner = block.resource
            if isinstance(inner, types.TextResourceContents):
                return Words(inner.text)
            return Thing("file", f"{inner.mime_type or 'of some kind'}, {inner.uri}", _decoded_size(inner.blob))


def _decoded_size(base64: str) -> int:
    return len(base64.rstrip("=")) * 3 // 4
