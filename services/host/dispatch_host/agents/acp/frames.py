"""From bytes to messages, with every bound that a hostile agent must meet. Pure: knows no pipe and no method.

docs/external-agents.md says what ends an agent. What is passed on is JSON-RPC 2.0 by its form, without `_meta`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, NoReturn, TypeAlias

from dispatch_host.weight import is_heavy

LINE_BYTES = 8 * 1024 * 1024
_TEXT_CHARACTERS = 4096

Message: TypeAlias = dict[str, Any]


class Broken(Exception):
    """What came is not the protocol. The message ends a sentence, and holds nothing of what came."""


class Lines:
    """Cuts a stream of bytes into lines."""

    def __init__(self, most_bytes: int = LINE_BYTES) -> None:
        self._most_bytes = most_bytes
        self._kept = bytearray()

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Give the lines that are whole now, without empty ones. Raises Broken for one that is too long."""
        self._kept += data
        if b"\n" in data:
            *lines, rest = self._kept.split(b"\n")
            self._kept = bytearray(rest)
            for line in lines:
                self._check(line)
                if line.strip():
                    yield bytes(line)
        self._check(self._kept)

    def _check(self, line: bytearray) -> None:
        if len(line) > self._most_bytes:
            raise Broken("it sent a message that is too long")


def message(line: bytes) -> Message:
    """Read one line. Raises Broken for whatever is no request, notification or response."""
    if is_heavy(line):
        raise Broken("it sent a message of too many parts")
    try:
        said = json.loads(line, parse_constant=_no_number)
    except (ValueError, RecursionError):
        raise Broken("it sent something that is no JSON") from None
    if not isinstance(said, dict):
        raise Broken("it sent JSON that is no message")
    if "method" in said:
        return _call(said)
    return _response(said)


def _no_number(constant: str) -> NoReturn:
    raise ValueError(constant)


def _call(said: Message) -> Message:
    method, params = said["method"], said.get("params")
    if not isinstance(method, str) or not 0 < len(method) <= _TEXT_CHARACTERS:
        raise Broken("it called a method that is no text")
    if params is not None and not isinstance(params, dict):
        raise Broken("it called a method with something that is no object")
    call: Message = {"jsonrpc": "2.0", "method": method, "params": _without_meta(params or {})}
    if "id" in said:
        number = said["id"]
        if isinstance(number, bool) or not isinstance(number, int | str) or len(str(number)) > _TEXT_CHARACTERS:
            raise Broken("it sent a request whose id is none")
        call["id"] = number
    return call


def _response(said: Message) -> Message:
    number = said.get("id")
    if isinstance(number, bool) or not isinstance(number, int):
        raise Broken("it sent an answer to nothing")
    if "error" not in said:
        return {"jsonrpc": "2.0", "id": number, "result": _without_meta(said.get("result"))}
    error = said["error"]
    if not isinstance(error, dict):
        raise Broken("it sent an error that is none")
    code, text = error.get("code"), error.get("message")
    return {
        "jsonrpc": "2.0",
        "id": number,
        "error": {
            "code": code if isinstance(code, int) and not isinstance(code, bool) else -32603,
            "message": text[:_TEXT_CHARACTERS] if isinstance(text, str) else "",
            "data": error.get("data"),
        },
    }


def _without_meta(value: Any) -> Any:
    """Leave out what is reserved for extensions: the SDK spreads it over the arguments of handlers, and it would replace them."""
    return {name: inner for name, inner in value.items() if name != "_meta"} if isinstance(value, dict) else value
