"""The scripted network does to bytes what a fault says it does."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from tests.faults.network import Direction, Network, Part, Weather
from tests.support.waiting import until

ALL = frozenset(Part)


def said(word: bytes) -> bytes:
    """Wrap a word as HTTP/2 does: the network passes whole frames on."""
    return len(word).to_bytes(3, "big") + bytes([8, 0, 0, 0, 0, 1]) + word


class Echo:
    """A server that says back what it hears, and remembers it in order."""

    def __init__(self) -> None:
        self.heard = bytearray()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(1024):
            self.heard += data
            writer.write(data)
        writer.close()


@pytest.fixture
def echo() -> Echo:
    return Echo()


@pytest.fixture
async def network(echo: Echo) -> AsyncIterator[Network]:
    server = await asyncio.start_server(echo.serve, "127.0.0.1", 0)
    async with server, Network(lambda *_: Part.HOST) as between:
        between.target = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
        yield between
        between.clear()


async def dial(network: Network) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    host, _, port = network.address.rpartition(":")
    return await asyncio.open_connection(host, int(port))


async def test_in_fair_weather_everything_passes(network: Network) -> None:
    reader, writer = await dial(network)
    writer.write(said(b"hello"))

    assert await reader.readexactly(14) == said(b"hello")
    writer.close()


async def test_what_a_mute_part_says_is_heard_when_the_weather_clears(network: Network, echo: Echo) -> None:
    reader, writer = await dial(network)
    network.change(ALL, lambda: Weather(held=frozenset({Direction.UP})))
    writer.write(said(b"held"))
    other_reader, other_writer = await dial(network)
    network.change(frozenset({Part.PHONE}), Weather)  # another part's weather changes nothing
    await until(lambda: network.held == 1)
    assert not echo.heard

    network.clear()

    assert await reader.readexactly(13) == said(b"held")
    writer.close()
    other_writer.close()
    assert await other_reader.read() == b""


async def test_in_an_outage_old_connections_break_and_new_ones_do_not_come_about(network: Network) -> None:
    reader, writer = await dial(network)
    writer.write(said(b"a"))
    await reader.readexactly(10)
    network.change(ALL, lambda: Weather(refused=True))
    network.cut(ALL)

    with pytest.raises(ConnectionError):
        await reader.readexactly(1)
    new_reader, new_writer = await dial(network)
    with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
        await new_reader.readexactly(1)
    writer.close()
    new_writer.close()


async def test_words_of_a_stranded_connection_are_heard_behind_those_of_the_new_one(
    network: Network, echo: Echo
) -> None:
    reader, writer = await dial(network)
    writer.write(said(b"0"))
    await reader.readexactly(10)
    network.mute_now(ALL)
    writer.write(said(b"old"))
    await until(lambda: network.held == 1)
    network.strand(ALL)
    with pytest.raises(ConnectionError):
        await reader.readexactly(1)
    new_reader, new_writer = await dial(network)
    new_writer.write(said(b"new"))
    assert await new_reader.readexactly(12) == said(b"new")

    network.clear()

    await until(lambda: len(echo.heard) >= 34)
    assert bytes(echo.heard) == said(b"0") + said(b"new") + said(b"old")
    new_writer.close()
