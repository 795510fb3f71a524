"""The load balancer's own configuration, run by a real HAProxy: whom it takes for serving, where it says that calls come from."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, ExitStack
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest
from dispatch.address import Address
from dispatch.channel import dial
from dispatch.runtime.peer import FORWARDED, Proxies
from dispatch.runtime.server import Health, Server
from dispatch_pairing.limits import Rate
from dispatch_pairing.listeners import WebListener
from grpc_health.v1 import health_pb2, health_pb2_grpc

from deploy.certs import HERE, Authority
from tests.support.browser_end import Browser
from tests.support.certificates import Certificates, served
from tests.support.haproxy import balancing, program
from tests.support.pairing_service import PairingService, with_limits
from tests.support.waiting import until_so

ENOUGH = 6
"""So many calls in a row that go round two services have been at both."""
STRANGER = "203.0.113.7"


@pytest.fixture(autouse=True)
def installed() -> None:
    """Have HAProxy, or say that there is none."""
    program()


@pytest.fixture
def certificates(tmp_path: Path) -> Certificates:
    """One authority for what devices are shown and what the services show, as in compose.scale.yaml."""
    return Certificates(tmp_path / "certificates")


def shown(certificates: Certificates) -> bytes:
    issued = certificates.issue(HERE)
    return issued.certificate + issued.key


class Answers:
    """Asks for health through the balancer; anew each time, as devices come."""

    def __init__(self, address: str, certificates: Certificates) -> None:
        self._address = address
        self._credentials = grpc.ssl_channel_credentials(certificates.pem.encode())

    async def ask(self) -> str:
        """Give what the service said, or the status where none was reached."""
        async with dial(self._address, self._credentials) as channel:
            stub: Any = health_pb2_grpc.HealthStub(channel)  # its published types know no methods
            try:
                said = await stub.Check(health_pb2.HealthCheckRequest(), timeout=10)
            except grpc.aio.AioRpcError as failure:
                return failure.code().name
        return str(Health.ServingStatus.Name(said.status))

    async def all_are(self, answer: str) -> bool:
        """Tell whether enough of them in a row are this."""
        for _ in range(ENOUGH):
            if await self.ask() != answer:
                return False
        return True


@pytest.fixture
async def two(certificates: Certificates, tmp_path: Path) -> AsyncIterator[tuple[list[Server], Answers]]:
    """Give two relays that only tell their health, and what asks them through the balancer."""
    shows = served(certificates.server(certificates.issue(["relay"])))
    async with AsyncExitStack() as stopping:
        relays = [Server(services=()) for _ in range(2)]
        servers = {}
        for number, relay in enumerate(relays, start=1):
            servers[f"relay{number}:7302"] = str(await relay.start(Address.parse("127.0.0.1:0"), certificate=shows))
            stopping.push_async_callback(relay.stop, grace_seconds=0)
            await relay.serving(True)
        with ExitStack() as ending:
            folder = tmp_path / "balancer"
            folder.mkdir()
            ca = certificates.pem.encode()
            bound = ending.enter_context(balancing(folder, servers, shown=shown(certificates), ca=ca))
            yield relays, Answers(bound["RELAY"], certificates)


async def test_a_relay_that_drains_gets_nothing_new_while_it_still_listens(two: tuple[list[Server], Answers]) -> None:
    relays, answers = two
    await until_so(lambda: answers.all_are("SERVING"))

    await relays[0].serving(False)
    await until_so(lambda: answers.all_are("SERVING"))  # the other one's word, each time
    await relays[1].serving(False)
    await until_so(lambda: answers.all_are("UNAVAILABLE"))

    await relays[0].serving(True)
    await until_so(lambda: answers.all_are("SERVING"))


async def test_a_service_with_a_certificate_for_another_name_is_not_spoken_to(
    certificates: Certificates, tmp_path: Path
) -> None:
    relay = Server(services=())
    shows = served(certificates.server(certificates.issue(["elsewhere"])))
    address = await relay.start(Address.parse("127.0.0.1:0"), certificate=shows)
    await relay.serving(True)
    try:
        servers = {"relay1:7302": str(address)}
        with balancing(tmp_path, servers, shown=shown(certificates), ca=certificates.pem.encode()) as bound:
            answers = Answers(bound["RELAY"], certificates)
            await until_so(lambda: answers.all_are("UNAVAILABLE"))
    finally:
        await relay.stop(grace_seconds=0)


async def test_a_caller_is_where_the_balancer_sees_him_whatever_he_says(tmp_path: Path) -> None:
    certificates = Certificates(tmp_path / "certificates")
    authority = Authority.make(
        "services", names=["pairing"], now=certificates.authority.certificate.not_valid_before_utc
    )
    issued = authority.issue(["pairing"], now=certificates.authority.certificate.not_valid_before_utc)
    files = certificates.server(issued)
    one_failure = with_limits(per_address=Rate(burst=1, refill_ms=60_000))
    web = WebListener(Address.parse("127.0.0.1:0"), files)
    async with PairingService(
        tmp_path / "pairing", limits=one_failure, certificate=files, web=web, proxies=Proxies.parse(["127.0.0.1"])
    ) as service:
        await service.add_account("ada")
        servers = {"pairing1:7301": service.address, "pairing1:7304": str(service.running.web)}
        with balancing(tmp_path, servers, shown=shown(certificates), ca=authority.pem) as bound:
            tls = certificates.believing()

            async def there() -> bool:
                async with Browser(bound["PAIRING_WEB"], verify=tls) as browser:
                    try:
                        return (await browser.get("/sign-in")).status_code == 200
                    except httpx.TransportError:
                        return False

            await until_so(there)
            # Each time somebody else, if one asked him.
            for number, status in enumerate((403, 429, 429)):
                said = {FORWARDED: f"{STRANGER[:-1]}{number}"}
                async with Browser(bound["PAIRING_WEB"], verify=tls, headers=said) as browser:
                    assert (await browser.sign_in("ada", "wrong horse")).status_code == status
