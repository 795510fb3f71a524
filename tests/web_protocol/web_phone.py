"""Runs the phone in TypeScript as a process, and carries its calls and streams to the real services by gRPC.

It speaks lines of JSON (clients/web_phone/tests/cross). What is in the messages is opaque here: the two ends meet byte for byte.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.parse import urlencode

import grpc
from dispatch import errors
from dispatch.status import from_rpc

from tests.support.waiting import DEADLINE_SECONDS

FOLDER = Path(__file__).parents[2] / "clients" / "web_phone"
Line = dict[str, Any]


class WebPhone:
    """The process and the bridge. Use as an async context manager."""

    def __init__(self) -> None:
        self.lines: list[Line] = []
        self._news = asyncio.Condition()
        self._number = 0
        self._channels: dict[str, grpc.aio.Channel] = {}
        self._work: set[asyncio.Task[None]] = set()
        self._calls: dict[int, Any] = {}
        self._writes: dict[int, asyncio.Queue[bytes]] = {}
        self._process: asyncio.subprocess.Process

    async def __aenter__(self) -> WebPhone:
        self._process = await asyncio.create_subprocess_exec(
            "node", str(FOLDER / "out" / "tests" / "cross" / "phone.js"),
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, limit=4 * 1024 * 1024,
        )  # fmt: skip
        self._start(self._read())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        await self._process.wait()
        for task in self._work:
            task.cancel()
        await asyncio.gather(*self._work, return_exceptions=True)
        for channel in self._channels.values():
            await channel.close()

    # ---- What a test does.

    async def wish(self, what: str, **words: str) -> Line:
        """Have the phone do something and give what came of it; `refused` has the reason when nothing did."""
        self._number += 1
        number = str(self._number)
        self._say({"wish": what, "number": number, **words})
        return await self.line(lambda line: line.get("done") == number)

    def begin(self, what: str, **words: str) -> asyncio.Task[Line]:
        """The same, and do something else meanwhile."""
        return asyncio.create_task(self.wish(what, **words))

    async def line(self, where: Callable[[Line], bool], *, after: int = 0) -> Line:
        """Wait for a line."""
        async with asyncio.timeout(DEADLINE_SECONDS), self._news:
            while (found := next((line for line in self.lines[after:] if where(line)), None)) is None:
                if self._process.returncode is not None:
                    raise AssertionError("the phone has ended")
                await self._news.wait()
        return found

    # ---- The bridge.

    async def _read(self) -> None:
        assert self._process.stdout is not None
        while written := await self._process.stdout.readline():
            line = json.loads(written)
            if "from" in line:
                self._carry(line)
            else:
                async with self._news:
                    self.lines.append(line)
                    self._news.notify_all()
        await self._process.wait()
        async with self._news:
            self._news.notify_all()

    def _carry(self, line: Line) -> None:
        number = line["from"]
        if "dial" in line:
            self._writes[number] = asyncio.Queue()
            self._start(self._stream(number, line))
        elif "message" in line:
            self._writes[number].put_nowait(base64.b64decode(line["message"]))
        elif "close" in line:
            if (call := self._calls.pop(number, None)) is not None:
                call.cancel()
        else:
            self._start(self._unary(number, line) if "call" in line else self._follow(number, line))

    async def _unary(self, number: int, line: Line) -> None:
        call: Any = self._opaque(line["call"]).unary_unary(line["method"])(
            base64.b64decode(line["request"]), metadata=_metadata(line["headers"]), timeout=DEADLINE_SECONDS
        )
        try:
            response = await call
            headers = {key: _written(value) for key, value in await call.initial_metadata()}
            self._tell(number, message=_written(response), headers=headers)
        except grpc.aio.AioRpcError as failure:
            self._tell(number, **_refused(from_rpc(failure)))

    async def _follow(self, number: int, line: Line) -> None:
        call: Any = self._opaque(line["follow"]).unary_stream(line["method"])(
            base64.b64decode(line["request"]), metadata=_metadata(line["headers"])
        )
        self._calls[number] = call
        try:
            async for message in call:
                self._tell(number, message=_written(message))
            self._tell(number, end=True)
        except grpc.aio.AioRpcError as failure:
            self._tell(number, **_refused(from_rpc(failure)))

    async def _stream(self, number: int, line: Line) -> None:
        call: Any = self._opaque(line["dial"]).stream_stream(line["method"])()
        self._calls[number] = call

        async def write() -> None:
            with contextlib.suppress(grpc.aio.AioRpcError, asyncio.InvalidStateError, asyncio.CancelledError):
                while True:
                    await call.write(await self._writes[number].get())

        writing = asyncio.create_task(write())
        try:
            async for message in call:
                self._tell(number, message=_written(message))
            self._tell(number, code=1000, reason="")
        except grpc.aio.AioRpcError as failure:
            error = from_rpc(failure)
            self._tell(number, code=4000 + failure.code().value[0], reason=urlencode(_form(error)))
        except asyncio.CancelledError:
            self._tell(number, code=1006, reason="")
        finally:
            writing.cancel()
            await asyncio.gather(writing, return_exceptions=True)

    def _opaque(self, address: str) -> Any:
        """Give a channel for messages that nobody here looks into."""
        if address not in self._channels:
            self._channels[address] = grpc.aio.insecure_channel(address)
        return self._channels[address]

    def _tell(self, number: int, **words: Any) -> None:
        self._say({"to": number, **words})

    def _say(self, line: Line) -> None:
        assert self._process.stdin is not None
        if not self._process.stdin.is_closing():
            self._process.stdin.write(json.dumps(line).encode() + b"\n")

    def _start(self, work: Any) -> None:
        task = asyncio.create_task(work)
        self._work.add(task)


async def built() -> None:
    """Compile the phone."""
    tsc = FOLDER / "node_modules" / ".bin" / "tsc"
    process = await asyncio.create_subprocess_exec(str(tsc), "-p", str(FOLDER), stdout=asyncio.subprocess.PIPE)
    said, _ = await process.communicate()
    assert process.returncode == 0, said.decode()


async def running() -> AsyncIterator[WebPhone]:
    """Compile and run it; for a fixture."""
    await built()
    async with WebPhone() as phone:
        yield phone


def _metadata(headers: dict[str, str]) -> list[tuple[str, str | bytes]]:
    return [
        (key, base64.b64decode(value) if key.endswith("-bin") else value)
        for key, value in headers.items()
        if key.startswith("dispatch-")
    ]


def _refused(error: errors.DispatchError) -> Line:
    return {
        "refused": errors.word(error.reason),
        "retry_after_ms": error.retry_after_ms,
        "metadata": dict(error.metadata),
    }


def _form(error: errors.DispatchError) -> dict[str, str]:
    return {
        "reason": errors.word(error.reason), "retry_after_ms": str(error.retry_after_ms), **error.metadata,
    }  # fmt: skip


def _written(data: str | bytes) -> str:
    return base64.b64encode(data).decode() if isinstance(data, bytes) else data
