"""A stream to a browser that has gone: what follows for it ends, however much it still had to say."""

from __future__ import annotations

import asyncio
from typing import Any

from dispatch.api.pairing.v1 import pairing_pb2 as pb
from dispatch.runtime.metrics import CallMetrics
from dispatch_pairing.api.method import Feed, Write
from dispatch_pairing.door import Need
from dispatch_pairing.web.calls import Calls
from prometheus_client import CollectorRegistry

from tests.support.waiting import until


async def _nothing(*_: Any) -> None:
    raise AssertionError("the desk follows")


FEED = Feed("dispatch.Test", "Follow", pb.FollowOfferRequest, Need.SERVICE, _nothing)


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


async def test_who_follows_for_a_browser_that_went_in_the_middle_of_an_answer_ends() -> None:
    desk: Any = Talkative()
    gone = asyncio.Event()
    coming = [{"type": "http.request", "body": bytes(5), "more_body": False}]

    async def receive() -> Any:
        # That the browser is gone is seen by who sends.
        return coming.pop() if coming else await asyncio.Future()

    async def send(message: Any) -> None:
        if message["type"] == "http.response.body":
            await gone.wait()
            raise OSError("nobody is there")

    scope: Any = {
        "type": "http", "http_version": "1.1", "method": "POST", "path": FEED.full, "root_path": "", "query_string": b"",
        "headers": [(b"content-type", b"application/connect+proto")], "client": ("127.0.0.1", 1), "scheme": "http",
    }  # fmt: skip
    calls = Calls(desk, [FEED], limit_bytes=1_000, metrics=CallMetrics(CollectorRegistry(), prefix="test"))
    serving = asyncio.create_task(calls(scope, receive, send))
    await until(lambda: desk.said == 3)  # one is on its way, one waits, and the third finds no room

    gone.set()

    await until(serving.done)
    assert desk.ended
    serving.exception()
