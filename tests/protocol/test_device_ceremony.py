"""Two devices pair through a real pairing service, with the drivers that phone and host use."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from dispatch import errors
from dispatch.api.pairing.v1.pairing_pb2 import FollowOfferResponse, OfferStep
from dispatch.api.relay.v1.relay_pb2 import DeviceKind
from dispatch.device.ceremony import CONFIRM_SECONDS, host_pair, phone_pair
from dispatch.device.home import Home
from dispatch.device.keys import DeviceKey, PlainFiles
from dispatch.device.pairing_client import PairingClient
from dispatch.device.sign_in import SignIn, session_of, sign_in
from dispatch.device.trust import Trust, check_grant
from dispatch.pairing.ceremony import Paired
from dispatch.pairing.link import read_link

from tests.support.hostile_pairing import HostilePairing
from tests.support.pairing_device import PASSWORD
from tests.support.pairing_service import PairingService


@dataclass
class FakePerson:
    """A person who says what the test decides; records what was shown."""

    says: bool = True
    links: asyncio.Queue[str] = field(default_factory=asyncio.Queue)
    codes: list[tuple[str, str]] = field(default_factory=list)
    warnings: list[errors.DispatchError] = field(default_factory=list)

    def show(self, link: str, seconds: float) -> None:
        assert seconds > 0
        self.links.put_nowait(link)

    async def same(self, code: str, peer: str) -> bool:
        self.codes.append((code, peer))
        return self.says

    def warn(self, error: errors.DispatchError) -> None:
        self.warnings.append(error)


class Device:
    """One signed-in device."""

    def __init__(self, home: Home, kind: DeviceKind.ValueType) -> None:
        self.home, self.kind = home, kind
        self.store = PlainFiles.of(home)
        self.person = FakePerson()
        self.committed: list[Paired] = []

    async def sign_in(self, server: str, *, account: str = "ada", password: str = PASSWORD) -> SignIn:
        return await sign_in(
            self.home, self.store, server=server, account=account, password=password,
            device_name=self.home.path.name, kind=self.kind, rng=os.urandom,
        )  # fmt: skip

    @property
    def key(self) -> DeviceKey:
        key = DeviceKey.load(self.store)
        assert key is not None
        return key

    def client(self) -> PairingClient:
        return PairingClient(
            server=SignIn.required(self.home).server,
            identity=self.key.identity(self.kind),
            session=session_of(self.store),
        )

    async def commit(self, paired: Paired) -> None:
        self.committed.append(paired)

    async def show_codes(self) -> Paired:
        signed_in = SignIn.required(self.home)
        async with self.client() as client:
            return await host_pair(
                client, service=signed_in.service_name, name=signed_in.device_name, public_key=self.key.public,
                sign=self.key.sign, rng=os.urandom, person=self.person, commit=self.commit,
            )  # fmt: skip

    async def scan(self, link: str, *, within_seconds: float = CONFIRM_SECONDS) -> Paired:
        signed_in = SignIn.required(self.home)
        async with self.client() as client:
            return await phone_pair(
                client, code=read_link(link), name=signed_in.device_name, public_key=self.key.public,
                sign=self.key.sign, rng=os.urandom, person=self.person, commit=self.commit,
                within_seconds=within_seconds,
            )  # fmt: skip


@pytest.fixture
async def service(tmp_path: Path) -> AsyncIterator[PairingService]:
    async with PairingService(tmp_path / "pairing") as service:
        await service.add_account()
        yield service


@pytest.fixture
async def host(service: PairingService, tmp_path: Path) -> Device:
    device = Device(Home(tmp_path / "desk"), DeviceKind.DEVICE_KIND_HOST)
    await device.sign_in(service.address)
    return device


@pytest.fixture
async def phone(service: PairingService, tmp_path: Path) -> Device:
    device = Device(Home(tmp_path / "pocket"), DeviceKind.DEVICE_KIND_PHONE)
    await device.sign_in(service.address)
    return device


async def meet(host: Device, phone: Device) -> tuple[Paired | BaseException, Paired | BaseException]:
    showing = asyncio.create_task(host.show_codes())
    link = await host.person.links.get()
    scanning = asyncio.create_task(phone.scan(link))
    on_host, on_phone = await asyncio.gather(showing, scanning, return_exceptions=True)
    return on_host, on_phone


async def test_both_say_yes_to_the_same_code_and_hold_the_same_pairing(host: Device, phone: Device) -> None:
    on_host, on_phone = await meet(host, phone)

    assert isinstance(on_host, Paired)
    assert isinstance(on_phone, Paired)
    assert host.person.codes[0][0] == phone.person.codes[0][0]
    assert host.person.codes[0][1] == "pocket"
    assert phone.person.codes[0][1] == "desk"
    assert on_host.keys.pair_id == on_phone.keys.pair_id
    assert on_host.keys.pair_psk == on_phone.keys.pair_psk
    assert [paired.host_signature is None for paired in phone.committed] == [True, False]
    assert on_phone.host_signature == on_host.host_signature


@pytest.mark.parametrize("refuser", ["host", "phone"])
async def test_a_no_on_either_side_ends_it_for_both(host: Device, phone: Device, refuser: str) -> None:
    (host if refuser == "host" else phone).person.says = False

    on_host, on_phone = await meet(host, phone)

    assert isinstance(on_host, errors.RefusedByPerson)
    assert isinstance(on_phone, errors.RefusedByPerson)
    assert host.committed == []


async def test_a_host_that_is_stopped_while_it_keeps_the_pairing_keeps_it_and_does_not_tell_the_phone_no(
    host: Device, phone: Device
) -> None:
    """The host had the pairing, the phone heard that it was refused: a phone that nobody holds was paired for good."""
    keeping, go_on = asyncio.Event(), asyncio.Event()

    async def commit(paired: Paired) -> None:
        keeping.set()
        await go_on.wait()
        host.committed.append(paired)

    host.commit = commit  # type: ignore[method-assign] # the test's own seam: this disk takes its time
    showing = asyncio.create_task(host.show_codes())
    link = await host.person.links.get()
    scanning = asyncio.create_task(phone.scan(link))
    await keeping.wait()

    showing.cancel()
    asyncio.get_running_loop().call_soon(go_on.set)
    with pytest.raises(asyncio.CancelledError):
        await showing

    assert len(host.committed) == 1
    with pytest.raises(errors.NoNetwork, match="the service has the pair"):  # for which it keeps its side
        await scanning


async def test_a_paired_phone_gets_a_grant_that_the_host_can_check_by_itself(host: Device, phone: Device) -> None:
    on_host, _ = await meet(host, phone)
    assert isinstance(on_host, Paired)
    async with phone.client() as client:
        renewed = await client.renew_grant(on_host.keys.pair_id, "0.1.0")
    signed = renewed.grant.SerializeToString()
    expected: dict[str, Any] = {"pair_id": on_host.keys.pair_id, "device_key": phone.key.public, "role": phone.kind}
    keys = Trust(host.home).keys()

    check_grant(keys, signed, now_ms=renewed.server_time_ms, **expected)

    for wrong in ({"pair_id": bytes(16)}, {"device_key": host.key.public}, {"role": host.kind}):
        with pytest.raises(errors.GrantInvalid):
            check_grant(keys, signed, now_ms=renewed.server_time_ms, **{**expected, **wrong})
    with pytest.raises(errors.GrantInvalid):
        check_grant(keys, signed, now_ms=renewed.server_time_ms + 25 * 3_600_000, **expected)
    with pytest.raises(errors.GrantInvalid):
        check_grant(keys, signed[:-1] + bytes([signed[-1] ^ 1]), now_ms=renewed.server_time_ms, **expected)


async def test_the_wrong_password_and_a_strangers_account_are_refused(
    service: PairingService, tmp_path: Path, host: Device, phone: Device
) -> None:
    with pytest.raises(errors.SignInFailed):
        await phone.sign_in(service.address, password="wrong")
    await service.add_account("eve")
    eve = Device(Home(tmp_path / "eve"), DeviceKind.DEVICE_KIND_PHONE)
    await eve.sign_in(service.address, account="eve")
    showing = asyncio.create_task(host.show_codes())
    link = await host.person.links.get()

    with pytest.raises(errors.OtherAccount):
        await eve.scan(link)

    assert isinstance(await phone.scan(link), Paired)
    assert isinstance(await showing, Paired)


async def test_a_second_phone_at_the_same_code_is_refused_and_the_host_is_warned(
    service: PairingService, tmp_path: Path, host: Device, phone: Device
) -> None:
    other = Device(Home(tmp_path / "other"), DeviceKind.DEVICE_KIND_PHONE)
    await other.sign_in(service.address)
    asked = asyncio.Event()
    answer = asyncio.Event()

    async def undecided(code: str, peer: str) -> bool:
        asked.set()
        await answer.wait()
        return bool(code and peer)

    phone.person.same = undecided  # type: ignore[method-assign] # the fake's own seam: this person takes their time
    showing = asyncio.create_task(host.show_codes())
    link = await host.person.links.get()
    scanning = asyncio.create_task(phone.scan(link))
    await asked.wait()

    with pytest.raises(errors.OfferClaimed):
        await other.scan(link)

    answer.set()
    assert isinstance(await scanning, Paired)
    assert isinstance(await showing, Paired)
    assert [type(warning) for warning in host.person.warnings] == [errors.OfferClaimed]


async def test_two_pairings_at_one_host_do_not_fight_for_the_code(host: Device, phone: Device) -> None:
    """`dispatch-host pair` in two terminals: the newest counts, and neither uses up the codes of an hour."""
    first = asyncio.create_task(host.show_codes())
    old = await host.person.links.get()

    second = asyncio.create_task(host.show_codes())
    new = await host.person.links.get()

    with pytest.raises(errors.OfferReplaced):
        await first
    with pytest.raises(errors.OfferReplaced):
        await phone.scan(old)
    assert isinstance(await phone.scan(new), Paired)
    assert isinstance(await second, Paired)
    assert host.person.links.empty()


def flipped(step: int) -> Callable[[FollowOfferResponse], list[FollowOfferResponse]]:
    """Change one bit of a step's payload."""

    def twist(event: FollowOfferResponse) -> list[FollowOfferResponse]:
        if event.step.step == step:
            event.step.payload = event.step.payload[:-1] + bytes([event.step.payload[-1] ^ 1])
        return [event]

    return twist


