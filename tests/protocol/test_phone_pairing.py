"""The phone signs in and pairs through a real pairing service; the host's side is the driver that hosts use."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from dispatch import errors
from dispatch.api.relay.v1.relay_pb2 import DeviceKind
from dispatch.clock import SystemClock
from dispatch.device.ceremony import host_pair
from dispatch.device.home import Home
from dispatch.device.keys import DeviceKey, PlainFiles
from dispatch.device.pairing_client import PairingClient
from dispatch.device.sign_in import session_of, sign_in
from dispatch.pairing.ceremony import Paired
from mobile_sim.desk import Desk, opened_desk

from tests.support.pairing_device import PASSWORD
from tests.support.pairing_service import PairingService

Event = dict[str, Any]


class Host:
    """A host in front of which a person sits who says what the test decides."""

    def __init__(self, folder: Path, service: PairingService) -> None:
        self.home = Home(folder)
        self.service = service
        self.says = True
        self.links: asyncio.Queue[str] = asyncio.Queue()
        self.codes: list[str] = []

    def show(self, link: str, seconds: float) -> None:
        self.links.put_nowait(link)

    async def same(self, code: str, peer: str) -> bool:
        self.codes.append(code)
        return self.says

    def warn(self, error: errors.DispatchError) -> None:
        raise AssertionError(error)

    async def sign_in(self, account: str = "ada") -> None:
        await sign_in(
            self.home, PlainFiles.of(self.home), server=self.service.address, account=account, password=PASSWORD,
            device_name="desk", kind=DeviceKind.DEVICE_KIND_HOST, rng=os.urandom,
        )  # fmt: skip

    @contextlib.asynccontextmanager
    async def pairing(self) -> AsyncIterator[asyncio.Task[Paired]]:
        """Show codes until the block ends."""
        secrets = PlainFiles.of(self.home)
        key = DeviceKey.load(secrets)
        assert key is not None

        async def commit(_: Paired) -> None:
            pass

        client = PairingClient(
            server=self.service.address,
            identity=key.identity(DeviceKind.DEVICE_KIND_HOST),
            session=session_of(secrets),
        )
        async with client:
            pairing = asyncio.create_task(
                host_pair(
                    client, service=self.service.name, name="desk", public_key=key.public, sign=key.sign,
                    rng=os.urandom, person=self, commit=commit,
                )
            )  # fmt: skip
            try:
                yield pairing
            finally:
                pairing.cancel()
                await asyncio.gather(pairing, return_exceptions=True)


class Phone:
    """The phone's desk, and a person in front of it."""

    def __init__(self, desk: Desk, service: PairingService, folder: Path) -> None:
        self.desk = desk
        self.service = service
        self.folder = folder
        self.says = True
        self.events: list[Event] = []

    async def hear(self) -> bool:
        return self.says

    async def do(self, what: str, **options: Any) -> int:
        """Do one command; its events are the newest of `events`."""
        self.events.clear()
        return await self.desk.do({"do": what, **options}, say=self.events.append, hear=self.hear)

    async def login(self, *, account: str = "ada", password: str = PASSWORD) -> int:
        return await self.do(
            "login", server=self.service.address, account=account, password=password, name="pocket", ca=""
        )

    async def pair(self, host: Host) -> int:
        async with host.pairing():
            return await self.do("pair", link=await host.links.get())

    def secrets(self) -> list[str]:
        return sorted(path.name for path in (self.folder / "keys").glob("pair-*"))


@pytest.fixture
async def service(tmp_path: Path) -> AsyncIterator[PairingService]:
    async with PairingService(tmp_path / "service") as running:
        await running.add_account("ada")
        await running.add_account("eve")
        yield running


@pytest.fixture
async def phone(tmp_path: Path, service: PairingService) -> AsyncIterator[Phone]:
    home = Home(tmp_path / "pocket")
    home.create()
    async with opened_desk(home, clock=SystemClock(), rng=os.urandom, plaintext=False) as desk:
        yield Phone(desk, service, home.path)


