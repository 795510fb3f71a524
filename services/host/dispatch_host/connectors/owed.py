"""Which requests of an agent are open: the bound of one task, over all its connections.

A request is open until its answer is written, whoever has it meanwhile: an agent that asks and does not read would fill the
memory with answers. Called by `passing`, where lines are read and written.
"""

from __future__ import annotations

from anyio.streams.memory import MemoryObjectSendStream
from mcp.shared.message import ServerMessageMetadata, SessionMessage
from mcp_types import (
    INVALID_REQUEST,
    ErrorData,
    JSONRPCError,
    JSONRPCMessage,
    JSONRPCRequest,
    JSONRPCResponse,
    RequestId,
)

MOST_OPEN = 16  # most of them wait for a person
MOST_OPEN_BYTES = 4 * 1024 * 1024

_TOO_MANY = "Too many calls at once: wait for the answers of those before."
_TWICE = "There is a call with this id already."


class Owed:
    """Counts what all connections of one task have open."""

    def __init__(self) -> None:
        self._open: dict[tuple[Connection, RequestId], int] = {}  # with the bytes of each

    def is_open(self, connection: Connection, request_id: RequestId) -> bool:
        return (connection, request_id) in self._open

    def takes(self, connection: Connection, request_id: RequestId, size_bytes: int) -> bool:
        """Count a request, where there is room for it."""
        if len(self._open) >= MOST_OPEN or sum(self._open.values()) + size_bytes > MOST_OPEN_BYTES:
            return False
        self._open[connection, request_id] = size_bytes
        return True

    def settled(self, connection: Connection, request_id: RequestId) -> None:
        """Count a request no more."""
        self._open.pop((connection, request_id), None)

    def ended(self, connection: Connection) -> None:
        """Count nothing of a connection any more."""
        self._open = {key: size for key, size in self._open.items() if key[0] is not connection}


class Connection:
    """Meets what one connection asks, before the SDK has it, and sees what it is answered, when that is written."""

    def __init__(self, owed: Owed, said: MemoryObjectSendStream[SessionMessage]) -> None:
        """`said` is what is written to it: it is read no further before it was refused something."""
        self._owed = owed
        self._said = said

    async def admit(self, message: JSONRPCMessage, size_bytes: int) -> SessionMessage | None:
        """Give a message for the SDK, or refuse it."""
        if not isinstance(message, JSONRPCRequest):
            return SessionMessage(message)
        request_id = message.id
        if self._owed.is_open(self, request_id):
            # By no id: an answer to this one is still to come.
            await self._refuse(None, _TWICE)
            return None
        if not self._owed.takes(self, request_id, size_bytes):
            await self._refuse(request_id, _TOO_MANY)
            return None

        async def unanswered() -> None:
            self._owed.settled(self, request_id)

        # A call that the agent takes back gets no answer: the SDK says so instead.
        return SessionMessage(message, ServerMessageMetadata(on_request_unanswered=unanswered))

    def written(self, message: JSONRPCMessage) -> None:
        """Hear that the agent has taken a message."""
        if isinstance(message, JSONRPCResponse | JSONRPCError) and message.id is not None:
            self._owed.settled(self, message.id)

    async def _refuse(self, request_id: RequestId | None, why: str) -> None:
        error = ErrorData(code=INVALID_REQUEST, message=why)
        await self._said.send(SessionMessage(JSONRPCError(jsonrpc="2.0", id=request_id, error=error)))
