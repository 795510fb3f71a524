"""An attacker with an account of the same pairing service, after the grants, the sign-ins and the devices of somebody else.

Each attempt is refused for the right reason, counted once and logged once, and leaves no secret in either.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from dispatch import errors
from dispatch.api.pairing.v1 import pairing_pb2 as pb

from tests.support.attacks import LogBook, Watch
from tests.support.mallory import HERS, REFUSALS, SIGN_INS, keeps_secret, mallorys, refused
from tests.support.pairing_device import (
    DEVICE,
    PASSWORD,
    a_phone,
)
from tests.support.pairing_service import PairingService


@pytest.fixture
async def service(log: LogBook, tmp_path: Path) -> AsyncIterator[PairingService]:
    """Give a service with ada, who is attacked, and mallory, who has an account there as well."""
    async with PairingService(tmp_path / "pairing") as service:
        await service.add_account("ada")
        await service.add_account("mallory", HERS)
        yield service


@pytest.fixture
def watched(log: LogBook, service: PairingService) -> Watch:
    """Give what tells of attacks on the service."""
    return Watch(page=service.metrics_text, log=log, secrets=[PASSWORD, HERS])


# ---- Grants.


async def test_a_grant_is_not_made_for_the_pairing_of_somebody_else(service: PairingService, watched: Watch) -> None:
    host, phone = await service.host(), await service.phone()
    pair_id = await service.paired(host, phone)
    mallory = await mallorys(service)
    keeps_secret(watched, mallory)

    async with watched.expects(REFUSALS, reason="NOT_PAIRED", logged=refused("RenewGrant", "NOT_PAIRED")):
        with pytest.raises(errors.NotPaired):
            await mallory.renew(pair_id)


@pytest.mark.parametrize("how", ["signed out", "another device's sign-in", "no sign-in"])
async def test_a_stolen_phones_key_alone_gets_no_grant(service: PairingService, watched: Watch, how: str) -> None:
    host, phone = await service.host(), await service.phone()
    pair_id = await service.paired(host, phone)
    if how == "signed out":
        await phone.sign_out()
    else:
        phone.session = (await mallorys(service)).session if how == "another device's sign-in" else b""
    keeps_secret(watched, phone)

    async with watched.expects(REFUSALS, reason="SIGN_IN_REQUIRED", logged=refused("RenewGrant", "SIGN_IN_REQUIRED")):
        with pytest.raises(errors.SignInRequired):
            await phone.renew(pair_id)


# ---- Floods.


async def test_a_flood_of_sign_ins_is_told_when_to_come_back_and_disturbs_nobody_who_is_signed_in(
    service: PairingService, watched: Watch
) -> None:
    host, phone = await service.host(), await service.phone()
    pair_id = await service.paired(host, phone)
    burst = service.limits.per_account.burst
    mallory = a_phone(service.address, "burner")
    await mallory.ask_nonce()
    keeps_secret(watched, phone, mallory)
    guesses = [f"a guess, and not the first {number}" for number in range(100)]
    watched.secrets += guesses

    logged = refused("SignIn", "RATE_LIMITED")
    async with watched.expects(REFUSALS, reason="RATE_LIMITED", times=100 - burst, logged=logged):
        told = await asyncio.gather(*(mallory.sign_in("ada", one) for one in guesses), return_exceptions=True)
        for _ in range(10):
            await phone.renew(pair_id)

    limited = [one for one in told if isinstance(one, errors.RateLimited)]
    assert len([one for one in told if isinstance(one, errors.SignInFailed)]) == burst
    assert len(limited) == 100 - burst
    # `RetryInfo` of the status.
    assert all((one.retry_after_ms or 0) > 0 for one in limited)
    assert await watched.reads(SIGN_INS, result="failed") == burst
    assert await watched.reads(SIGN_INS, result="rate_limited") == 100 - burst
    # Nor is the right password let in from there, so that no guess can be told from another.
    with pytest.raises(errors.RateLimited):
        await mallory.sign_in("ada")
    await host.renew(pair_id)


# ---- What another account holds.


async def test_nobody_reads_or_ends_what_another_account_holds(service: PairingService, watched: Watch) -> None:
    host, phone = await service.host(), await service.phone()
    await service.paired(host, phone)
    mallory = await mallorys(service)
    keeps_secret(watched, mallory)

    assert [one.device_id for one in await mallory.devices()] == [mallory.id]
    assert not (await mallory.tasks()).tasks
    for method, request in (
        ("RenameDevice", pb.RenameDeviceRequest(device_id=phone.id, name="mine")),
        ("RevokeDevice", pb.RevokeDeviceRequest(device_id=host.id)),
    ):
        async with watched.expects(REFUSALS, reason="DEVICE_UNKNOWN", logged=refused(method, "DEVICE_UNKNOWN")):
            with pytest.raises(errors.DeviceUnknown):
                await mallory.call(f"{DEVICE}{method}", request)

    assert {one.name: one.revoked_at_ms for one in await phone.devices()} == {"desk": 0, "pocket": 0}


@pytest.mark.parametrize("method", ["ListDevices", "ListTasks"])
@pytest.mark.parametrize("what", ["its id", "its sign-in"])
async def test_what_was_stolen_of_a_device_reads_nothing_of_its_account(
    service: PairingService, watched: Watch, method: str, what: str
) -> None:
    phone, mallory = await service.phone(), await mallorys(service)
    request = {"ListDevices": pb.ListDevicesRequest(), "ListTasks": pb.ListTasksRequest()}[method]
    keeps_secret(watched, phone, mallory)
    if what == "its id":
        # With a nonce of the victim's as well: anybody may ask for one, it is only good for the victim's key.
        thief, word = replace(phone, key=mallory.key), "PROOF_INVALID"
        call = thief.prepare(DEVICE + method, request).with_(dispatch_device_bin=phone.id)
    else:
        mallory.session, word = phone.session, "SIGN_IN_REQUIRED"
        call = mallory.prepare(DEVICE + method, request)

    async with watched.expects(REFUSALS, reason=word, logged=refused(method, word)):
        with pytest.raises(type(errors.of_word(word))):
            await mallory.send(call)
