"""Strangers' connections to a listener for browsers: they cost their makers nothing. docs/web.md "Connections"."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from dispatch.address import Address
from dispatch.runtime.certificate import Certificate, CertificateMetrics
from dispatch.runtime.web_server import WebServer
from prometheus_client import CollectorRegistry

from tests.support.certificates import Certificates
from tests.support.silent import silent
from tests.support.waiting import DEADLINE_SECONDS

SHORT_SECONDS = 0.05
HELD_UP_SECONDS = 0.01
LONGER_SECONDS = 0.4
"""Where something has to come before the patience is over."""
ASK = b"GET / HTTP/1.1\r\nHost: here\r\n\r\n"


class Site:
    """Answers, when it may."""

    def __init__(self) -> None:
        self.may_answer = asyncio.Event()
        self.may_answer.set()
        self.asked = asyncio.Event()

    async def __call__(self, _scope: Any, _receive: Any, send: Any) -> None:
        self.asked.set()
        await self.may_answer.wait()
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
        await send({"type": "http.response.body", "body": b"ok"})


Serving = Callable[..., AbstractAsyncContextManager[Address]]


@pytest.fixture
def site() -> Site:
    return Site()


@pytest.fixture
def serving(site: Site) -> Serving:
    """Give what serves it."""

    @asynccontextmanager
    async def serve(**options: Any) -> AsyncIterator[Address]:
        server = WebServer(**{"certificate": None, "connections": 8, **options})
        address = server.bind(Address(host="127.0.0.1", port=0))
        await server.start(site, behind_proxy=False, grace_seconds=1)
        try:
            yield address
        finally:
            await server.stop()

    return serve


async def status_of(address: Address, certificates: Certificates | None = None) -> int:
    """Ask as a browser does that has just come."""
    believing = True if certificates is None else certificates.believing()
    async with httpx.AsyncClient(trust_env=False, timeout=DEADLINE_SECONDS, verify=believing) as client:
        scheme = "http" if certificates is None else "https"
        return (await client.get(f"{scheme}://{address}/")).status_code


async def test_who_asks_for_nothing_makes_room_for_who_asks(serving: Serving) -> None:
    async with serving(connections=2) as address, silent(address, 20) as strangers:
        assert await status_of(address) == 200

        for one in strangers[:-1]:
            await one.is_cut()


@pytest.fixture
def certificates(tmp_path: Path) -> Certificates:
    return Certificates(tmp_path)


@pytest.fixture
def shown(certificates: Certificates) -> Certificate:
    """Give what is shown where TLS is spoken."""
    seen = CertificateMetrics(CollectorRegistry(), prefix="test")
    return Certificate(certificates.server(certificates.issue()), listener="web", metrics=seen)


async def test_a_handshake_that_does_not_end_makes_room_for_who_asks(
    serving: Serving, certificates: Certificates, shown: Certificate
) -> None:
    async with serving(connections=2, certificate=shown) as address, silent(address, 20) as strangers:
        assert await status_of(address, certificates) == 200

        for one in strangers[:-1]:
            await one.is_cut()


async def test_a_handshake_that_does_not_end_is_cut_off(serving: Serving, shown: Certificate) -> None:
    async with serving(patience_seconds=SHORT_SECONDS, certificate=shown) as address, silent(address) as (stranger,):
        await stranger.is_cut()


async def test_a_handshake_that_is_none_is_cut_off(serving: Serving, shown: Certificate) -> None:
    async with serving(certificate=shown) as address, silent(address) as (stranger,):
        stranger.says(ASK)

        await stranger.is_cut()


async def test_whatever_comes_together_is_taken_in_order(
    serving: Serving, certificates: Certificates, shown: Certificate
) -> None:
    """A loop that is held up finds a connection and its handshake, or the end of that and the request, at once."""
    trusting = certificates.believing()

    def asked(address: Address) -> bytes:
        with (
            socket.create_connection((address.host, address.port)) as plain,
            trusting.wrap_socket(plain, server_hostname="localhost") as secured,
        ):
            secured.sendall(ASK)
            return secured.recv(100)

    async with serving(certificate=shown) as address:
        for _ in range(10):
            asking = asyncio.create_task(asyncio.to_thread(asked, address))
            while not asking.done():
                await asyncio.sleep(0)
                time.sleep(HELD_UP_SECONDS)  # noqa: ASYNC251 -- that nothing else happens meanwhile is the point
            assert (await asking).startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize("said", [b"", b"GET / HTTP/1.1\r\nHost: he"])
async def test_a_request_that_does_not_end_is_cut_off(serving: Serving, said: bytes) -> None:
    async with serving(patience_seconds=SHORT_SECONDS) as address, silent(address) as (stranger,):
        stranger.says(said)

        await stranger.is_cut()


@pytest.mark.parametrize("more", [b"", b"GET / HT"])
async def test_a_connection_that_was_answered_is_not_kept_for_ever(serving: Serving, more: bytes) -> None:
    async with serving(patience_seconds=LONGER_SECONDS) as address, silent(address) as (stranger,):
        stranger.says(ASK)
        await stranger.hears(b"ok")
        stranger.says(more)

        await stranger.is_cut()


async def test_a_body_that_nobody_asked_for_is_not_waited_for(serving: Serving) -> None:
    async with serving(patience_seconds=LONGER_SECONDS) as address, silent(address) as (stranger,):
        stranger.says(ASK.replace(b"\r\n\r\n", b"\r\nContent-Length: 9999999\r\n\r\n"))
        await stranger.hears(b"ok")

        await stranger.is_cut()


async def test_who_is_being_answered_is_left_alone_however_long_it_takes(serving: Serving, site: Site) -> None:
    site.may_answer.clear()
    async with serving(patience_seconds=LONGER_SECONDS, connections=2) as address:
        asking = asyncio.create_task(status_of(address))
        await site.asked.wait()
        # Each is there for as long as somebody may be who asks for nothing.
        for _ in range(2):
            async with silent(address) as (stranger,):
                await stranger.is_cut()
        async with silent(address, 20):
            site.may_answer.set()

            assert await asking == 200


async def test_one_too_many_that_asks_is_told_so(serving: Serving, site: Site) -> None:
    site.may_answer.clear()
    async with serving(connections=1) as address:
        asking = asyncio.create_task(status_of(address))
        await site.asked.wait()

        assert await status_of(address) == 503

        site.may_answer.set()
        assert await asking == 200


LIMITED = """
import resource, sys
from dispatch.runtime.descriptors import make_room
resource.setrlimit(resource.RLIMIT_NOFILE, (64, int(sys.argv[1])))
make_room(connections=100, setting="THE_SETTING")
print(resource.getrlimit(resource.RLIMIT_NOFILE)[0])
"""


def limited(most: int) -> subprocess.CompletedProcess[str]:
    """Make room in a process that may have so many files open."""
    return subprocess.run([sys.executable, "-c", LIMITED, str(most)], capture_output=True, text=True, check=False)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such limit")
def test_a_service_takes_all_the_open_files_that_it_may_have() -> None:
    assert limited(1_000).stdout == "1000\n"


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such limit")
def test_more_connections_than_there_may_be_open_files_are_refused_at_start() -> None:
    refused = limited(300)

    assert "100 connections of browsers take 456 open files, and this process may have 300" in refused.stderr
    assert "or lower THE_SETTING" in refused.stderr
