"""What only a WebSocket has: pages and names, closes, certificates of its own. The rest is tested over both carriers."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from dispatch import errors
from dispatch.address import Address
from dispatch.api.relay.v1 import relay_pb2 as pb
from dispatch.runtime.origins import Origins
from dispatch_relay.options import WebOptions
from dispatch_relay.web.connection import OPENING_BYTES
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from tests.support.certificates import Certificates, is_shown, shown_by
from tests.support.device_end import ATTACH, DeviceEnd
from tests.support.ports import address_to_come_back_to
from tests.support.proxy import Proxy
from tests.support.relay import QUICK, Relay
from tests.support.silent import silent
from tests.support.transfer_end import CARRY
from tests.support.waiting import DEADLINE_SECONDS, until
from tests.support.wires import BIG_BYTES, WebWire

PAGE = "https://phone.example"
ENDS = "dispatch_relay_stream_ends_total"
TURNED = "dispatch_relay_web_turned_away_total"
PINGS = (b"\x89\xfd" + bytes(4) + bytes(125)) * 500
MOST_PINGED = 64 * 1_024 * 1_024


@pytest.fixture
async def relay(tmp_path: Path) -> AsyncIterator[Relay]:
    """Give a relay that pages of one origin may reach, and that asks nobody anything."""
    calm = replace(QUICK, lease_ms=60_000, idle_ask_ms=60_000)
    web = WebOptions(listen=Address.parse(address_to_come_back_to()), origins=Origins.parse([PAGE]))
    async with Relay(tmp_path / "relay", settings=calm, carrier="web", web=web) as relay:
        yield relay


def opened(relay: Relay, path: str = ATTACH, **options: Any) -> connect:
    """Open a WebSocket as a page does."""
    return connect(f"ws://{relay.address}{path}", proxy=None, **{"origin": PAGE, **options})


async def closed(connection: ClientConnection) -> ConnectionClosed:
    """Wait for the end, past whatever still comes."""
    async with asyncio.timeout(DEADLINE_SECONDS):
        while True:
            try:
                await connection.recv()
            except ConnectionClosed as end:
                return end


@pytest.mark.parametrize(
    ("status", "why", "how"),
    [
        (403, "origin", {"origin": "https://hostile.example"}),
        (403, "origin", {"origin": "null"}),
        (421, "host", {"additional_headers": {"Host": "rebound.example:7305"}}),
        (404, "path", {"path": "/"}),
        (404, "path", {"path": f"{ATTACH}?token=x"}),
        (404, "path", {"path": "/dispatch.api.pairing.v1.TrustService/FollowTrust"}),
    ],
)
async def test_who_may_not_is_turned_away_before_anything_is_opened(
    relay: Relay, status: int, why: str, how: dict[str, Any]
) -> None:
    with pytest.raises(InvalidStatus) as turned:
        async with opened(relay, **how):
            pass

    assert turned.value.response.status_code == status
    assert turned.value.response.headers.get("Server") is None
    assert await relay.metric(TURNED, why=why) == 1


@pytest.mark.parametrize("path", [ATTACH, CARRY])
async def test_a_page_of_a_listed_origin_and_who_is_no_browser_are_let_in(relay: Relay, path: str) -> None:
    for origin in (PAGE, None):
        async with opened(relay, path, origin=origin) as connection:
            assert connection.protocol.extensions == []  # it offers compression, and gets none


async def test_without_a_list_every_page_is_turned_away(tmp_path: Path) -> None:
    async with Relay(tmp_path / "relay", carrier="web") as relay:
        with pytest.raises(InvalidStatus, match="403"):
            async with opened(relay):
                pass


async def test_the_reason_is_in_the_close(relay: Relay) -> None:
    phone = relay.pair().phone
    async with opened(relay) as connection:
        hello = pb.DeviceFrame(hello=phone.hello(protocol_versions=[9]))
        await connection.send(pb.AttachRequest(frames=[hello]).SerializeToString())

        end = await closed(connection)

    assert end.rcvd is not None
    assert (end.rcvd.code, end.rcvd.reason) == (4009, "reason=VERSION_UNSUPPORTED&supported=1")


async def test_a_goodbye_is_closed_in_peace(relay: Relay) -> None:
    phone = await relay.attach(relay.pair().phone)

    await phone.bye()

    assert isinstance(phone.wire, WebWire)
    assert (await phone.wire.connection()).close_code == 1000
    assert await relay.metric(ENDS, reason="bye", carrier="web") == 1


async def test_a_message_that_is_not_binary_breaks_the_protocol(relay: Relay) -> None:
    async with opened(relay) as connection:
        await connection.send("Hello")

        end = await closed(connection)

    assert end.rcvd is not None
    assert end.rcvd.code == 4003
    assert end.rcvd.reason.startswith("reason=PROTOCOL_VIOLATION&detail=")


async def test_a_message_that_is_too_large_is_not_read_and_its_stream_is_lost(relay: Relay) -> None:
    phone = await relay.attach(relay.pair().phone)

    await phone.write(bytes(BIG_BYTES))

    assert isinstance(await phone.ended(), errors.NoNetwork)
    await relay.metric_above(ENDS, 0, reason="broke", carrier="web")
    assert await relay.metric("dispatch_relay_streams", kind="phone", carrier="web") == 0


async def test_who_closes_without_a_goodbye_is_lost_and_what_it_said_before_counts(relay: Relay) -> None:
    pair = relay.pair()
    host, phone = await relay.attach(pair.host), await relay.attach(pair.phone)
    kept = await host.keep(b"the last word")

    assert isinstance(host.wire, WebWire)
    await (await host.wire.connection()).close()

    await phone.got("deliver", lambda one: one.message_id == kept)
    await phone.presence(pb.REACHABILITY_RECONNECTING)
    await host.ended()
    assert await relay.metric(ENDS, reason="broke", carrier="web") == 1


async def test_a_device_of_one_carrier_and_one_of_the_other_are_a_pair(relay: Relay) -> None:
    pair = relay.pair()
    host = await DeviceEnd.attach(pair.host, relay.grpc_address)
    phone = await relay.attach(pair.phone)

    message_id = await phone.post(b"do it")
    await host.got("handover", lambda one: one.message_id == message_id)
    await host.say(take=pb.Take(message_id=message_id))

    assert await phone.receipt(message_id) == 1
    assert await relay.metric("dispatch_relay_streams", kind="phone", carrier="web") == 1
    assert await relay.metric("dispatch_relay_streams", kind="host", carrier="grpc") == 1
    await host.drop()


async def test_the_newest_stream_of_a_device_wins_whatever_carries_it(relay: Relay) -> None:
    phone = relay.pair().phone
    first = await relay.attach(phone)

    second = await DeviceEnd.attach(phone, relay.grpc_address)

    assert isinstance(await first.ended(), errors.StreamSuperseded)
    await second.drop()


async def test_a_port_that_is_taken_is_one_clear_error(relay: Relay, tmp_path: Path) -> None:
    taken = WebOptions(listen=Address.parse(relay.web_address))
    other = Relay(tmp_path / "other", carrier="web", web=taken)
    other.trust = relay.trust

    with pytest.raises(OSError, match="can't listen on"):
        await other.start()


async def test_one_connection_too_many_is_turned_away_and_those_inside_stay(relay: Relay) -> None:
    await relay.stop()
    await relay.start(web_connections=2)
    async with opened(relay) as first, opened(relay) as second:
        with pytest.raises(InvalidStatus, match="503"):
            async with opened(relay):
                pass
        for inside in (first, second):
            await inside.ping()
    assert await relay.metric(TURNED, why="full") == 1


async def test_connections_that_ask_for_nothing_make_room_for_who_asks(relay: Relay) -> None:
    await relay.stop()
    await relay.start(web_connections=2)
    async with opened(relay) as inside, silent(relay.address, 20) as strangers, opened(relay):
        for one in strangers:
            await one.is_cut()
        await inside.ping()
    assert await relay.metric(TURNED, why="full") == len(strangers)


@pytest.mark.parametrize("in_fragments", [False, True])
@pytest.mark.parametrize("path", [ATTACH, CARRY])
async def test_who_says_much_before_it_is_let_in_is_cut_off_unheard(
    relay: Relay, path: str, in_fragments: bool
) -> None:
    words = [b"x"] * (OPENING_BYTES // 4) if in_fragments else bytes(OPENING_BYTES)
    async with opened(relay, path) as connection:
        with contextlib.suppress(ConnectionClosed):
            await connection.send(words)

        end = await closed(connection)

    assert end.rcvd is None


@pytest.mark.big
@pytest.mark.parametrize("let_in", [False, True])
async def test_who_pings_and_does_not_read_the_answers_is_cut_off(relay: Relay, let_in: bool) -> None:
    """The library answers each Ping, whether or not the answer before was read."""
    if let_in:
        wire = (await relay.attach(relay.pair().phone)).wire
        assert isinstance(wire, WebWire)
        connection = await wire.connection()
    else:
        connection = await opened(relay)
    connection.transport.pause_reading()

    # Far more than the system keeps on the way, and the relay for who does not read.
    with contextlib.suppress(ConnectionError):
        for _ in range(MOST_PINGED // len(PINGS)):
            connection.transport.write(PINGS)
            await connection.drain()

    await until(connection.transport.is_closing)


async def test_what_nobody_reads_waits_in_the_log_and_comes_when_it_is_read(relay: Relay) -> None:
    """The line to the phone stands still: the relay keeps little for it, and forgets it in the end, as over gRPC."""
    pair = relay.pair()
    host = await relay.attach(pair.host)
    async with Proxy(relay.address) as line:
        phone = await relay.attach(pair.phone, through=line.address)
        line.freeze()
        for number in range(200):
            await host.keep(number.to_bytes(2, "big") * 20_000)
        await host.until(lambda: len(host.rows()) == 200)
        line.thaw()

        await phone.until(lambda: len(phone.rows()) == 200)

        assert phone.rows() == list(range(1, 201))


async def test_a_stream_goes_over_tls_and_a_new_certificate_is_shown_without_a_restart(tmp_path: Path) -> None:
    certificates = Certificates(tmp_path / "certificates")
    old, new = certificates.issue(), certificates.issue(days=9)
    listen = Address.parse(address_to_come_back_to())
    web = WebOptions(listen=listen, origins=Origins.parse([PAGE]), certificate=certificates.server(old))
    async with Relay(tmp_path / "relay", carrier="web", web=web) as relay:
        wire = WebWire(relay.address, ATTACH, tls=certificates.believing(), origin=PAGE)
        hello = pb.DeviceFrame(hello=relay.pair().phone.hello())
        await wire.write(pb.AttachRequest(frames=[hello]).SerializeToString())
        assert pb.AttachResponse.FromString(await wire.read() or b"").frames[0].HasField("challenge")
        assert is_shown(old, await shown_by(relay.address))

        certificates.keys(new)

        assert is_shown(new, await shown_by(relay.address))
        await (await wire.connection()).ping()  # the stream goes on
        await wire.cut()
        assert await relay.metric("dispatch_relay_certificate_loads_total", listener="web", result="ok") == 1


async def test_a_relay_that_stops_says_so_in_the_close_and_leaves_no_connection(relay: Relay) -> None:
    phone = await relay.attach(relay.pair().phone)
    async with opened(relay) as idle:
        stopping = asyncio.create_task(relay.stop())

        assert isinstance(await phone.ended(), errors.Draining)

        await closed(idle)
        await stopping
