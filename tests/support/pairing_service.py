"""A pairing service inside the test's process: real gRPC, real SQLite, a clock moved by hand, passwords that cost little."""

from __future__ import annotations

import os
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.request import urlopen

from dispatch.address import Address
from dispatch.clock import SystemClock
from dispatch.runtime.bus import BusOptions
from dispatch.runtime.certificate import CertificateFiles
from dispatch.runtime.database import DatabaseAddress
from dispatch.runtime.origins import Origins
from dispatch.runtime.peer import Proxies
from dispatch_pairing.accounts import add
from dispatch_pairing.app import Running, Settings, running
from dispatch_pairing.limits import Limits
from dispatch_pairing.listeners import ServicesListener, WebListener
from dispatch_pairing.model import Plan
from dispatch_pairing.oidc.settings import ProviderSettings
from dispatch_pairing.passwords import Cost, Passwords
from dispatch_pairing.policy import Policy
from dispatch_pairing.storage import Storage
from dispatch_pairing.store import Store
from dispatch_pairing.web.provider import Provider

from tests.support import connect_end
from tests.support.pairing_device import PASSWORD, Code, Device, a_host, a_phone, signed_pairing
from tests.support.ports import address_to_come_back_to
from tests.support.wires import WebAddress

CHEAP = Cost(memory_kib=32, iterations=1, lanes=1)


@dataclass(slots=True)
class HandClock:
    """A clock that stands still until somebody moves it."""

    now_ms: int = 1_800_000_000_000

    def wall_ms(self) -> int:
        return self.now_ms

    def steady_ms(self) -> int:
        return self.now_ms - 1_000_000

    def boot_ms(self) -> int:
        return self.steady_ms()


def with_limits(**changed: Any) -> Limits:
    """Give the limits with some of them changed. Nobody looks again by himself: what happens must be heard from the bell."""
    return replace(Limits(look_again_ms=3_600_000, heartbeat_ms=3_600_000), **changed)


async def add_account(storage: Storage | Path, name: str, password: str, plan: Plan = Plan.PRO) -> None:
    """Make an account in a service's data, as the command line does, but with a password that costs little to check."""
    passwords = Passwords(rng=os.urandom, cost=CHEAP, waiting=1)
    try:
        async with store_of(storage) as store:
            await add(name, password, plan=plan, store=store, passwords=passwords, clock=SystemClock(), rng=os.urandom)
    finally:
        passwords.close()


def store_of(storage: Storage | Path) -> AbstractAsyncContextManager[Store]:
    """Open the store of a service beside it, as the command line does; a folder stands for SQLite in it."""
    return (Storage.given(storage) if isinstance(storage, Path) else storage).opened()


@dataclass(slots=True)
class PairingService:
    """The service on one folder; may be stopped and started again, and its folder put back to an older state.

    With `carrier` "web" it takes calls of browsers, and its `address` is where: whatever a test calls comes by there.
    """

    folder: Path
    carrier: str = "grpc"
    limits: Limits = field(default_factory=with_limits)
    clock: HandClock = field(default_factory=HandClock)
    database: DatabaseAddress | None = None
    """Where several services keep what they keep; None: SQLite, in the folder."""
    bus: BusOptions | None = None
    relay: str | None = "127.0.0.1:7302"
    advertise: tuple[str, ...] = ()
    listen: str = field(default_factory=address_to_come_back_to)
    certificate: CertificateFiles | None = None
    services: ServicesListener | None = None
    web: WebListener | None = None
    web_provider: Provider | None = None
    policy: Policy = field(default_factory=Policy)
    provider: ProviderSettings | None = None
    proxies: Proxies = field(default_factory=Proxies)
    _stack: AsyncExitStack = field(default_factory=AsyncExitStack)
    _service: Running | None = None

    async def __aenter__(self) -> PairingService:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def start(self) -> None:
        """Start it; from the second time on at the same address."""
        if self.carrier == "web" and self.web is None:
            self.web = WebListener(Address.parse(address_to_come_back_to()), origins=Origins.parse([connect_end.PAGE]))
        settings = Settings(
            listen=Address.parse(self.listen),
            storage=self.storage,
            bus=self.bus,
            relay=self.relay,
            metrics=Address.parse("127.0.0.1:0"),
            advertise=self.advertise,
            certificate=self.certificate,
            services=self.services,
            web=self.web,
            policy=self.policy,
            provider=self.provider,
            proxies=self.proxies,
        )
        self._service = await self._stack.enter_async_context(
            running(settings, clock=self.clock, limits=self.limits, cost=CHEAP, web_provider=self.web_provider)
        )
        self.listen = str(self._service.address)

    async def stop(self) -> None:
        """Stop it."""
        await self._stack.aclose()
        self._service = None

    async def restart(self) -> None:
        """Stop and start it."""
        await self.stop()
        await self.start()

    async def advance(self, ms: int) -> None:
        """Let time pass, and whoever waits look at the clock."""
        self.clock.now_ms += ms
        self.running.bell.ring_all()

    async def advance_while_stopped(self, ms: int) -> None:
        """Let time pass while nobody is there to notice."""
        assert self._service is None
        self.clock.now_ms += ms

    @property
    def storage(self) -> Storage:
        """What the operator's commands would be told."""
        return Storage(data=self.folder, database=self.database, keys=self.folder)

    @property
    def running(self) -> Running:
        assert self._service is not None
        return self._service

    @property
    def address(self) -> str:
        """Where devices call it."""
        return WebAddress(self.running.web) if self.carrier == "web" else self.grpc_address

    @property
    def grpc_address(self) -> str:
        return str(self.running.address)

    @property
    def name(self) -> str:
        return self.running.service_name

    async def add_account(self, name: str = "ada", password: str = PASSWORD, *, plan: Plan = Plan.PRO) -> None:
        """Make an account, as the command line does: beside the service, on the same file."""
        await add_account(self.storage, name, password, plan)

    def store(self) -> AbstractAsyncContextManager[Store]:
        """Open its store beside it."""
        return store_of(self.storage)

    async def host(self, name: str = "desk", *, account: str = "ada") -> Device:
        """Give a host that is signed in."""
        device = a_host(self.address, name)
        await device.sign_in(account)
        return device

    async def phone(self, name: str = "pocket", *, account: str = "ada") -> Device:
        """Give a phone that is signed in."""
        device = a_phone(self.address, name)
        await device.sign_in(account)
        return device

    def code(self) -> Code:
        """Give a fresh code for an offer."""
        return Code(offer_id=os.urandom(16), token=os.urandom(32))

    async def paired(self, host: Device, phone: Device) -> bytes:
        """Take two devices through a whole ceremony; gives the pair id."""
        code, pair_id = self.code(), os.urandom(16)
        await host.create_offer(code)
        await phone.claim(code)
        for number in range(1, 9):
            await (phone if number % 2 else host).step(code, number)
        await host.complete(signed_pairing(host=host, phone=phone, pair_id=pair_id, offer=code))
        return pair_id

    def metric(self, name: str, **labels: str) -> float:
        """Read a number as Prometheus would."""
        wanted = name + ("{" + ",".join(f'{k}="{v}"' for k, v in sorted(labels.items())) + "}" if labels else "")
        for line in self.metrics_text().splitlines():
            found, _, value = line.rpartition(" ")
            if found == wanted:
                return float(value)
        raise AssertionError(f"no metric {wanted}")

    def metrics_text(self) -> str:
        """Give the whole metrics page."""
        with urlopen(f"http://{self.running.metrics}/metrics") as page:
            text: str = page.read().decode()
        return text
