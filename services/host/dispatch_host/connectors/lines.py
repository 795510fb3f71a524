"""Messages as lines of JSON, both ways: what the protocol calls stdio, over whatever bytes go through. Knows no processes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeAlias

import anyio
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream
from mcp.shared.message import SessionMessage
from mcp_types import JSONRPCMessage, jsonrpc_message_adapter

from dispatch_host.connectors.meter import MESSAGE_BYTES
from dispatch_host.weight import is_heavy

Heard: TypeAlias = MemoryObjectSendStream[SessionMessage | Exception]
Admit: TypeAlias = Callable[[JSONRPCMessage, int], Awaitable[SessionMessage | None]]
"""Gives a message, with the bytes that it came in, as it is passed on; None where it is not."""


async def _as_it_is(message: JSONRPCMessage, _: int) -> SessionMessage:
    return SessionMessage(message)


def _nothing(_: JSONRPCMessage) -> None:
    """Forget that it was written."""


async def hear(
    read: Callable[[], Awaitable[bytes]],
    heard: Heard,
    may_be_read: Callable[[bytes], bool],
    admit: Admit = _as_it_is,
) -> bool:
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
                if not await _passed_on(line, heard, admit):
                    return True
            if len(unread) > MESSAGE_BYTES:
                return False
        return True


async def speak(
    write: Callable[[bytes], Awaitable[None]],
    said: MemoryObjectReceiveStream[SessionMessage],
    written: Callable[[JSONRPCMessage], None] = _nothing,
) -> None:
    """Write messages until there are no more, or nobody takes them. `written` is told of each that was."""
    async with said:
        async for one in said:
            line = one.message.model_dump_json(by_alias=True, exclude_unset=True)
            try:
                await write(line.encode() + b"\n")
            except OSError:
                return  # it is gone, which its own end says, too
            written(one.message)


async def _passed_on(line: bytes, heard: Heard, admit: Admit) -> bool:
    """Pass one message on; False when nobody listens any more. A greeting or garbage is passed over."""
    try:
        message = jsonrpc_message_adapter.validate_json(line, by_name=False)
    except ValueError:
        return True
    try:
        if (admitted := await admit(message, len(line))) is not None:
            await heard.send(admitted)
    except (anyio.BrokenResourceError, anyio.ClosedResourceError):
        return False
    return True
