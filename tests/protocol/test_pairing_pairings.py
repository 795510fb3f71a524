"""Pairings made active, replaced and ended, and the grants for them. Over real gRPC."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from dispatch import errors
from dispatch.api.error.v1.error_pb2 import REASON_HANDSHAKE_FAILED, REASON_PAIRING_REFUSED
from dispatch.api.pairing.v1 import pairing_pb2 as pb
from dispatch.api.relay.v1.relay_pb2 import DEVICE_KIND_HOST, DEVICE_KIND_PHONE
from dispatch.proof import KeySignature, PinnedKeys, verify_grant

from tests.support.pairing_device import Code, Device, enc, signed_pairing
from tests.support.pairing_service import PairingService, with_limits

SECOND_MS = 1_000
HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS


@pytest.fixture
async def service(tmp_path: Path) -> AsyncIterator[PairingService]:
    async with PairingService(tmp_path / "pairing") as service:
        await service.add_account("ada")
        yield service


async def shaken(service: PairingService) -> tuple[Device, Device, Code]:
    """Give two devices that are through the eight steps, and their offer."""
    host, phone, code = await service.host(), await service.phone(), service.code()
    await host.create_offer(code)
    await phone.claim(code)
    for number in range(1, 9):
        await (phone if number % 2 else host).step(code, number)
    return host, phone, code


async def is_paired(device: Device, pair_id: bytes) -> bool:
    try:
        await device.renew(pair_id)
    except errors.NotPaired:
        return False
    return True


async def test_a_grant_says_who_may_attach_to_what_and_until_when(service: PairingService) -> None:
    host, phone = await service.host(), await service.phone()
    pair_id = await service.paired(host, phone)

    for device, role in ((host, DEVICE_KIND_HOST), (phone, DEVICE_KIND_PHONE)):
        renewed = await device.renew(pair_id)

        keys = PinnedKeys(keys=tuple(renewed.keys.keys), sequence=renewed.keys.sequence)
        signature = KeySignature(renewed.grant.key_id, renewed.grant.signature)
        assert verify_grant(keys, renewed.grant.grant, signature)
        grant = pb.Grant.FromString(renewed.grant.grant)
        now_ms = service.clock.now_ms
        assert grant == pb.Grant(
            account_id=device.signed_in.account_id,
            device_id=device.id,
            device_key=device.public,
            pair_id=pair_id,
            role=role,
            not_before_ms=now_ms - 60 * SECOND_MS,
            not_after_ms=now_ms - 60 * SECOND_MS + DAY_MS,
            revocation_sequence=renewed.revocation_sequence,
        )
        assert renewed.server_time_ms == now_ms


async def test_a_phone_renews_only_with_a_live_sign_in_and_a_host_with_its_key_alone(service: PairingService) -> None:
    host, phone = await service.host(), await service.phone()
    pair_id = await service.paired(host, phone)
    await host.sign_out()
    await phone.sign_out()

    await host.renew(pair_id)
    with pytest.raises(errors.SignInRequired):
        await phone.renew(pair_id)

    await phone.sign_in()
    await phone.renew(pair_id)


async def test_no_grant_is_given_for_a_pairing_of_others(service: PairingService) -> None:
    host, phone, other = await service.host(), await service.phone(), await service.phone("other")
    pair_id = await service.paired(host, phone)

    with pytest.raises(errors.NotPaired) as refused:
        await other.renew(pair_id)

    assert refused.value.metadata == {"pairing": "unknown"}


async def test_completing_twice_is_completing_once(service: PairingService) -> None:
    host, phone, code = await shaken(service)
    request = signed_pairing(host=host, phone=phone, pair_id=os.urandom(16), offer=code)

    await host.complete(request)
    await host.complete(request)
    await asyncio.gather(*(host.complete(request) for _ in range(5)))

    assert service.metric("dispatch_pairing_pairings_active") == 1
    assert service.metric("dispatch_pairing_pairings_ended_total") == 0


Spoil = Callable[[pb.CompletePairingRequest, Device, Device], None]


def _swap_signatures(request: pb.CompletePairingRequest, host: Device, phone: Device) -> None:
    request.phone_signature, request.host_signature = request.host_signature, request.phone_signature


def _swap_keys(request: pb.CompletePairingRequest, host: Device, phone: Device) -> None:
    swapped = signed_pairing(host=phone, phone=host, pair_id=b"p" * 16, service_name=host.signed_in.service_name)
    request.attestation = swapped.attestation
    request.phone_signature, request.host_signature = swapped.phone_signature, swapped.host_signature


def _drop(field: str) -> Spoil:
    return lambda request, host, phone: request.ClearField(field)  # type: ignore[arg-type]


def _flip(field: str) -> Spoil:
    def flip(request: pb.CompletePairingRequest, host: Device, phone: Device) -> None:
        value = bytearray(getattr(request, field))
        value[-1] ^= 1
        setattr(request, field, bytes(value))

    return flip


def _sign(*fields: bytes) -> Spoil:
    def sign(request: pb.CompletePairingRequest, host: Device, phone: Device) -> None:
        names = {b"HOST": host.public, b"PHONE": phone.public, b"SERVICE": host.signed_in.service_name.encode()}
        request.attestation = enc(*(names.get(field, field) for field in fields))
        request.phone_signature = phone.key.sign(request.attestation)
        request.host_signature = host.key.sign(request.attestation)

    return sign


@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(_swap_signatures, id="signatures swapped"),
        pytest.param(_swap_keys, id="keys swapped"),
        pytest.param(_drop("phone_signature"), id="no phone signature"),
        pytest.param(_drop("host_signature"), id="no host signature"),
        pytest.param(_drop("attestation"), id="no attestation"),
        pytest.param(_flip("attestation"), id="attestation flipped"),
        pytest.param(_flip("phone_signature"), id="phone signature flipped"),
        pytest.param(_flip("host_signature"), id="host signature flipped"),
        pytest.param(_sign(b"dispatch/attest/2", b"p" * 16, b"SERVICE", b"HOST", b"PHONE"), id="other domain"),
        pytest.param(_sign(b"dispatch/attest/1", b"p" * 15, b"SERVICE", b"HOST", b"PHONE"), id="short pair id"),
        pytest.param(_sign(b"dispatch/attest/1", b"p" * 16, b"elsewhere:7301", b"HOST", b"PHONE"), id="other service"),
        pytest.param(_sign(b"dispatch/attest/1", b"p" * 16, b"\xff", b"HOST", b"PHONE"), id="service not text"),
        pytest.param(_sign(b"dispatch/attest/1", b"p" * 16, b"SERVICE", b"HOST", b"HOST"), id="host twice"),
        pytest.param(_sign(b"dispatch/attest/1", b"p" * 16, b"SERVICE", b"HOST"), id="one key"),
        pytest.param(_sign(b"dispatch/attest/1", b"p" * 16, b"SERVICE", b"HOST", b"PHONE", b"more"), id="field more"),
        pytest.param(_sign(b"dispatch/attest/1", b"p" * 16, b"SERVICE", b"HOST", b"\0" * 32), id="weak key"),
    ],
)
async def test_what_both_signed_must_fit_in_every_part(service: PairingService, spoil: Spoil) -> None:
    host, phone, code = await shaken(service)
    request = signed_pairing(host=host, phone=phone, pair_id=b"p" * 16, offer=code)
    proper = pb.CompletePairingRequest.FromString(request.SerializeToString())
    spoil(request, host, phone)

    with pytest.raises(errors.AttestationMismatch):
        await host.complete(request)

    assert not await is_paired(host, b"p" * 16)
    await host.complete(proper)


async def test_a_third_device_can_not_complete_for_others(service: PairingService) -> None:
    host, phone, code = await shaken(service)
    other = await service.host("other")

    with pytest.raises(errors.AttestationMismatch):
        await other.complete(signed_pairing(host=host, phone=phone, pair_id=b"p" * 16, offer=code))
    with pytest.raises(errors.AttestationMismatch):
        await other.complete(signed_pairing(host=host, phone=phone, pair_id=b"p" * 16, offer=code, host_signer=other))
    with pytest.raises(errors.AttestationMismatch):
        await other.complete(signed_pairing(host=host, phone=phone, pair_id=b"p" * 16))
    with pytest.raises(errors.BadRequest):
        await phone.complete(signed_pairing(host=host, phone=phone, pair_id=b"p" * 16, offer=code))


async def test_only_the_phone_that_claimed_is_paired_by_an_offer(service: PairingService) -> None:
    host, phone, code = await shaken(service)
    other = await service.phone("other")

    with pytest.raises(errors.AttestationMismatch):
        await host.complete(signed_pairing(host=host, phone=other, pair_id=b"p" * 16, offer=code))

    await host.complete(signed_pairing(host=host, phone=phone, pair_id=b"p" * 16, offer=code))


async def test_an_unclaimed_offer_completes_nothing(service: PairingService) -> None:
    host, phone, code = await service.host(), await service.phone(), service.code()
    await host.create_offer(code)

    with pytest.raises(errors.AttestationMismatch):
        await host.complete(signed_pairing(host=host, phone=phone, pair_id=b"p" * 16, offer=code))


async def test_an_offer_of_another_host_completes_nothing(service: PairingService) -> None:
    _, phone, code = await shaken(service)
    other = await service.host("other")

    with pytest.raises(errors.AttestationMismatch):
        await other.complete(signed_pairing(host=other, phone=phone, pair_id=b"p" * 16, offer=code))


async def test_two_hosts_are_no_pairing(service: PairingService) -> None:
    host, other = await service.host(), await service.host("other")

    with pytest.raises(errors.AttestationMismatch):
        await host.complete(signed_pairing(host=host, phone=other, pair_id=b"p" * 16))


async def test_devices_of_two_accounts_are_never_paired(service: PairingService) -> None:
    await service.add_account("bob")
    host, phone = await service.host(), await service.phone(account="bob")

    with pytest.raises(errors.OtherAccount):
        await host.complete(signed_pairing(host=host, phone=phone, pair_id=b"p" * 16))


@pytest.mark.parametrize("reason", [REASON_PAIRING_REFUSED, REASON_HANDSHAKE_FAILED])
async def test_an_offer_that_somebody_refused_completes_nothing(service: PairingService, reason: int) -> None:
    host, phone, code = await shaken(service)
    await phone.end_offer(code, reason)

    with pytest.raises(errors.kind_of(reason)):  # type: ignore[arg-type]
        await host.complete(signed_pairing(host=host, phone=phone, pair_id=b"p" * 16, offer=code))

    assert not await is_paired(host, b"p" * 16)


async def test_a_host_that_decided_in_time_may_say_so_after_the_offers_end(service: PairingService) -> None:
    host, phone, code = await shaken(service)
    await service.stop()
    await service.advance_while_stopped(10 * 60 * SECOND_MS)
    await service.start()

    await host.complete(signed_pairing(host=host, phone=phone, pair_id=b"p" * 16, offer=code))

    assert await is_paired(phone, b"p" * 16)
    assert (await phone.told(code))[-1] == "complete"


async def test_pairing_the_same_two_devices_again_replaces_the_old_pairing(service: PairingService) -> None:
    host, phone = await service.host(), await service.phone()
    old = await service.paired(host, phone)

    new = await service.paired(host, phone)

    assert await is_paired(phone, new)
    with pytest.raises(errors.NotPaired) as refused:
        await phone.renew(old)
    assert refused.value.metadata == {"pairing": "ended"}
    assert service.metric("dispatch_pairing_pairings_active") == 1
    assert service.metric("dispatch_pairing_pairings_ended_total") == 1


async def test_a_host_may_have_several_phones_and_a_phone_several_hosts(service: PairingService) -> None:
    hosts = [await service.host("desk"), await service.host("attic")]
    phones = [await service.phone("pocket"), await service.phone("tablet")]
    pairings = [(host, phone, await service.paired(host, phone)) for host in hosts for phone in phones]

    await phones[0].end_pairing(pairings[0][2])

    assert [await is_paired(host, pair_id) for host, _, pair_id in pairings] == [False, True, True, True]
    assert service.metric("dispatch_pairing_pairings_active") == 3


@pytest.mark.parametrize("who", ["host", "phone"])
async def test_either_side_alone_ends_a_pairing_for_good(service: PairingService, who: str) -> None:
    host, phone, code = await shaken(service)
    request = signed_pairing(host=host, phone=phone, pair_id=b"p" * 16, offer=code)
    await host.complete(request)
    ends = host if who == "host" else phone
    await ends.sign_out()

    await ends.end_pairing(b"p" * 16)
    await ends.end_pairing(b"p" * 16)

    assert not await is_paired(host, b"p" * 16)
    for attempt in (request, signed_pairing(host=host, phone=phone, pair_id=b"p" * 16)):
        with pytest.raises(errors.NotPaired):
            await host.complete(attempt)
    assert service.metric("dispatch_pairing_pairings_active") == 0
    assert service.metric("dispatch_pairing_pairings_ended_total") == 1


async def test_nobody_ends_a_pairing_of_others(service: PairingService) -> None:
    host, phone, code = await shaken(service)
    other = await service.phone("other")
    request = signed_pairing(host=host, phone=phone, pair_id=b"p" * 16, offer=code)

    await other.end_pairing(b"p" * 16)
    await host.complete(request)
    await other.end_pairing(b"p" * 16)

    assert await is_paired(host, b"p" * 16)


async def test_a_pairing_id_belongs_to_its_two_devices(service: PairingService) -> None:
    host, phone, other = await service.host(), await service.phone(), await service.phone("other")
    await host.complete(signed_pairing(host=host, phone=phone, pair_id=b"p" * 16))

    with pytest.raises(errors.AttestationMismatch):
        await host.complete(signed_pairing(host=host, phone=other, pair_id=b"p" * 16))


async def test_a_service_without_relays_says_so_and_when_to_come_back(tmp_path: Path) -> None:
    async with PairingService(tmp_path / "pairing", relay=None) as service:
        await service.add_account("ada")
        host, phone = await service.host(), await service.phone()
        pair_id = await service.paired(host, phone)

        with pytest.raises(errors.NoRelay) as refused:
            await phone.renew(pair_id)

        assert refused.value.retry_after_ms > 0


class TestRestoredFromABackup:
    """Product row P12: yesterday's backup is put back, and nobody is stuck."""

    @staticmethod
    async def back_up(service: PairingService, folder: Path) -> None:
        await service.stop()
        shutil.copytree(service.folder, folder)
        await service.start()

    @staticmethod
    async def restore(service: PairingService, folder: Path) -> None:
        await service.stop()
        shutil.rmtree(service.folder)
        shutil.copytree(folder, service.folder)
        await service.start()

    async def test_the_host_completes_again_what_the_service_has_forgotten(
        self, service: PairingService, tmp_path: Path
    ) -> None:
        host, phone, code = await service.host(), await service.phone(), service.code()
        await self.back_up(service, tmp_path / "backup")
        await host.create_offer(code)
        await phone.claim(code)
        request = signed_pairing(host=host, phone=phone, pair_id=b"p" * 16, offer=code)
        await host.complete(request)
        await self.restore(service, tmp_path / "backup")
        with pytest.raises(errors.NotPaired) as refused:
            await host.renew(b"p" * 16)
        assert refused.value.metadata == {"pairing": "unknown"}

        await host.complete(request)

        assert await is_paired(phone, b"p" * 16)

    async def test_a_phone_that_the_backup_does_not_know_signs_in_first(
        self, service: PairingService, tmp_path: Path
    ) -> None:
        host = await service.host()
        await self.back_up(service, tmp_path / "backup")
        phone = await service.phone()
        request = signed_pairing(host=host, phone=phone, pair_id=b"p" * 16)
        await host.complete(request)
        await self.restore(service, tmp_path / "backup")

        with pytest.raises(errors.OtherAccount):
            await host.complete(request)
        with pytest.raises(errors.SignInRequired):
            await phone.renew(b"p" * 16)
        await phone.sign_in()
        await host.complete(request)

        assert await is_paired(phone, b"p" * 16)

    @pytest.mark.parametrize("who", ["host", "phone"])
    async def test_a_pairing_that_a_device_left_meanwhile_is_not_brought_back(
        self, service: PairingService, tmp_path: Path, who: str
    ) -> None:
        host, phone = await service.host(), await service.phone()
        await self.back_up(service, tmp_path / "backup")
        request = signed_pairing(host=host, phone=phone, pair_id=b"p" * 16)
        await host.complete(request)
        await self.restore(service, tmp_path / "backup")

        await (host if who == "host" else phone).end_pairing(b"p" * 16)

        with pytest.raises(errors.NotPaired):
            await host.complete(request)

    async def test_the_count_of_the_trust_feed_never_goes_back(self, service: PairingService, tmp_path: Path) -> None:
        host, phone = await service.host(), await service.phone()
        await self.back_up(service, tmp_path / "backup")
        for _ in range(3):
            await service.advance(1)
            await host.end_pairing(await service.paired(host, phone))
        told = (await host.renew(await service.paired(host, phone))).revocation_sequence
        await self.restore(service, tmp_path / "backup")
        await service.advance(1)
        await service.restart()

        restored = (await host.renew(await service.paired(host, phone))).revocation_sequence

        assert restored >= told


async def test_a_farewell_to_unknown_pairings_is_bounded(tmp_path: Path) -> None:
    async with PairingService(tmp_path / "pairing", limits=with_limits(farewells=2)) as service:
        await service.add_account("ada")
        host, phone = await service.host(), await service.phone()
        for number in range(3):
            await service.advance(1)
            await phone.end_pairing(bytes([number]) * 16)

        await host.complete(signed_pairing(host=host, phone=phone, pair_id=b"\0" * 16))
        for number in (1, 2):
            with pytest.raises(errors.NotPaired):
                await host.complete(signed_pairing(host=host, phone=phone, pair_id=bytes([number]) * 16))