def replaced(step: int, by: int) -> Callable[[FollowOfferResponse], list[FollowOfferResponse]]:
    """Give the payload of an earlier step of the same side instead of a step's own."""
    earlier: dict[int, bytes] = {}

    def twist(event: FollowOfferResponse) -> list[FollowOfferResponse]:
        earlier.setdefault(event.step.step, event.step.payload)
        if event.step.step == step:
            event.step.payload = earlier[by]
        return [event]

    return twist


def early(step: int) -> Callable[[FollowOfferResponse], list[FollowOfferResponse]]:
    """Give a step before its turn as well."""

    def twist(event: FollowOfferResponse) -> list[FollowOfferResponse]:
        if event.step.step == step:
            return [FollowOfferResponse(step=OfferStep(step=step + 2, payload=event.step.payload)), event]
        return [event]

    return twist


TWISTS = {
    **{f"changes a bit of step {step}": flipped(step) for step in range(1, 9)},
    **{f"replays step {step - 2} as step {step}": replaced(step, step - 2) for step in range(3, 9)},
    **{f"gives step {step + 2} before step {step}": early(step) for step in range(1, 7)},
}


@pytest.mark.parametrize("name", TWISTS)
async def test_a_pairing_service_that_meddles_gets_no_pair_that_both_believe_in(tmp_path: Path, name: str) -> None:
    async with PairingService(tmp_path / "pairing") as service:
        await service.add_account()
        hostile = HostilePairing(service.address)
        await hostile.start()
        service.advertise = (hostile.address,)
        await service.restart()
        host = Device(Home(tmp_path / "desk"), DeviceKind.DEVICE_KIND_HOST)
        phone = Device(Home(tmp_path / "pocket"), DeviceKind.DEVICE_KIND_PHONE)
        await host.sign_in(hostile.address)
        await phone.sign_in(hostile.address)
        hostile.twist = TWISTS[name]

        on_host, on_phone = await meet(host, phone)

        await hostile.stop()
        assert hostile.twisted, "the service told the truth, so this proves nothing"
        # Step 8 is the host's last word: its own side stands by then, and only the phone is kept from knowing yet.
        if name.endswith("step 8"):
            assert isinstance(on_host, Paired)
        else:
            assert isinstance(on_host, errors.HandshakeFailed | errors.RefusedByPerson), on_host
            assert host.committed == []
        assert isinstance(on_phone, errors.HandshakeFailed | errors.RefusedByPerson), on_phone
        assert all(paired.host_signature is None for paired in phone.committed)


