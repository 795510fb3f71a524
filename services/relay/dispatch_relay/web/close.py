"""Writes why a stream ends into the close of a WebSocket, which has room for a number and 123 bytes. Pure.

docs/web.md "The end" is the contract; clients read it with what reads a query string.
"""

from __future__ import annotations

from urllib.parse import quote_plus

from dispatch import errors
from google.rpc import code_pb2

FIRST = 4000
"""What is the application's own begins here: the gRPC status is added."""

REASON_BYTES = 123
_REASON, _RETRY, _DETAIL = "reason", "retry_after_ms", "detail"


def code_of(error: errors.DispatchError) -> int:
    """Give the close code."""
    return FIRST + int(code_pb2.Code.Value(error.code.value))


def reason_of(error: errors.DispatchError) -> str:
    """Give the close reason: what a device acts on first, then as much of the words for an engineer as fits."""
    reason = f"{_REASON}={errors.word(error.reason)}"
    said = dict(sorted(error.metadata.items()))
    if error.retry_after_ms:
        said = {_RETRY: str(error.retry_after_ms), **said}
    for key, value in said.items():
        more = f"&{quote_plus(key)}={quote_plus(value)}"
        if len(reason) + len(more) <= REASON_BYTES:
            reason += more
    return reason + _detail(error.detail, room=REASON_BYTES - len(reason))


def _detail(detail: str, *, room: int) -> str:
    said = f"&{_DETAIL}="
    room -= len(said)
    for letter in detail:
        # Letter by letter: half an escape would be none.
        written = quote_plus(letter)
        if len(written) > room:
            break
        said += written
        room -= len(written)
    return said if not said.endswith("=") else ""
