"""How a phone's session token is replaced, what a copy of an old one does, and what is noted of a device. Over real gRPC."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from dispatch import errors
from dispatch.ids import DeviceId
from dispatch_pairing.model import Device as Kept
from dispatch_pairing.model import TrustNews
from dispatch_pairing.revocation import revoke_device

from tests.support.pairing_device import Device, a_phone
from tests.support.pairing_service import PairingService
from tests.support.wires import BOTH_CARRIERS

pytestmark = BOTH_CARRIERS

SECOND_MS = 1_000
MINUTE_MS = 60_000
HOUR_MS = 3_600_000


@pytest.fixture
async def service(tmp_path: Path, carrier: str) -> AsyncIterator[PairingService]:
    async with PairingService(tmp_path / "pairing", carrier=carrier) as service:
        await service.add_account("ada")
        yield service


@pytest.fixture
async def pair(service: PairingService) -> tuple[Device, Device, bytes]:
    host, phone = await service.host(), await service.phone()
    return host, phone, await service.paired(host, phone)


async def kept(service: PairingService, device: Device) -> Kept:
    async with service.store() as store, store.read() as kept:
        found = await kept.devices.get(DeviceId(device.id))
    assert found is not None
    return found


async def test_a_phone_gets_a_fresh_token_with_a_grant_now_and_then(
    service: PairingService, pair: tuple[Device, Device, bytes]
) -> None:
    host, phone, pair_id = pair
    assert (await phone.renew(pair_id)).session == b""

    await service.advance(HOUR_MS)
    old, phone.session = phone.session, (await phone.renew(pair_id)).session

    assert len(phone.session) == 32
    assert phone.session != old
    assert (await phone.renew(pair_id)).session == b""
    assert (await host.renew(pair_id)).session == b""


async def test_the_token_before_is_good_until_the_fresh_one_was_used(
    service: PairingService, pair: tuple[Device, Device, bytes]
) -> None:
    _, phone, pair_id = pair
    await service.advance(HOUR_MS)
    await phone.renew(pair_id)  # the answer gets lost
    assert await phone.is_signed_in()
    await service.advance(HOUR_MS)

    phone.session = (await phone.renew(pair_id)).session

    assert await phone.is_signed_in()


async def test_a_copied_token_ends_the_sign_in_for_the_thief_and_the_owner(
    service: PairingService, pair: tuple[Device, Device, bytes]
) -> None:
    _, phone, pair_id = pair
    thief = replace(phone)  # the key and all
    await service.advance(HOUR_MS)
    phone.session = (await phone.renew(pair_id)).session
    assert await phone.is_signed_in()

    with pytest.raises(errors.SignInRequired):
        await thief.renew(pair_id)

    with pytest.raises(errors.SignInRequired):
        await phone.renew(pair_id)
    assert service.metric("dispatch_pairing_sign_ins_ended_total", cause="copied") == 1
    await phone.sign_in()
    await phone.renew(pair_id)


async def test_a_thief_who_comes_first_is_found_out_by_the_owners_next_call(
    service: PairingService, pair: tuple[Device, Device, bytes]
) -> None:
    _, phone, pair_id = pair
    thief = replace(phone)
    await service.advance(HOUR_MS)
    thief.session = (await thief.renew(pair_id)).session
    assert await thief.is_signed_in()

    assert not await phone.is_signed_in()

    assert not await thief.is_signed_in()


async def test_a_token_of_an_earlier_sign_in_or_a_made_up_one_ends_nothing(service: PairingService) -> None:
    phone = await service.phone()
    earlier = replace(phone)
    await phone.sign_in()
    made_up = replace(phone, session=phone.session[:15] + bytes([phone.session[15] ^ 1]) + b"x" * 16)

    for stranger in (earlier, made_up):
        assert not await stranger.is_signed_in()

    assert await phone.is_signed_in()


async def test_a_phone_that_renews_stays_signed_in_and_one_that_rests_does_not(
    service: PairingService, pair: tuple[Device, Device, bytes]
) -> None:
    _, phone, pair_id = pair
    for _ in range(5):
        await service.advance(20 * 24 * HOUR_MS)
        phone.session = (await phone.renew(pair_id)).session

    await service.advance(30 * 24 * HOUR_MS)

    with pytest.raises(errors.SignInRequired):
        await phone.renew(pair_id)


async def test_rotation_outlives_a_restart(service: PairingService, pair: tuple[Device, Device, bytes]) -> None:
    _, phone, pair_id = pair
    await service.advance(HOUR_MS)
    old, phone.session = phone.session, (await phone.renew(pair_id)).session
    await service.restart()

    assert await phone.is_signed_in()

    phone.session = old
    assert not await phone.is_signed_in()


async def test_that_a_device_was_seen_is_noted_to_the_minute(service: PairingService) -> None:
    await service.advance(MINUTE_MS - service.clock.now_ms % MINUTE_MS + SECOND_MS)
    phone = await service.phone()
    signed_in_ms = service.clock.now_ms - SECOND_MS
    assert (await kept(service, phone)).seen_ms == signed_in_ms
    whole_ms = signed_in_ms + MINUTE_MS

    await service.advance(MINUTE_MS + 50 * SECOND_MS)
    await phone.is_signed_in()

    assert (await kept(service, phone)).seen_ms == whole_ms


async def test_what_a_device_says_of_its_app_is_noted_if_it_is_a_version(
    service: PairingService, pair: tuple[Device, Device, bytes]
) -> None:
    _, phone, pair_id = pair
    assert (await kept(service, phone)).app_version == "1.0.0"

    for said, noted in (("1.2.0", "1.2.0"), ("<b>", "1.2.0"), ("", "1.2.0"), ("1.3.0-beta.1", "1.3.0-beta.1")):
        phone.app_version = said
        await phone.renew(pair_id)
        assert (await kept(service, phone)).app_version == noted


async def test_a_revoked_device_is_refused_everywhere_and_never_comes_in_again(
    service: PairingService, pair: tuple[Device, Device, bytes]
) -> None:
    host, phone, pair_id = pair
    device = await kept(service, phone)
    async with service.store() as store, store.write() as keeping:
        await revoke_device(keeping, device, now_ms=service.clock.now_ms)

    for attempt in (
        phone.renew(pair_id),
        phone.claim(service.code()),
        phone.sign_out(),
        phone.end_pairing(pair_id),
        phone.sign_in(),
        phone.sign_up("eve"),
        phone.told(service.code()),
    ):
        with pytest.raises(errors.DeviceRevoked):
            await attempt
    with pytest.raises(errors.NotPaired):
        await host.renew(pair_id)


async def test_a_device_of_an_account_that_is_gone_stays_out(service: PairingService) -> None:
    phone = a_phone(service.address)
    async with service.store() as store, store.write() as keeping:
        await keeping.feed.append(TrustNews(2**40, device_id=DeviceId(phone.id)))

    with pytest.raises(errors.DeviceRevoked):
        await phone.sign_in()
