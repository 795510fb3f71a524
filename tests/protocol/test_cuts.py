"""Whatever breaks and whenever: no row is lost, doubled or out of order, and no command has its go twice."""

from __future__ import annotations

import asyncio
import random
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from dispatch.api.relay.v1 import relay_pb2 as pb

from tests.support.device_end import DeviceEnd
from tests.support.ports import address_to_come_back_to
from tests.support.processes import Process
from tests.support.proxy import Proxy
from tests.support.relay import Pair, Relay
from tests.support.steady_ends import SteadyHost, SteadyPhone
from tests.support.trust_service import TrustService
from tests.support.waiting import DEADLINE_SECONDS

COMMANDS = 2
ROWS = 3 * COMMANDS  # each command is a row, and two rows of its host
CHUNKS = 32
"""More than a conversation takes, which is 31 where nothing falls together."""
SURELY = 12
"""So many it takes however much does; 15 were the fewest that were seen, of a phone over a WebSocket."""


async def converse(phone: SteadyPhone, host: SteadyHost, *, rows: int) -> None:
    """Let the two talk until both have all rows; check that they have what they should.

    The host comes first: a command for one that was never there is refused, rightly, and has no rows behind it.
    """
    phone.wanted = host.wanted = rows
    async with asyncio.timeout(DEADLINE_SECONDS), asyncio.TaskGroup() as group:
        group.create_task(host.run())
        await host.was_attached.wait()
        group.create_task(phone.run())
    for device in (phone, host):
        assert [seq for seq, _, _ in device.rows] == list(range(1, rows + 1))
    assert [message_id for _, _, message_id in phone.rows] == [message_id for _, _, message_id in host.rows]
    assert len(host.runs) == len(set(host.runs)) == rows // 3
    assert not phone.outbox
    assert not host.outbox
    words = {"receipt": "deliver", "deliver": "receipt"}
    assert [words[word] for _, word, _ in phone.rows] == [word for _, word, _ in host.rows]


@pytest.mark.parametrize("carrier", ["grpc", pytest.param("web", marks=pytest.mark.big)])
@pytest.mark.parametrize("cut_at", range(1, CHUNKS + 1))
@pytest.mark.parametrize("cut", ["phone", "host"])
async def test_cutting_a_device_anywhere_loses_nothing(calm_relay: Relay, cut: str, cut_at: int) -> None:
    """Each chunk is a message or less: the cut falls into the opening, between all messages and into them."""
    pair = calm_relay.pair()
    async with Proxy(calm_relay.address) as proxy:
        proxy.cut_at_chunk = cut_at

        def end(name: str) -> dict[str, object]:
            through = proxy.address if name == cut else calm_relay.address
            return {"where": lambda: through, "dialled": calm_relay.address}

        phone = SteadyPhone(pair.phone, commands=COMMANDS, **end("phone"))
        host = SteadyHost(pair.host, **end("host"))
        await calm_relay.attach(pair.host)  # so that the first command does not come too early
        await converse(phone, host, rows=ROWS)
        # The last chunks carry acks and goodbyes of the connection, after which nobody has to come back.
        assert proxy.connections > 1 or cut_at > SURELY


@pytest.fixture
async def trust() -> AsyncIterator[TrustService]:
    """Give a pairing service for a relay in a process of its own."""
    async with TrustService() as trust:
        yield trust


def relay_words(tmp_path: Path, trust: TrustService) -> list[str]:
    """Give the command line of a relay, up to the address that it listens on."""
    return ["dispatch-relay", "serve", "--data", str(tmp_path / "relay"), "--pairing", trust.address, "--listen"]


async def test_a_relay_that_was_frozen_takes_nobody_for_gone(tmp_path: Path, trust: TrustService) -> None:
    relay = await Process.start(*relay_words(tmp_path, trust), "127.0.0.1:0", env={"DISPATCH_RELAY_LEASE_MS": "4000"})
    try:
        address = (await relay.event("listening"))["address"]
        pair = Pair(trust)
        host, phone = await DeviceEnd.attach_soon(pair.host, address), await DeviceEnd.attach_soon(pair.phone, address)
        before = len(host.all("ping"))
        await host.until(lambda: len(host.all("ping")) > before)
        relay.signal(signal.SIGSTOP)
        await asyncio.sleep(9)  # the fault itself: more than two leases long
        message_id = await phone.post(b"do it")
        relay.signal(signal.SIGCONT)
        await host.got("handover", lambda one: one.message_id == message_id)
        assert {one.state for one in phone.all("presence")} == {pb.REACHABILITY_REACHABLE}
        await host.drop()
        await phone.drop()
    finally:
        await relay.stop()


@pytest.mark.big
@pytest.mark.parametrize("seed", range(4))
async def test_killing_the_relay_in_between_loses_nothing(tmp_path: Path, trust: TrustService, seed: int) -> None:
    chance = random.Random(seed)
    words = relay_words(tmp_path, trust)
    # A relay that is away for longer than a command is good for refuses it, rightly; this is not about that.
    patient = {f"DISPATCH_RELAY_{name}_MS": "60000" for name in ("VALID_FOR", "LEASE", "RESTART_GRACE")}
    relay = await Process.start(*words, address_to_come_back_to(), env=patient)
    address = (await relay.event("listening"))["address"]
    relays = [relay]
    kill_at = sorted(chance.sample(range(5, 60), 2))
    moved, killed = 0, asyncio.Event()

    def count() -> None:
        nonlocal moved
        moved += 1
        if kill_at and moved >= kill_at[0] and not killed.is_set():
            kill_at.pop(0)
            relays[-1].signal(signal.SIGKILL)
            killed.set()

    async def revive() -> None:
        while True:
            await killed.wait()
            await relays[-1].ended()
            relays.append(await Process.start(*words, address, env=patient))
            killed.clear()

    pair = Pair(trust)
    options = {"where": lambda: address, "dialled": address, "moved": count}
    phone = SteadyPhone(pair.phone, commands=5, **options)
    host = SteadyHost(pair.host, **options)
    reviving = asyncio.create_task(revive())
    try:
        await converse(phone, host, rows=15)
        assert len(relays) == 3
    finally:
        reviving.cancel()
        await asyncio.gather(*(relay.stop() for relay in relays if relay.returncode is None))
