"""The phone's doctor looks at each link itself: a direct path that works says nothing of the relay, nor the other way round."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from dispatch.address import Address
from dispatch.api.pairing.v1.pairing_pb2 import SignedGrant
from mobile_sim.direct import Way
from mobile_sim.patience import USUAL

from tests.support.direct_world import DirectWorld
from tests.support.waiting import until


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[DirectWorld]:
    async with DirectWorld(tmp_path) as made:
        yield made


async def test_a_relay_that_refuses_this_phone_is_broken_though_the_computer_is_here(world: DirectWorld) -> None:
    forged = SignedGrant.FromString(world.grant())
    forged.signature = bytes(64)
    async with world.phone(patience=replace(USUAL, open_seconds=0.2)) as phone:
        await phone.is_on("direct")
        phone.has_right(forged.SerializeToString())
        world.by_relay.cut()
        await until(lambda: not phone.line.relay_open)

        found = await phone.doctor()

    assert (found["relay"], found["presence"], found["session"]) == ("broken", "not_reached", "not_reached")
    assert found["direct"] == "ok"


async def test_a_computer_that_is_absent_at_the_relay_is_so_though_it_is_here(world: DirectWorld) -> None:
    async with world.phone() as phone:
        await phone.is_on("direct")
        await world.relay.stop()
        world.relay.grpc_address = ""  # the host has only the old one
        await world.relay.start()
        world.by_relay.target = Address.parse(world.relay.address)
        await until(lambda: phone.line.sight.gone)

        found = await phone.doctor()

    assert (found["relay"], found["presence"], found["direct"]) == ("ok", "broken", "ok")


async def test_that_no_address_answers_is_a_fault_only_for_who_wants_no_relay(world: DirectWorld) -> None:
    async with world.phone() as phone:
        await phone.is_on("direct")
    world.lan.refuse = True
    world.lan.cut()  # gRPC shares connections between channels
    patience = replace(USUAL, status_seconds=0.2)

    async with world.phone(patience=patience) as phone:
        assert (await phone.doctor())["direct"] == "ok"
    async with world.phone(Way.DIRECT, patience=patience) as phone:
        assert (await phone.doctor())["direct"] == "broken"
