"""The sieve before the SDK: what waits for an answer has a bound in bytes, whatever each is."""

from __future__ import annotations

import json

from acp.schema import SessionNotification
from dispatch_host.agents.acp.wire import MOST_OPEN_BYTES, Wire
from dispatch_host.sandbox.program import Ended, Exit

SIZE = MOST_OPEN_BYTES // 4


class Program:
    """An agent's pipes, by hand."""

    complaint = b""

    def __init__(self, *lines: bytes) -> None:
        self._lines = list(lines)
        self.heard: list[dict[str, object]] = []

    async def write(self, data: bytes) -> None:
        self.heard.append(json.loads(data))

    async def read(self) -> bytes:
        return self._lines.pop(0) if self._lines else b""

    def end(self) -> None:
        """Nothing is written any more."""

    async def exit(self) -> Exit:
        return Exit(Ended.EXITED, 0)


async def _updated(_: SessionNotification) -> None:
    raise AssertionError("nothing was told")


def write(number: int) -> bytes:
    params = {"sessionId": "s", "path": "/x", "content": "x" * SIZE}
    call = {"jsonrpc": "2.0", "id": number, "method": "fs/write_text_file", "params": params}
    return json.dumps(call).encode() + b"\n"


async def test_requests_that_wait_take_no_more_than_their_bound_and_each_answer_makes_room() -> None:
    program = Program(*(write(number) for number in range(6)))
    wire = Wire(program, updated=_updated)

    passed = [await wire.receive() for _ in range(3)]
    await wire.send({"jsonrpc": "2.0", "id": 0, "result": None})
    passed.append(await wire.receive())
    rest = await wire.receive()

    assert [one and one["id"] for one in passed] == [0, 1, 2, 3]
    assert rest is None
    refused = [one["id"] for one in program.heard if "error" in one]
    assert refused == [4, 5]