@pytest.fixture
async def host(tmp_path: Path, service: PairingService) -> Host:
    made = Host(tmp_path / "desk", service)
    await made.sign_in()
    return made


async def test_both_see_the_same_code_and_are_paired_when_both_say_yes(phone: Phone, host: Host) -> None:
    assert await phone.login() == 0

    assert await phone.pair(host) == 0

    assert [event["event"] for event in phone.events] == ["code", "paired"]
    assert phone.events[0]["peer"] == "desk"
    assert [phone.events[0]["code"]] == host.codes
    assert await phone.do("hosts") == 0
    assert [(event["host"], event["state"]) for event in phone.events] == [("desk", "active")]
    assert len(phone.secrets()) == 1


async def test_when_the_phone_says_no_nothing_of_it_is_kept(phone: Phone, host: Host) -> None:
    await phone.login()
    phone.says = False

    assert await phone.pair(host) == 5

    assert (phone.events[-1]["event"], phone.events[-1]["reason"]) == ("not_paired", "PAIRING_REFUSED")
    assert phone.secrets() == []
    assert await phone.do("hosts") == 0
    assert phone.events == []


async def test_when_the_host_says_no_nothing_of_it_is_kept(phone: Phone, host: Host) -> None:
    await phone.login()
    host.says = False

    assert await phone.pair(host) == 5

    assert (phone.events[-1]["event"], phone.events[-1]["reason"]) == ("not_paired", "PAIRING_REFUSED")
    assert phone.secrets() == []


async def test_a_host_of_another_account_can_not_be_paired(phone: Phone, host: Host) -> None:
    await phone.login(account="eve")

    assert await phone.pair(host) == 4

    assert phone.events[-1]["reason"] == "OTHER_ACCOUNT"


async def test_a_code_of_another_service_is_refused_before_anything_is_sent(
    phone: Phone, host: Host, tmp_path: Path
) -> None:
    async with PairingService(tmp_path / "another") as another:
        await another.add_account("ada")
        assert (
            await phone.do("login", server=another.address, account="ada", password=PASSWORD, name="pocket", ca="") == 0
        )

        assert await phone.pair(host) == 4

    assert phone.events[-1]["reason"] == "OTHER_SERVICE"


async def test_a_phone_that_is_not_signed_in_is_told_to_sign_in(phone: Phone, host: Host) -> None:
    assert await phone.pair(host) == 4
    assert phone.events[-1]["reason"] == "SIGN_IN_REQUIRED"


async def test_a_wrong_password_is_refused_and_leaves_no_sign_in(phone: Phone) -> None:
    with pytest.raises(errors.SignInFailed):
        await phone.login(password="a guess")

    await phone.do("status")
    assert not phone.events[0]["signed_in"]


async def test_pairing_the_same_two_again_replaces_the_old_pairing(phone: Phone, host: Host) -> None:
    await phone.login()
    assert await phone.pair(host) == 0
    first = phone.secrets()

    assert await phone.pair(host) == 0

    assert len(phone.secrets()) == 1
    assert phone.secrets() != first
    await phone.do("hosts")
    assert len(phone.events) == 1


async def test_unpair_tells_the_service_and_a_service_that_is_away_later(phone: Phone, host: Host) -> None:
    await phone.login()
    await phone.pair(host)
    await phone.service.stop()

    assert await phone.do("unpair", host=None) == 0
    assert not phone.events[0]["service_told"]
    assert phone.secrets() == []

    await phone.service.start()
    assert await phone.desk.tell_service()


async def test_an_offer_is_used_once(phone: Phone, host: Host) -> None:
    await phone.login()
    async with host.pairing():
        link = await host.links.get()
        assert await phone.do("pair", link=link) == 0

        assert await phone.do("pair", link=link) == 4

    assert phone.events[-1]["reason"] == "OFFER_EXPIRED"
    assert "used before" in phone.events[-1]["detail"]
    assert len(phone.secrets()) == 1
