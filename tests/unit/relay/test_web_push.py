"""Web Push and endpoints whose names nobody answers for, or which hang: nobody else waits for them."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from dispatch.api.relay.v1.relay_pb2 import PUSH_HINT_NEWS
from dispatch.clock import SystemClock
from dispatch.ids import PairId
from dispatch_relay.push import OwedCall
from dispatch_relay.push.answers import Answer, Result
from dispatch_relay.push.places import OF_SITE
from dispatch_relay.push.reach import Reach
from dispatch_relay.push.target import Target, read
from dispatch_relay.push.web import WebPush
from dispatch_relay.push.words import Message

from tests.support.certificates import Certificates
from tests.support.push_service import PLEASE_HANG, Browser, PushService
from tests.support.waiting import until

HERE = Reach.of(["127.0.0.0/8", "::1/128"])
LONGER_THAN_THIS_TEST_MS = 600_000


class SilentNames:
    """A name server that hears and never answers. Use as a context manager."""

    def __enter__(self) -> SilentNames:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self._socket.setblocking(False)
        self.address = f"127.0.0.1:{self._socket.getsockname()[1]}"
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    async def asked(self) -> None:
        """Wait until somebody asks."""
        await asyncio.get_running_loop().sock_recv(self._socket, 512)


def web_push(certificates: Certificates, *, timeout_ms: int, nameserver: str | None = None) -> WebPush:
    """Give the transport. Call on the loop."""
    return WebPush(
        ec.generate_private_key(ec.SECP256R1()),
        contact="mailto:operator@example.org",
        reach=HERE,
        ca=certificates.file,
        timeout_ms=timeout_ms,
        clock=SystemClock(),
        nameservers=None if nameserver is None else [nameserver],
    )


def message() -> Message:
    """Give news of a pairing of its own."""
    return Message(PairId(os.urandom(16)), [OwedCall(1, 1, PUSH_HINT_NEWS)])


def target(browser: Browser, endpoint: str | None = None) -> Target:
    """Give where a browser is called."""
    said = browser.target()
    said.endpoint = endpoint or said.endpoint
    return read(said, reach=HERE)


async def tried(way: WebPush, where: Target) -> Answer:
    """Try once, as the bell does."""
    async with way.place(where):
        return await way.send(message(), where)


@pytest.fixture
def certificates(tmp_path: Path) -> Certificates:
    return Certificates(tmp_path / "certificates")


@pytest.fixture
async def service(certificates: Certificates) -> AsyncIterator[PushService]:
    async with PushService(certificates) as service:
        yield service


async def test_names_that_nobody_answers_for_hold_no_thread_of_the_relay(certificates: Certificates) -> None:
    with SilentNames() as names:
        way = web_push(certificates, timeout_ms=LONGER_THAN_THIS_TEST_MS, nameserver=names.address)
        evil = [target(Browser("https://push.example"), f"https://x.evil{n}.example/p") for n in range(64)]
        trying = [asyncio.create_task(tried(way, one)) for one in evil]
        await names.asked()

        assert await asyncio.to_thread(lambda: "there is a thread") == "there is a thread"

        assert not any(one.done() for one in trying)
        for one in trying:
            one.cancel()
        await asyncio.wait(trying)
        await way.close()


async def test_a_name_that_nobody_answers_for_can_not_be_reached(certificates: Certificates) -> None:
    with SilentNames() as names:
        way = web_push(certificates, timeout_ms=300, nameserver=names.address)

        answer = await tried(way, target(Browser("https://push.example/p")))

        assert answer == Answer(Result.UNREACHABLE)
        await way.close()


async def test_push_services_that_hang_keep_nobody_else_waiting(
    certificates: Certificates, service: PushService
) -> None:
    way = web_push(certificates, timeout_ms=LONGER_THAN_THIS_TEST_MS)
    slow = [service.subscribe([PLEASE_HANG]) for _ in range(OF_SITE + 4)]
    good = service.subscribe()
    trying = [asyncio.create_task(tried(way, target(one))) for one in slow]
    await until(lambda: sum(len(one.tried) for one in slow) == OF_SITE)

    elsewhere = target(good, good.endpoint.replace("localhost", "127.0.0.1"))
    assert await tried(way, elsewhere) == Answer(Result.SENT)

    assert sum(len(one.tried) for one in slow) == OF_SITE
    for task in trying:
        task.cancel()
    await asyncio.wait(trying)
    await way.close()
