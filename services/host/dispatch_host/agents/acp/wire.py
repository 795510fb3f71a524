"""The SDK's transport over a program's pipes, and the sieve before it: what reaches the SDK is sound, and of a known method.

The SDK would log, with contents, what it does not understand, and read without bounds. Session updates do not get to it at all:
they are handed on here, one after the other, so that an agent is read no faster than the thread takes it.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Any

from acp.meta import CLIENT_METHODS
from acp.schema import (
    CreateTerminalRequest,
    KillTerminalRequest,
    ReadTextFileRequest,
    ReleaseTerminalRequest,
    RequestPermissionRequest,
    SessionNotification,
    TerminalOutputRequest,
    WaitForTerminalExitRequest,
    WriteTextFileRequest,
)
from pydantic import BaseModel, ValidationError

from dispatch_host.agents.acp.frames import Broken, Lines, Message, message
from dispatch_host.sandbox.program import Conversation

_CALLS: dict[str, type[BaseModel]] = {
    CLIENT_METHODS["session_request_permission"]: RequestPermissionRequest,
    CLIENT_METHODS["fs_read_text_file"]: ReadTextFileRequest,
    CLIENT_METHODS["fs_write_text_file"]: WriteTextFileRequest,
    CLIENT_METHODS["terminal_create"]: CreateTerminalRequest,
    CLIENT_METHODS["terminal_output"]: TerminalOutputRequest,
    CLIENT_METHODS["terminal_wait_for_exit"]: WaitForTerminalExitRequest,
    CLIENT_METHODS["terminal_kill"]: KillTerminalRequest,
    CLIENT_METHODS["terminal_release"]: ReleaseTerminalRequest,
}
_MOST_OPEN = 64  # requests of the agent whose answer is not written
MOST_OPEN_BYTES = 16 * 1024 * 1024
_NO_METHOD, _BAD_PARAMS, _TOO_MANY = -32601, -32602, -32000

Updated = Callable[[SessionNotification], Awaitable[None]]


class Wire:
    """Carries messages between the SDK and the program. As `acp.Transport`."""

    def __init__(self, conversation: Conversation, *, updated: Updated) -> None:
        self.broken = ""
        """Why it was not read any further, as the end of a sentence; empty while all is well, and at the program's own end."""
        self._conversation = conversation
        self._updated = updated
        self._writing = asyncio.Lock()
        self._open: dict[int | str, int] = {}  # with the bytes of each
        self._incoming = self._read()

    async def send(self, message: Message) -> None:
        """Write one message. Raises ConnectionError for a request that nobody will answer."""
        try:
            await self._write(message)
        except BrokenPipeError:
            if "method" in message:
                raise ConnectionError from None
        finally:
            # Not before: an answer that the agent does not take waits here as its request did.
            if "method" not in message:
                self._open.pop(message["id"], None)

    async def taken(self) -> None:
        """Wait until the agent has taken all that was said to it before: who makes a large answer waits for this first."""
        async with self._writing:
            pass

    async def receive(self) -> Message | None:
        """Give the next message for the SDK; None at the end."""
        return await anext(self._incoming, None)

    async def close(self) -> None:
        """Do nothing: the pipes belong to whoever started the program, and the SDK's reader is cancelled right after this."""

    async def _read(self) -> AsyncGenerator[Message, None]:
        lines = Lines()
        try:
            while data := await self._conversation.read():
                for line in lines.feed(data):
                    said = message(line)
                    if "method" not in said or await self._passes(said, len(line)):
                        yield said
        except Broken as broken:
            self.broken = str(broken)

    async def _passes(self, call: Message, size: int) -> bool:
        """Take an update, refuse what nobody knows, and let the SDK have the rest."""
        if "id" not in call:
            if call["method"] == CLIENT_METHODS["session_update"]:
                await self._update(call["params"])
            return False
        if call["id"] in self._open:
            raise Broken("it sent two requests with one id")
        model = _CALLS.get(call["method"])
        if model is None:
            return await self._refuse(call, _NO_METHOD, "there is no such method")
        if len(self._open) >= _MOST_OPEN or sum(self._open.values()) + size > MOST_OPEN_BYTES:
            return await self._refuse(call, _TOO_MANY, "too many requests at once")
        try:
            model.model_validate(call["params"])
        except ValidationError as wrong:
            places = [
                ".".join(map(str, error["loc"])) for error in wrong.errors(include_url=False, include_input=False)
            ]
            return await self._refuse(call, _BAD_PARAMS, f"not understood: {', '.join(places)[:500]}")
        self._open[call["id"]] = size
        return True

    async def _update(self, params: dict[str, Any]) -> None:
        try:
            update = SessionNotification.model_validate(params)
        except ValidationError:
            return  # of a kind that is not known here yet, or malformed: nothing depends on it
        await self._updated(update)

    async def _refuse(self, call: Message, code: int, text: str) -> bool:
        await self.send({"jsonrpc": "2.0", "id": call["id"], "error": {"code": code, "message": text}})
        return False

    async def _write(self, message: Message) -> None:
        async with self._writing:  # written as bytes only when it has its turn: those are up to six times as many
            await self._conversation.write(json.dumps(message, separators=(",", ":")).encode() + b"\n")
