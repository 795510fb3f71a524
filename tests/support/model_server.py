"""A model provider of the tests' own: real HTTP on a free port, in the words of the real ones, with what a test scripts.

It speaks both forms by path: OpenAI's chat completions and Anthropic's messages, streamed as they stream. Each request takes
the next reply of the script; one that nobody scripted is a 500 that says so.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Call:
    """A tool that the model calls; `written` stands for its arguments as they come, where they are no JSON."""

    name: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    written: str | None = None

    @property
    def json(self) -> str:
        """Give the arguments as they are written."""
        return json.dumps(self.arguments) if self.written is None else self.written


@dataclass(frozen=True, slots=True)
class Say:
    """One whole answer: words, and calls."""

    text: str = ""
    calls: Sequence[Call] = ()
    finish: str | None = None  # "length", "content_filter"; None for the usual one
    tokens: tuple[int, int] = (100, 20)


@dataclass(frozen=True, slots=True)
class Fault:
    """A status instead of an answer."""

    status: int
    kind: str = "api_error"
    code: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    message: str = "a fault, with words of its own"


@dataclass(frozen=True, slots=True)
class Raw:
    """These bytes as the events of an answer, whatever they are; then the connection ends, in order or not."""

    events: bytes
    in_order: bool = True


@dataclass(frozen=True, slots=True)
class CutOff:
    """The beginning of an answer, and no end. `in_order`: the connection ends as if that were all."""

    text: str
    in_order: bool = False


@dataclass(frozen=True, slots=True)
class Never:
    """Words, and then silence until the other side goes."""

    text: str = ""


@dataclass(frozen=True, slots=True)
class Endless:
    """The same bytes again and again, behind others, until the other side goes; `most` times, so that a test ends in any case."""

    again: bytes
    first: bytes = b""
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    most: int = 100_000


Reply: TypeAlias = Say | Fault | Raw | CutOff | Never | Endless


@dataclass(frozen=True, slots=True)
class Asked:
    """One request."""

    path: str
    headers: Mapping[str, str]
    body: Json

    @property
    def tools(self) -> list[str]:
        """Give the names of the tools that were offered."""
        return [one.get("name") or one["function"]["name"] for one in self.body.get("tools", [])]

    @property
    def said(self) -> str:
        """Give everything that the model was told, as one text."""
        return json.dumps(self.body, ensure_ascii=False)

    @property
    def text(self) -> str:
        """Give what the person said last."""
        said = [
            message["content"] if isinstance(message["content"], str) else _text(message["content"])
            for message in self.body["messages"]
            if message["role"] == "user" and not _is_of_tools(message["content"])
        ]
        return said[-1]

    @property
    def given(self) -> list[str]:
        """Give what the tools gave, in order, in either form."""
        found = []
        for message in self.body["messages"]:
            content = message["content"]
            if message["role"] == "tool":
                found.append(_text(content))
            elif isinstance(content, list):
                found += [_text(part["content"]) for part in content if part.get("type") == "tool_result"]
        return found


class ModelServer:
    """The provider. Use as an async context manager."""

    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self.script: list[Reply | Callable[[Asked], Reply]] = []
        self.usual: Callable[[Asked], Reply] | None = None
        """What it says when the script is over."""
        self.left = asyncio.Event()
        """Set when a client went in the middle of an answer."""
        self.sent_bytes = 0
        """How much of endless answers was taken."""
        self._server: asyncio.Server
        self._serving: set[asyncio.Task[Any]] = set()
        self._writers: list[asyncio.StreamWriter] = []
        self.address = ""

    def says(self, *replies: Reply | Callable[[Asked], Reply]) -> None:
        """Script the next answers."""
        self.script += replies

    async def __aenter__(self) -> ModelServer:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, limit=64 * 1024 * 1024)
        self.address = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for writer in self._writers:
            writer.close()
        await asyncio.gather(*self._serving, return_exceptions=True)
        await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        serving = asyncio.current_task()
        assert serving is not None
        self._serving.add(serving)
        self._writers.append(writer)
        serving.add_done_callback(self._serving.discard)
        try:
            while (asked := await _request(reader)) is not None:
                self.asked.append(asked)
                reply = self._next(asked)
                if not await self._reply(asked, reply, reader, writer):
                    break
        except (ConnectionError, asyncio.IncompleteReadError):
            self.left.set()
        finally:
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()

    def _next(self, asked: Asked) -> Reply:
        if self.script:
            reply = self.script.pop(0)
        elif self.usual is not None:
            reply = self.usual
        else:
            return Fault(500, message="nobody scripted this")
        return reply(asked) if callable(reply) else reply

    async def _reply(
        self, asked: Asked, reply: Reply, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        """Answer; False when the connection ends with it."""
        anthropic = asked.path.endswith("/messages")
        if isinstance(reply, Fault):
            _write_fault(writer, reply, anthropic=anthropic)
            await writer.drain()
            return True
        if isinstance(reply, Endless):
            await self._flood(reply, writer)
            return False
        writer.write(
            b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\nrequest-id: r1\r\n\r\n"
        )
        events = _anthropic if anthropic else _openai
        match reply:
            case Say():
                for event in events(reply, whole=True):
                    _chunk(writer, event)
                    await writer.drain()
            case CutOff(text, in_order):
                for event in events(Say(text), whole=False):
                    _chunk(writer, event)
                await writer.drain()
                if not in_order:
                    return False
            case Raw(written, in_order):
                _chunk(writer, written)
                await writer.drain()
                if not in_order:
                    return False
            case Never(text):
                for event in events(Say(text), whole=False):
                    _chunk(writer, event)
                await writer.drain()
                await reader.read(1)  # nothing comes any more: the other side goes
                self.left.set()
                return False
        writer.write(b"0\r\n\r\n")
        await writer.drain()
        return True

    async def _flood(self, reply: Endless, writer: asyncio.StreamWriter) -> None:
        headers = {"content-type": "text/event-stream", "transfer-encoding": "chunked", **reply.headers}
        writer.write(f"HTTP/1.1 {reply.status} X\r\n".encode())
        writer.write("".join(f"{name}: {value}\r\n" for name, value in headers.items()).encode() + b"\r\n")
        if reply.first:
            _chunk(writer, reply.first)
        for _ in range(reply.most):
            _chunk(writer, reply.again)
            await writer.drain()
            self.sent_bytes += len(reply.again)


def _openai(reply: Say, *, whole: bool) -> Iterator[bytes]:
    def chunk(delta: Json, finish: str | None = None) -> bytes:
        said = {
            "id": "chatcmpl-1",
            "object": "chat.completion.chunk",
            "created": 1_700_000_000,
            "model": "scripted",
            "choices": [{"index": 0, "delta": delta, "finish_reason": finish}],
        }
        return f"data: {json.dumps(said)}\n\n".encode()

    yield chunk({"role": "assistant", "content": ""})
    for piece in _pieces(reply.text):
        yield chunk({"content": piece})
    for index, call in enumerate(reply.calls):
        named = {"index": index, "id": f"call_{index}", "type": "function"}
        yield chunk({"tool_calls": [{**named, "function": {"name": call.name, "arguments": ""}}]})
        for piece in _pieces(call.json):
            yield chunk({"tool_calls": [{"index": index, "function": {"arguments": piece}}]})
    if not whole:
        return
    yield chunk({}, reply.finish or ("tool_calls" if reply.calls else "stop"))
    came, went = reply.tokens
    usage = {"prompt_tokens": came, "completion_tokens": went, "total_tokens": came + went}
    last = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "scripted", "choices": []}
    yield f"data: {json.dumps(last | {'usage': usage})}\n\ndata: [DONE]\n\n".encode()


def _anthropic(reply: Say, *, whole: bool) -> Iterator[bytes]:
    def event(kind: str, **said: Any) -> bytes:
        return f"event: {kind}\ndata: {json.dumps({'type': kind, **said})}\n\n".encode()

    came, went = reply.tokens
    message: Json = {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "scripted",
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": {"input_tokens": came, "output_tokens": 1},
    }
    yield event("message_start", message=message)
    yield event("ping")
    index = 0
    if reply.text:
        yield event("content_block_start", index=0, content_block={"type": "text", "text": ""})
        for piece in _pieces(reply.text):
            yield event("content_block_delta", index=0, delta={"type": "text_delta", "text": piece})
        if not whole:
            return
        yield event("content_block_stop", index=0)
        index = 1
    for number, call in enumerate(reply.calls, start=index):
        block = {"type": "tool_use", "id": f"toolu_{number}", "name": call.name, "input": {}}
        yield event("content_block_start", index=number, content_block=block)
        for piece in _pieces(call.json):
            yield event("content_block_delta", index=number, delta={"type": "input_json_delta", "partial_json": piece})
        yield event("content_block_stop", index=number)
    if not whole:
        return
    finish = {"length": "max_tokens", "content_filter": "refusal"}.get(reply.finish or "", reply.finish)
    stop = finish or ("tool_use" if reply.calls else "end_turn")
    yield event("message_delta", delta={"stop_reason": stop, "stop_sequence": None}, usage={"output_tokens": went})
    yield event("message_stop")


def _pieces(text: str) -> Iterator[str]:
    for at in range(0, len(text), 12):
        yield text[at : at + 12]


def _write_fault(writer: asyncio.StreamWriter, fault: Fault, *, anthropic: bool) -> None:
    error: Json = {"type": fault.kind, "message": fault.message}
    said = {"type": "error", "error": error} if anthropic else {"error": error | {"code": fault.code, "param": None}}
    body = json.dumps(said).encode()
    headers = {"content-type": "application/json", "content-length": str(len(body)), **fault.headers}
    lines = [f"HTTP/1.1 {fault.status} Fault", *(f"{name}: {value}" for name, value in headers.items())]
    writer.write("\r\n".join([*lines, "", ""]).encode() + body)


def _chunk(writer: asyncio.StreamWriter, data: bytes) -> None:
    if data:
        writer.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")


async def _request(reader: asyncio.StreamReader) -> Asked | None:
    """Read one request; None when there is none any more."""
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
    except asyncio.IncompleteReadError:
        return None
    first, *lines = head.splitlines()
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines if line)}
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return Asked(first.split()[1], headers, json.loads(body) if body else {})


def _is_of_tools(content: Any) -> bool:
    """Tell whether a message of the user's is what tools gave, as one of the forms has it."""
    return isinstance(content, list) and any(part.get("type") == "tool_result" for part in content)


def _text(content: Any) -> str:
    if isinstance(content, str):
        return content
    return "".join(part.get("text", "") for part in content)
