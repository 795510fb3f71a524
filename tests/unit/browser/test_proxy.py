"""The way out of the browser's sandbox: real sockets, and whatever may speak on them."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from ipaddress import ip_address, ip_network

import pytest
from dispatch_host.browser.proxy import Proxy, Reply, Target
from dispatch_host.browser.reach import Address, Network, Reach

from tests.support.site import Site, a_site

GREETING = b"\x05\x01\x00"
LOOPBACK = Reach.parse("127.0.0.1/32")


def in_no_network() -> Sequence[Network]:
    """A computer in no network."""
    return ()


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    async with a_site() as site:
        yield site


@dataclass
class Names:
    """Names that are looked up, and how often."""

    known: dict[str, list[str]]
    asked: int = 0

    async def look_up(self, name: str) -> Sequence[Address]:
        self.asked += 1
        return [ip_address(one) for one in self.known[name]]


def listening() -> socket.socket:
    return socket.create_server(("127.0.0.1", 0))


async def reach(way_out: socket.socket, request: bytes) -> tuple[bytes, asyncio.StreamReader, asyncio.StreamWriter]:
    """Say a request after the greeting; gives what is answered to both."""
    reader, writer = await asyncio.open_connection(*way_out.getsockname())
    writer.write(GREETING + request)
    return await reader.readexactly(12), reader, writer


def connect(host: str, port: int) -> bytes:
    return b"\x05\x01\x00\x03" + bytes([len(host)]) + host.encode() + port.to_bytes(2)


async def test_a_name_is_looked_up_once_and_the_very_address_is_dialled(site: Site) -> None:
    names = Names({"site.example": ["127.0.0.1"]})
    site.page("/", "hello")
    way_out = listening()
    async with Proxy(way_out, LOOPBACK, resolve=names.look_up, near=in_no_network):
        said, reader, writer = await reach(way_out, connect("site.example", site.port))
        writer.write(b"GET / HTTP/1.1\r\n\r\n")
        answer = said + await reader.read()
        writer.close()

    assert answer[2:4] == bytes([5, Reply.SUCCEEDED])
    assert b"hello" in answer
    assert names.asked == 1


@pytest.mark.parametrize("address", ["10.0.0.1", "127.0.0.2", "::1"])
async def test_what_may_not_be_reached_is_refused_and_told(address: str) -> None:
    names = Names({"evil.example": [address]})
    turned_away: list[Target] = []
    way_out = listening()
    async with Proxy(way_out, LOOPBACK, resolve=names.look_up, near=in_no_network, refused=turned_away.append):
        said, _, writer = await reach(way_out, connect("evil.example", 80))
        writer.close()
        literal, _, writer = await reach(way_out, b"\x05\x01\x00\x01" + bytes([10, 0, 0, 1]) + b"\x00\x50")
        writer.close()

    assert said[3] == literal[3] == Reply.NOT_ALLOWED
    assert turned_away == [Target("evil.example", 80), Target("10.0.0.1", 80)]


async def test_of_several_addresses_only_the_allowed_are_dialled(site: Site) -> None:
    names = Names({"both.example": ["127.0.0.9", "127.0.0.1"]})
    way_out = listening()
    async with Proxy(way_out, LOOPBACK, resolve=names.look_up, near=in_no_network):
        said, _, writer = await reach(way_out, connect("both.example", site.port))
        writer.close()

    assert said[3] == Reply.SUCCEEDED


@pytest.mark.parametrize(
    "words",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        b"\x04\x01\x00\x50\x7f\x00\x00\x01\x00",
        b"\x05\x01\x02" + bytes(20),
        GREETING + b"\x05\x02\x00\x01" + bytes(6),  # bind
        GREETING + b"\x05\x01\x00\x09" + bytes(6),  # a kind of address that there is not
        GREETING + b"\x05\x01\x00\x03\x03\xff\x00\n\x00\x50",
        GREETING + b"\x05\x01\x00\x01\x7f\x00\x00\x01\x00\x00",  # port 0
    ],
)
async def test_whatever_else_is_said_ends_the_connection_and_reaches_nobody(words: bytes, site: Site) -> None:
    way_out = listening()
    async with Proxy(way_out, LOOPBACK, resolve=Names({}).look_up, near=in_no_network):
        reader, writer = await asyncio.open_connection(*way_out.getsockname())
        writer.write(words)
        answer = await reader.read()
        writer.close()

    assert answer[2:4] in (b"", bytes([5, Reply.COMMAND_NOT_SUPPORTED]))
    assert site.asked == []


async def test_a_session_has_only_so_many_bytes(site: Site) -> None:
    site.pages["/"] = b"x" * 100_000
    way_out = listening()
    async with Proxy(way_out, LOOPBACK, resolve=Names({}).look_up, near=in_no_network, most_bytes=50_000):
        _, reader, writer = await reach(way_out, connect("127.0.0.1", site.port))
        writer.write(b"GET / HTTP/1.1\r\n\r\n")
        answer = await reader.read()
        writer.close()

    assert len(answer) < 60_000


async def test_a_public_address_of_this_computers_own_network_is_refused_as_a_private_one(site: Site) -> None:
    """Read at each dial: a network that comes later counts as well."""
    here: list[Network] = []
    names = Names({"neighbour.example": ["8.8.8.9"], "own.example": ["2600::5"]})
    turned_away: list[Target] = []
    way_out = listening()
    async with Proxy(way_out, LOOPBACK, resolve=names.look_up, near=lambda: here, refused=turned_away.append):
        here += [ip_network("8.8.8.0/24"), ip_network("2600::/64")]
        for host in ("neighbour.example", "own.example"):
            said, _, writer = await reach(way_out, connect(host, 443))
            writer.close()
            assert said[3] == Reply.NOT_ALLOWED

    assert [target.host for target in turned_away] == ["neighbour.example", "own.example"]


async def test_where_the_own_networks_can_not_be_told_nothing_is_dialled(site: Site) -> None:
    def fails() -> Sequence[Network]:
        raise OSError

    way_out = listening()
    async with Proxy(way_out, LOOPBACK, resolve=Names({}).look_up, near=fails):
        said, _, writer = await reach(way_out, connect("127.0.0.1", site.port))
        writer.close()

    assert said[3] == Reply.HOST_UNREACHABLE
    assert site.asked == []
