"""The control service apart from its socket: what it waits for when it goes."""

from __future__ import annotations

import asyncio
from typing import Any, cast

from dispatch.api.host.v1 import host_pb2 as pb
from dispatch_host.control import ControlService

from tests.support.waiting import DEADLINE_SECONDS


class Desk:
    """Operations of which one takes until it may go on."""

    def __init__(self) -> None:
        self.begun, self.goes_on = asyncio.Event(), asyncio.Event()
        self.came_to = ""

    async def unpair(self, _: str) -> pb.UnpairResponse:
        self.begun.set()
        try:
            await self.goes_on.wait()
        except asyncio.CancelledError:
            self.came_to = "broken off"
            raise
        self.came_to = "done"
        return pb.UnpairResponse()


async def hung_up(desk: Desk) -> ControlService:
    """Give a service whose caller hung up in the middle."""
    service = ControlService(cast(Any, desk))
    calling = asyncio.create_task(service.Unpair(pb.UnpairRequest(), cast(Any, None)))
    await desk.begun.wait()
    calling.cancel()
    await asyncio.wait([calling])
    assert calling.cancelled()
    return service


async def test_a_host_that_stops_waits_for_what_a_caller_left_behind() -> None:
    desk = Desk()
    service = await hung_up(desk)

    settling = asyncio.create_task(service.settled(within_seconds=DEADLINE_SECONDS))
    await asyncio.sleep(0)
    assert not settling.done()
    desk.goes_on.set()
    await settling

    assert desk.came_to == "done"


async def test_a_host_that_stops_does_not_wait_for_it_for_ever() -> None:
    desk = Desk()
    service = await hung_up(desk)

    await service.settled(within_seconds=0.0)

    assert desk.came_to == "broken off"
