"""Takes single tools that the protocol does not have out of a server's list, before the SDK refuses all of it for one of them.

Called by `line`: it stands between the transport and the SDK, and changes nothing but lists of tools. Of each tool goes on what
is read of it: its name, its description and what it takes.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable, Mapping
from types import TracebackType
from typing import Any

import mcp_types as types
from mcp.client._transport import ReadStream, Transport, TransportStreams
from mcp.shared.message import SessionMessage
from mcp_types import methods
from pydantic import ValidationError

from dispatch_host.connectors.offer import MOST_TOOLS, LeftOut
from dispatch_host.scope import shown

_READ = ("name", "description", "inputSchema")
_NAME_CHARACTERS = 80


class Sieve:
    """What one connection's lists of tools go through. `version` gives the protocol's, once both ends have agreed on it."""

    def __init__(self) -> None:
        self.version: Callable[[], str | None] = lambda: None
        self._left_out: list[LeftOut] = []

    def taken_out(self) -> list[LeftOut]:
        """Give what was taken out since it was asked last."""
        found, self._left_out = self._left_out, []
        return found[:MOST_TOOLS]

    def through(self, message: SessionMessage | Exception) -> SessionMessage | Exception:
        """Let a message through; a list of tools without those that the protocol does not have."""
        said = message.message if isinstance(message, SessionMessage) else None
        if isinstance(said, types.JSONRPCResponse) and isinstance(said.result.get("tools"), list):
            kept = []
            for tool in said.result["tools"]:
                if why := self._why_not(tool, said.result):
                    self._left_out.append(LeftOut(_name(tool), why))
                else:
                    kept.append({name: tool[name] for name in _READ if name in tool})
            said.result["tools"] = kept
        return message

    def _why_not(self, tool: Any, result: Mapping[str, Any]) -> str:
        if not isinstance(tool, dict) or not isinstance(tool.get("name"), str):
            return "it has no name"
        schema = tool.get("inputSchema")
        if not isinstance(schema, dict) or schema.get("type") != "object":
            return 'what it takes is no object (its schema lacks "type": "object")'
        bare = {name: tool[name] for name in _READ if name in tool}
        try:
            version = self.version() or types.LATEST_PROTOCOL_VERSION
            methods.validate_server_result("tools/list", version, {**result, "tools": []})
        except (ValidationError, KeyError, ValueError):
            return ""  # it is not the tool that is wrong
        try:
            methods.validate_server_result("tools/list", version, {**result, "tools": [bare]})
        except ValidationError:
            return "what it says of itself is not what the protocol has"
        return ""


def _name(tool: Any) -> str:
    name = tool.get("name") if isinstance(tool, dict) else None
    return shown(name)[:_NAME_CHARACTERS] if isinstance(name, str) and name else "?"


@contextlib.asynccontextmanager
async def sieved(transport: Transport, sieve: Sieve) -> AsyncIterator[TransportStreams]:
    """Hold a transport whose lists of tools go through a sieve."""
    async with transport as (heard, said):
        yield _Heard(heard, sieve), said


class _Heard:
    """A stream that gives what another gives, sieved. As the SDK's `ReadStream`."""

    def __init__(self, heard: ReadStream[SessionMessage | Exception], sieve: Sieve) -> None:
        self._heard = heard
        self._sieve = sieve

    @property
    def last_context(self) -> Any:
        """Give the sender's context, which the SDK looks for where there is one."""
        return getattr(self._heard, "last_context", None)

    async def receive(self) -> SessionMessage | Exception:
        return self._sieve.through(await self._heard.receive())

    async def aclose(self) -> None:
        await self._heard.aclose()

    def __aiter__(self) -> _Heard:
        return self

    async def __anext__(self) -> SessionMessage | Exception:
        return self._sieve.through(await self._heard.__anext__())

    async def __aenter__(self) -> _Heard:
        await self._heard.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, failure: BaseException | None, trace: TracebackType | None
    ) -> bool | None:
        return await self._heard.__aexit__(kind, failure, trace)
