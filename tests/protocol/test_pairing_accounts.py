"""Signing in and out, and what a device may be. Over real gRPC."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from dispatch import errors
from dispatch.api.pairing.v1 import pairing_pb2 as pb
from dispatch.api.relay.v1.relay_pb2 import DEVICE_KIND_HOST, DEVICE_KIND_PHONE, DeviceKind
from dispatch.proof import KeySignature, PinnedKeys, may_replace
from dispatch_pairing.limits import Rate
from dispatch_pairing.policy import Policy

from tests.support.pairing_device import ACCOUNT, Device, a_phone
from tests.support.pairing_service import PairingService, with_limits

SECOND_MS = 1_000
DAY_MS = 24 * 3_600_000


@pytest.fixture
async def service(tmp_path: Path) -> AsyncIterator[PairingService]:
    async with PairingService(tmp_path / "pairing") as service:
        await service.add_account("ada")
        await service.add_account("bob", "another horse")
        yield service


async def test_a_sign_in_gives_all_that_a_device_needs(service: PairingService) -> None:
    phone = a_phone(service.address)

    await phone.sign_in()

    given = phone.signed_in
    assert len(given.session) == 32
    assert given.service_name == service.name
    assert len(given.account_id) == 16
    assert given.server_time_ms == service.clock.now_ms
    assert given.expires_at_ms == service.clock.now_ms + 30 * DAY_MS
    keys = PinnedKeys(keys=tuple(given.keys.keys), sequence=given.keys.sequence)
    assert may_replace(None, keys, [KeySignature(one.key_id, one.signature) for one in given.keys.signatures])


@pytest.mark.parametrize("account", ["ADA", "Ada", "a\uff44a", " ada "])
async def test_an_account_is_found_however_it_is_typed(service: PairingService, account: str) -> None:
    await a_phone(service.address).sign_in(account)


@pytest.mark.parametrize(
    ("account", "password"),
    [
        ("ada", "wrong horse"),
        ("ada", ""),
        ("ada", "x" * 5_000),
        ("nobody", "correct horse battery staple"),
        ("", ""),
        ("x" * 5_000, "y"),
        ("ada\n", "wrong"),
        ("\u202eada", "correct horse battery staple"),
    ],
)
async def test_an_unknown_account_and_a_wrong_password_are_the_same_refusal(
    service: PairingService, account: str, password: str
) -> None:
    phone = a_phone(service.address)

    with pytest.raises(errors.SignInFailed) as refused:
        await phone.sign_in(account, password)

    assert refused.value.detail == errors.SignInFailed.sentence
    assert refused.value.metadata == {}
    assert service.metric("dispatch_pairing_sign_ins_total", result="failed") == 1


async def test_a_password_is_the_same_however_its_letters_are_composed(service: PairingService) -> None:
    await service.add_account("eve", "caf\u00e9 au lait")

    await a_phone(service.address).sign_in("eve", "cafe\u0301 au lait")


@pytest.mark.parametrize(
    "name", ["", "  ", "two\nlines", "x" * 65, "\u202egnp.exe", "tab\tbed", "nul\0", "a\u2028b", "soft\u0085ware"]
)
async def test_a_device_name_that_plays_tricks_is_refused(service: PairingService, name: str) -> None:
    phone = a_phone(service.address, name)

    with pytest.raises(errors.BadRequest) as refused:
        await phone.sign_in()

    assert refused.value.metadata == {"field": "device_name"}
    assert name.strip() == "" or name not in refused.value.detail


@pytest.mark.parametrize(
    "name", ["x" * 64, "Ada's \U0001f4f1 phone", "\u0627\u0644\u0647\u0627\u062a\u0641", "cafe\u0301"]
)
async def test_a_device_may_have_any_name_that_can_be_read(service: PairingService, name: str) -> None:
    await a_phone(service.address, name).sign_in()


async def test_the_key_in_a_sign_in_must_be_the_callers(service: PairingService) -> None:
    phone, other = a_phone(service.address), a_phone(service.address)
    await phone.ask_nonce()
    for key in (other.public, b"", b"short", b"\0" * 32, b"\x01" + b"\0" * 31):
        request = phone.sign_in_request()
        request.device_key = key

        with pytest.raises(errors.ProofInvalid):
            await phone.call(f"{ACCOUNT}SignIn", request)


@pytest.mark.parametrize("kind", [0, 3])
async def test_a_device_is_a_phone_or_a_host(service: PairingService, kind: int) -> None:
    device = Device(server=service.address, kind=DeviceKind.ValueType(kind), name="thing")

    with pytest.raises(errors.BadRequest) as refused:
        await device.sign_in()

    assert refused.value.metadata == {"field": "device_kind"}


async def test_the_newest_sign_in_of_a_device_counts(service: PairingService) -> None:
    phone = await service.phone()
    old = phone.session

    await phone.sign_in()

    new, phone.session = phone.session, old
    with pytest.raises(errors.SignInRequired):
        await phone.claim(service.code())
    phone.session = new
    with pytest.raises(errors.OfferUnknown):
        await phone.claim(service.code())


async def test_a_session_token_is_worth_nothing_to_another_device(service: PairingService) -> None:
    phone, thief = await service.phone(), await service.phone("thief")
    await thief.sign_out()
    thief.session = phone.session

    with pytest.raises(errors.SignInRequired):
        await thief.claim(service.code())


@pytest.mark.parametrize("token", [b"", b"x" * 31, b"x" * 32, b"x" * 1_000])
async def test_a_made_up_session_token_is_no_sign_in(service: PairingService, token: bytes) -> None:
    phone = await service.phone()
    phone.session = token

    with pytest.raises(errors.SignInRequired):
        await phone.claim(service.code())


async def test_a_sign_in_slides_while_it_is_used_and_ends_when_it_is_not(service: PairingService) -> None:
    phone = await service.phone()
    for _ in range(3):
        await service.advance(29 * DAY_MS)
        with pytest.raises(errors.OfferUnknown):
            await phone.claim(service.code())

    await service.advance(30 * DAY_MS)

    with pytest.raises(errors.SignInRequired):
        await phone.claim(service.code())


async def test_signing_out_may_be_repeated_and_harms_no_later_sign_in(service: PairingService) -> None:
    phone = await service.phone()
    old = phone.session
    await phone.sign_out()
    await phone.sign_out()
    await phone.sign_in()
    new, phone.session = phone.session, old

    await phone.sign_out()

    phone.session = new
    with pytest.raises(errors.OfferUnknown):
        await phone.claim(service.code())


async def test_an_unpaired_device_may_move_to_another_account(service: PairingService) -> None:
    host, code = await service.host(), service.code()
    await host.create_offer(code)

    await host.sign_in("bob", "another horse")

    assert await host.told(code) == ["ended OFFER_EXPIRED"]
    with pytest.raises(errors.OfferExpired):
        await (await service.phone()).claim(code)


async def test_a_paired_device_stays_in_its_account_until_it_is_unpaired(service: PairingService) -> None:
    host, phone = await service.host(), await service.phone()
    pair_id = await service.paired(host, phone)

    for device in (host, phone):
        with pytest.raises(errors.OtherAccount):
            await device.call(f"{ACCOUNT}SignIn", device.sign_in_request("bob", "another horse"))

    await phone.renew(pair_id)  # and its own sign-in still stands
    await host.end_pairing(pair_id)
    await host.sign_in("bob", "another horse")
    await phone.sign_in("bob", "another horse")
    await service.paired(host, phone)


async def test_a_paired_device_stays_what_it_is(service: PairingService) -> None:
    host, phone = await service.host(), await service.phone()
    pair_id = await service.paired(host, phone)
    host.kind = DEVICE_KIND_PHONE

    with pytest.raises(errors.BadRequest) as refused:
        await host.sign_in()
    assert refused.value.metadata == {"field": "device_kind"}

    await phone.end_pairing(pair_id)
    await host.sign_in()
    with pytest.raises(errors.BadRequest):
        await host.create_offer(service.code())
    host.kind = DEVICE_KIND_HOST
    await host.sign_in()
    await host.create_offer(service.code())


async def test_an_account_has_a_bounded_number_of_devices_in_use(tmp_path: Path) -> None:
    async with PairingService(tmp_path / "pairing", policy=Policy(devices=2)) as service:
        await service.add_account("ada")
        host, phone = await service.host(), await service.phone()

        with pytest.raises(errors.TooManyDevices) as refused:
            await service.phone("third")
        assert refused.value.metadata == {"policy": "devices", "current": "2", "required": "fewer than 2"}
        assert service.metric("dispatch_pairing_sign_ins_total", result="refused") == 1

        await phone.sign_in()  # one that is there already is no newcomer
        await phone.sign_out()
        third = await service.phone("third")
        await service.paired(host, third)
        await third.sign_out()
        with pytest.raises(errors.TooManyDevices):
            await service.phone("fourth")  # paired devices count though they are signed out


async def test_failed_sign_ins_of_an_account_are_bounded_and_the_refusal_says_when(tmp_path: Path) -> None:
    limits = with_limits(per_account=Rate(burst=3, refill_ms=30 * SECOND_MS))
    async with PairingService(tmp_path / "pairing", limits=limits) as service:
        await service.add_account("ada")
        await service.add_account("bob")
        phone = a_phone(service.address)
        for name in ("ada", "ADA", "ada "):
            with pytest.raises(errors.SignInFailed):
                await phone.sign_in(name, "wrong horse")

        with pytest.raises(errors.RateLimited) as refused:
            await phone.sign_in()

        assert refused.value.retry_after_ms == 30 * SECOND_MS
        assert service.metric("dispatch_pairing_sign_ins_total", result="rate_limited") == 1
        await phone.sign_in("bob")
        await service.advance(30 * SECOND_MS)
        await phone.sign_in()


async def test_an_unknown_account_is_limited_like_a_known_one(tmp_path: Path) -> None:
    limits = with_limits(per_account=Rate(burst=1, refill_ms=30 * SECOND_MS))
    async with PairingService(tmp_path / "pairing", limits=limits) as service:
        phone = a_phone(service.address)
        with pytest.raises(errors.SignInFailed):
            await phone.sign_in("nobody")

        with pytest.raises(errors.RateLimited):
            await phone.sign_in("nobody")


async def test_failed_sign_ins_from_an_address_are_bounded(tmp_path: Path) -> None:
    limits = with_limits(per_address=Rate(burst=3, refill_ms=5 * SECOND_MS))
    async with PairingService(tmp_path / "pairing", limits=limits) as service:
        await service.add_account("ada")
        for number in range(3):
            with pytest.raises(errors.SignInFailed):
                await a_phone(service.address).sign_in(f"guess {number}", "wrong horse")

        with pytest.raises(errors.RateLimited) as refused:
            await a_phone(service.address).sign_in()

        assert refused.value.retry_after_ms == 5 * SECOND_MS


async def test_sign_ins_that_succeed_are_not_limited(tmp_path: Path) -> None:
    one = Rate(burst=1, refill_ms=3_600 * SECOND_MS)
    async with PairingService(tmp_path / "pairing", limits=with_limits(per_account=one, per_address=one)) as service:
        await service.add_account("ada")
        for _ in range(5):
            await service.phone()


async def test_signing_in_again_keeps_the_pairing_and_takes_the_new_name(service: PairingService) -> None:
    host, phone = await service.host(), await service.phone()
    pair_id = await service.paired(host, phone)
    phone.name = "renamed"

    await phone.sign_in()

    assert (await phone.renew(pair_id)).grant.grant


async def test_a_request_says_nothing_that_the_sign_in_does_not_need(service: PairingService) -> None:
    phone = a_phone(service.address)
    request = phone.sign_in_request()
    request.app_version = "not a version"

    answer: pb.SignInResponse = await phone.call(f"{ACCOUNT}SignIn", request)

    assert answer.session
