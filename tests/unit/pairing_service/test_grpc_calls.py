"""Who follows over gRPC and has gone is no trouble of the service."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

import grpc
import pytest
from dispatch.api.pairing.v1 import pairing_pb2 as pb
from dispatch.runtime.peer import Proxies
from dispatch_pairing.api.desk import Desk
from dispatch_pairing.api.grpc_calls import handlers
from dispatch_pairing.api.method import Feed, Write
from dispatch_pairing.door import Need
from dispatch_pairing.metrics import Metrics
from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs

from tests.support.pairing_service import with_limits


@dataclass(slots=True)
class Details:
    """Which call it is."""

    method: str
    invocation_metadata: tuple[tuple[str, str | bytes], ...] = ()


class Gone:
    """What gRPC gives a handler whose caller dies while a message is on its way to them."""

    def peer(self) -> str:
        return "ipv4:192.0.2.1:1"

    def invocation_metadata(self) -> tuple[()]:
        return ()

    async def write(self, _message: object) -> None:
        raise grpc.aio.InternalError("Failed grpc_call_start_batch")


async def _says(_caller: object, _request: object, write: Write) -> None:
    await write(pb.FollowOfferResponse())


async def test_a_follower_who_dies_in_the_middle_of_a_message_ends_as_one_who_hangs_up() -> None:
    registry = CollectorRegistry()
    door: Any = None  # a service is not asked for proofs
    desk = Desk(door=door, limits=with_limits(), metrics=Metrics(registry))
    feed = Feed("dispatch.Test", "Follow", pb.FollowOfferRequest, Need.SERVICE, _says)
    (generic,) = handlers(desk, [feed], proxies=Proxies())
    handler: Any = generic.service(Details(feed.full))

    with capture_logs() as lines, pytest.raises(asyncio.CancelledError):
        await handler.unary_stream(b"", Gone())

    assert not lines
    assert registry.get_sample_value("dispatch_pairing_refusals_total", {"reason": "INTERNAL"}) == 0
