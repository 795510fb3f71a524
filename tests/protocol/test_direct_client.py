"""A phone's end of the direct path by itself, with a host that only says that it is there."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import Any

import grpc
from dispatch.api.relay.v1 import relay_pb2 as pb
from dispatch.api.relay.v1 import relay_pb2_grpc
from dispatch.thread import DirectClient
from dispatch.thread.direct import Patience

from tests.support.waiting import until

HASTY = Patience(probe_seconds=0.2, silence_seconds=0.6)


class Here(relay_pb2_grpc.ThreadServiceServicer):
    """A host that answers whatever it is told."""

    async def Attach(  # type: ignore[override] # noqa: N802 -- the contract's name; a coroutine handler, as the stubs do not know
        self, requests: Any, context: Any
    ) -> None:
        async for _ in requests:
            await context.write(pb.AttachResponse(frames=[pb.RelayFrame(live=pb.Live(sealed=b"here"))]))


class End:
    """The phone behind the client: takes every word for the host's."""

    def __init__(self) -> None:
        self.client = DirectClient(self, patience=HASTY)
        self.times_heard = 0

    def heard(self, frames: Sequence[pb.RelayFrame]) -> bool:
        self.times_heard += len(frames)
        self.client.met()
        return True

    def question(self) -> bytes:
        return b"are you there?"


async def test_a_phone_that_stood_still_does_not_take_the_hosts_words_that_lie_unread_for_silence() -> None:
    server, end = grpc.aio.server(), End()
    relay_pb2_grpc.add_ThreadServiceServicer_to_server(Here(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    holding = asyncio.create_task(end.client.hold(f"127.0.0.1:{port}", b"knock"))
    await until(lambda: end.times_heard or holding.done())

    time.sleep(1.5)  # noqa: ASYNC251 -- everything stands still
    before = end.times_heard
    await until(lambda: end.times_heard > before or holding.done())

    assert end.client.is_open
    holding.cancel()
    await asyncio.wait([holding])
    await server.stop(0)