async def test_a_service_that_restarts_while_two_people_compare_does_not_end_their_pairing(
    service: PairingService, host: Device, phone: Device
) -> None:
    """It says that it restarts, and was taken at its word for the end of the ceremony."""
    asked, answers = asyncio.Event(), asyncio.Event()

    class Slow(FakePerson):
        async def same(self, code: str, peer: str) -> bool:
            asked.set()
            return await answers.wait()

    phone.person = Slow()
    meeting = asyncio.create_task(meet(host, phone))
    await asked.wait()

    await service.restart()

    answers.set()
    on_host, on_phone = await meeting
    assert isinstance(on_host, Paired), on_host
    assert isinstance(on_phone, Paired), on_phone


@pytest.mark.big
async def test_a_phone_that_can_not_reach_the_service_behind_its_yes_does_not_know_that_there_is_no_pair(
    service: PairingService, host: Device, phone: Device
) -> None:
    """Its yes may have arrived, and the host stand by it: it was told that the code had run out, and forgot the pairing."""
    asked, answers, never = asyncio.Event(), asyncio.Event(), asyncio.Event()

    class Undecided(FakePerson):
        async def same(self, code: str, peer: str) -> bool:
            return await never.wait()

    class Slow(FakePerson):
        async def same(self, code: str, peer: str) -> bool:
            asked.set()
            return await answers.wait()

    host.person, phone.person = Undecided(), Slow()
    showing = asyncio.create_task(host.show_codes())
    scanning = asyncio.create_task(phone.scan(await host.person.links.get(), within_seconds=10.0))
    await asked.wait()
    await service.stop()
    answers.set()

    with pytest.raises(errors.NoNetwork):
        await scanning

    assert [paired.host_signature for paired in phone.committed] == [None]
    showing.cancel()
    await asyncio.gather(showing, return_exceptions=True)
