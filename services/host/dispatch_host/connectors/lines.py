"""Messages as lines of JSON, both ways: what the protocol calls stdio, over whatever bytes go through. Knows no processes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeAlias

import anyio
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream
from mcp.shared.message import SessionMessage
from mcp_types import jsonrpc_message_adapter

from dispatch_host.connectors.meter import MESSAGE_BYTES
from dispatch_host.weight import is_heavy

Heard: TypeAlias = MemoryObjectSendStream[SessionMessage | Exception]


async def hear(read: Callable[[], Awaitable[bytes]], heard: Heard, may_be_read: Callable[[bytes], bool]) -> bool:
    """Pass on messages until nothing more is read, then close `heard`.

    False where too much was said: a line longer than a message, one of too many values, or one to which `may_be_read` says no.
    """
    async with heard:
        unread = bytearray()
        while data := await read():
            seen = len(unread)
            unread += data
            while (end := unread.find(b"\n", seen)) >= 0:
                line, unread, seen = bytes(unread[:end]), unread[end + 1 :], 0
                if not may_be_read(line) or is_heavy(line):
                    return False
                if not await _passed_on(line, heard):
                    return True
            if len(unread) > MESSAGE_BYTES:
                return False
        return True


async def speak(write: Callable[[bytes], Awaitable[None]], said: MemoryObjectReceiveStream[SessionMessage]) -> None:
    """Write messages until there are no more, or nobody takes them."""
    async with said:
        async for one in said:
            written = one.message.model_dump_json(by_alias=True, exclude_unset=True)
            try:
                await write(written.encode() + b"\n")
            except OSError:
                return  # it is gone, which its own end says, too


async def _passed_on(line: bytes, heard: Heard) -> bool:
    """Pass one message on; False when nobody listens any more. A greeting or garbage is passed over."""
    try:
        message = jsonrpc_message_adapter.validate_json(line, by_name=False)
    except ValueError:
        return True
    try:
        await heard.send(SessionMessage(message))
    except (anyio.BrokenResourceError, anyio.ClosedResourceError):
        return False
    return True
