"""The pairing service of the relay's tests: whoever follows it hears all news, whenever they come."""

from __future__ import annotations

import asyncio

from dispatch.api.pairing.v1 import pairing_pb2 as pb
from dispatch.api.relay.v1.relay_pb2 import DeviceKind

from tests.support.trust_service import TrustService, new_id
from tests.support.waiting import DEADLINE_SECONDS


async def test_news_that_come_while_others_are_on_their_way_are_told_all_the_same() -> None:
    trust, pair_id = TrustService(), new_id()
    told = trust.FollowTrust(pb.FollowTrustRequest(), None)
    await anext(told)  # on its way: nothing waits for news yet

    await trust.end_pairing(pair_id, ended_by=DeviceKind.DEVICE_KIND_PHONE)

    async with asyncio.timeout(DEADLINE_SECONDS):
        assert [one.pair_id for one in (await anext(told)).ended_pairings] == [pair_id]
