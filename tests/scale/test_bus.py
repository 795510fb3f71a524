"""The connection to the bus, on a real server: it comes back by itself. test_pairing_services.py reads what it logs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from dispatch.runtime.bus import BusOptions, connect, read
from nats.aio.client import Client

from tests.support.certificates import Certificates
from tests.support.nats import NatsServer
from tests.support.waiting import DEADLINE_SECONDS, until


@pytest.fixture
def server() -> Iterator[NatsServer]:
    with NatsServer.running() as running:
        yield running


@asynccontextmanager
async def connected(options: BusOptions) -> AsyncIterator[tuple[Client, list[str]]]:
    """Give a client, and what it tells."""
    told: list[str] = []

    async def disconnected() -> None:
        told.append("disconnected")

    async def reconnected() -> None:
        told.append("reconnected")

    async with asyncio.timeout(DEADLINE_SECONDS):
        client = await connect(options, name="test", disconnected=disconnected, reconnected=reconnected)
    try:
        yield client, told
    finally:
        await client.close()


async def test_what_one_says_the_other_hears_and_itself_does_not(server: NatsServer, tmp_path: Path) -> None:
    options = read(server.address_file(tmp_path / "bus"))
    async with connected(options) as (one, _), connected(options) as (other, _):
        mine, theirs = await one.subscribe("a"), await other.subscribe("a")
        await asyncio.gather(one.flush(), other.flush())
        await one.publish("a", b"1")
        await other.publish("a", b"2")

        assert (await mine.next_msg(DEADLINE_SECONDS)).data == b"2"
        assert (await theirs.next_msg(DEADLINE_SECONDS)).data == b"1"
        await asyncio.gather(one.flush(), other.flush())
        assert (mine.pending_msgs, theirs.pending_msgs) == (0, 0)


async def test_a_server_that_comes_back_is_used_again_with_the_subscriptions(
    server: NatsServer, tmp_path: Path
) -> None:
    options = read(server.address_file(tmp_path / "bus"))
    async with connected(options) as (one, told), connected(options) as (other, _):
        heard = await other.subscribe("a")
        await other.flush()
        server.kill()
        await until(lambda: "disconnected" in told)
        server.start()
        await until(lambda: "reconnected" in told and other.is_connected)
        await other.flush()  # connected is not yet subscribed
        await one.publish("a", b"again")

        assert (await heard.next_msg(DEADLINE_SECONDS)).data == b"again"


async def test_who_starts_before_the_server_gets_in_when_it_is_there(server: NatsServer, tmp_path: Path) -> None:
    server.kill()
    waiting = asyncio.create_task(connect(read(server.address_file(tmp_path / "bus")), name="test"))
    server.start()
    async with asyncio.timeout(DEADLINE_SECONDS):
        client = await waiting
    assert client.is_connected
    await client.close()


async def test_a_server_with_another_password_for_a_while_does_not_close_the_client(
    server: NatsServer, tmp_path: Path
) -> None:
    """Found in nats-py: a complaint of the server's ended the client for good."""
    async with connected(read(server.address_file(tmp_path / "bus"))) as (client, told):
        password, server.password = server.password, "another"
        server.kill()
        server.start()
        await until(lambda: told == ["disconnected"] and client.is_reconnecting)
        server.kill()
        server.password = password
        server.start()

        await until(lambda: client.is_connected)


async def test_a_client_that_the_server_throws_out_comes_back(server: NatsServer, tmp_path: Path) -> None:
    async with connected(read(server.address_file(tmp_path / "bus"))) as (client, told):
        await client._process_err("'maximum connections exceeded'")  # no server says so without a cluster of clients

        await until(lambda: told == ["disconnected", "reconnected"])
        assert client.is_connected


async def test_over_tls_both_sides_show_who_they_are(tmp_path: Path) -> None:
    certificates, others = Certificates(tmp_path / "ours"), Certificates(tmp_path / "others", "others")
    keys = certificates.keys(certificates.issue(caller=True), name="us")
    with NatsServer.running(tls=certificates.keys(), callers=certificates.file) as server:
        file = server.address_file(tmp_path / "bus")
        async with connected(read(file, ca=certificates.file, keys=keys)) as (client, _):
            assert client.is_connected
        for options in (read(file, ca=others.file, keys=keys), read(file, ca=certificates.file)):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(1):
                    await connect(options, name="test")


async def test_a_server_that_says_it_has_no_tls_hears_no_password(tmp_path: Path) -> None:
    """Found in nats-py: with `tls://` it went on in the clear, password first, when the server did not ask for TLS."""
    heard, hung_up = bytearray(), asyncio.Event()

    async def in_between(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b'INFO {"server_id":"x","version":"2.9.10","auth_required":true,"max_payload":1048576}\r\n')
        while chunk := await reader.read(65_536):
            heard.extend(chunk)
        writer.close()
        hung_up.set()

    listener = await asyncio.start_server(in_between, "127.0.0.1", 0)
    file = tmp_path / "bus"
    file.touch(mode=0o600)
    file.write_text(f"tls://ada:s3cret@127.0.0.1:{listener.sockets[0].getsockname()[1]}")
    async with listener, asyncio.timeout(DEADLINE_SECONDS):
        connecting = asyncio.create_task(connect(read(file), name="test"))
        await hung_up.wait()
        connecting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await connecting
    assert heard == b""
