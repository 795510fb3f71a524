"""A browser that has gone: what follows or works for it ends, however much it still had to say, and is no trouble of ours."""

from __future__ import annotations

import asyncio
import gc
from typing import Any

import pytest
from dispatch.api.pairing.v1 import pairing_pb2 as pb
from dispatch.errors import StoreFailed
from dispatch.runtime.metrics import CallMetrics
from dispatch_pairing.api.method import Feed, Method, Write
from dispatch_pairing.door import Need
from dispatch_pairing.web.calls import Calls
from google.protobuf.message import Message
from prometheus_client import CollectorRegistry

from tests.support.waiting import until


async def _nothing(*_: Any) -> Any:
    raise AssertionError("the desk follows")


FEED = Feed("dispatch.Test", "Follow", pb.FollowOfferRequest, Need.SERVICE, _nothing)
METHOD = Method("dispatch.Test", "Ask", pb.EndPairingRequest, Need.SERVICE, _nothing)


class Talkative:
    """A desk with more to say than anybody hears."""

    def __init__(self) -> None:
        self.said = 0
        self.ended = False

    async def follow(self, _feed: Feed, _body: bytes, _call: object, write: Write) -> None:
        try:
            while True:
                self.said += 1
                await write(pb.FollowOfferResponse())
        finally:
            self.ended = True


class Failing:
    """A desk whose store is away when what it does is cut off."""

    def __init__(self, *, behind: int) -> None:
        self._behind = behind
        self.said, self.ended = 0, False

    async def follow(self, _feed: Feed, _body: bytes, _call: object, write: Write) -> None:
        for _ in range(self._behind):
            await write(pb.FollowOfferResponse())
            self.said += 1
        try:
            await asyncio.Future()
        except asyncio.CancelledError:
            self.ended = True
            raise StoreFailed from None


class Slow:
    """A desk whose answer nobody waits for."""

    def __init__(self) -> None:
        self.asked = asyncio.Event()

    async def answer(self, _method: Method, _body: bytes, _call: object) -> Message:
        self.asked.set()
        return await asyncio.Future[Message]()


def scope_of(method: Method | Feed, media: bytes) -> Any:
    return {
        "type": "http", "http_version": "1.1", "method": "POST", "path": method.full, "root_path": "", "query_string": b"",
        "headers": [(b"content-type", media)], "client": ("127.0.0.1", 1), "scheme": "http",
    }  # fmt: skip


# Of three, one is on its way, one waits, and the third finds no room.
@pytest.mark.parametrize(
    ("desk", "says"),
    [(Talkative(), 3), (Failing(behind=1), 1), (Failing(behind=2), 2)],
    ids=["talkative", "failing", "failing behind one that waits"],
)
async def test_who_follows_for_a_browser_that_went_in_the_middle_of_an_answer_ends(
    desk: Any, says: int, caplog: pytest.LogCaptureFixture
) -> None:
    gc.collect()  # what an earlier test has left is not of this one
    caplog.clear()
    gone = asyncio.Event()
    coming = [{"type": "http.request", "body": bytes(5), "more_body": False}]

    async def receive() -> Any:
        # That the browser is gone is seen by who sends.
        return coming.pop() if coming else await asyncio.Future()

    async def send(message: Any) -> None:
        if message["type"] == "http.response.body":
            await gone.wait()
            raise OSError("nobody is there")

    calls = Calls(desk, [FEED], limit_bytes=1_000, metrics=CallMetrics(CollectorRegistry(), prefix="test"))
    serving = asyncio.create_task(calls(scope_of(FEED, b"application/connect+proto"), receive, send))
    await until(lambda: desk.said == says)

    gone.set()

    await until(serving.done)
    assert desk.ended
    serving.exception()
    del serving
    gc.collect()
    assert not caplog.records  # no failed task that nobody looked at


async def test_a_browser_that_goes_before_it_is_answered_is_counted_as_that() -> None:
    desk, registry = Slow(), CollectorRegistry()
    of_desk: Any = desk
    coming = [{"type": "http.request", "body": b"", "more_body": False}]

    async def receive() -> Any:
        if coming:
            return coming.pop()
        await desk.asked.wait()
        return {"type": "http.disconnect"}

    async def send(_message: Any) -> None:
        """Send it to nobody."""

    calls = Calls(of_desk, [METHOD], limit_bytes=1_000, metrics=CallMetrics(registry, prefix="test"))
    serving = asyncio.create_task(calls(scope_of(METHOD, b"application/proto"), receive, send))
    await asyncio.wait([serving])

    counted = {
        sample.labels["code"]: sample.value
        for family in registry.collect()
        for sample in family.samples
        if sample.name == "test_calls_total"
    }
    assert counted == {"CANCELLED": 1}
