"""An attacker with an account of the same pairing service, at the codes and the ceremony of somebody else.

Each attempt is refused for the right reason, counted once and logged once, and leaves no secret in either.
"""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import grpc
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from dispatch import errors
from dispatch.api.pairing.v1 import pairing_pb2 as pb
from dispatch.channel import dial
from dispatch.status import from_rpc
from dispatch_pairing.limits import Rate

from tests.support.attacks import LogBook, Watch
from tests.support.mallory import HERS, OFFERS, REFUSALS, keeps_secret, mallorys, refused
from tests.support.pairing_device import (
    ACCOUNT,
    CALL_SECONDS,
    PAIRING,
    PASSWORD,
    Device,
    a_phone,
    signed_pairing,
)
from tests.support.pairing_service import PairingService, with_limits


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


# ---- Claiming somebody else's code.


@pytest.mark.parametrize("method", ["ClaimOffer", "SignIn"])
async def test_another_key_under_a_devices_id_claims_nothing(
    service: PairingService, watched: Watch, method: str
) -> None:
    """Mallory knows all of the victim but its key: its id, its sign-in, the code."""
    host, phone, code = await service.host(), await service.phone(), service.code()
    await host.create_offer(code)
    thief = replace(phone, key=Ed25519PrivateKey.generate())
    forged = {
        "ClaimOffer": pb.ClaimOfferRequest(offer_id=code.offer_id, claim_token=code.token),
        "SignIn": thief.sign_in_request(),
    }[method]
    call = thief.prepare((PAIRING if method == "ClaimOffer" else ACCOUNT) + method, forged)
    call = call.with_(dispatch_device_bin=phone.id)
    keeps_secret(watched, host, phone, code=code)

    async with watched.expects(REFUSALS, reason="PROOF_INVALID", logged=refused(method, "PROOF_INVALID")):
        with pytest.raises(errors.ProofInvalid):
            await thief.send(call)

    await phone.claim(code)  # nothing of it was used up


async def test_a_second_claim_is_refused_and_the_host_is_warned(service: PairingService, watched: Watch) -> None:
    """Somebody of the family took a photograph of the code."""
    host, phone, second, code = await service.host(), await service.phone(), await service.phone("twin"), service.code()
    await host.create_offer(code)
    await phone.claim(code)
    keeps_secret(watched, host, phone, second, code=code)

    async with watched.expects(REFUSALS, reason="OFFER_CLAIMED", logged=refused("ClaimOffer", "OFFER_CLAIMED")):
        with pytest.raises(errors.OfferClaimed):
            await second.claim(code)

    assert await watched.reads(OFFERS, result="contested") == 1
    await host.end_offer(code, errors.RefusedByPerson.reason)
    assert "contested" in await host.told(code)


async def test_a_photographed_code_is_worth_nothing_in_another_account(service: PairingService, watched: Watch) -> None:
    host, phone, code = await service.host(), await service.phone(), service.code()
    await host.create_offer(code)
    mallory = await mallorys(service)
    keeps_secret(watched, host, mallory, code=code)

    async with watched.expects(REFUSALS, reason="OTHER_ACCOUNT", logged=refused("ClaimOffer", "OTHER_ACCOUNT")):
        with pytest.raises(errors.OtherAccount):
            await mallory.claim(code)

    await phone.claim(code)


GUESSES_AT_ONCE = 32


async def guess(device: Device, offer_id: bytes, count: int) -> Counter[str]:
    """Try claim tokens, many at a time; gives how often each reason was the answer."""
    method = f"{PAIRING}ClaimOffer"
    answers = Counter[str]()
    async with dial(device.server) as channel:
        claims: Any = channel.unary_unary(method)

        async def worker(guesses: int) -> None:
            for _ in range(guesses):
                request = pb.ClaimOfferRequest(offer_id=offer_id, claim_token=os.urandom(32))
                call = device.prepare(method, request)
                with pytest.raises(grpc.aio.AioRpcError) as failure:
                    await claims(call.body, metadata=call.metadata, timeout=CALL_SECONDS)
                refusal = from_rpc(failure.value)
                answers[errors.word(refusal.reason)] += 1
                if isinstance(refusal, errors.RateLimited):
                    assert (refusal.retry_after_ms or 0) > 0

        shares = [count // GUESSES_AT_ONCE + (one < count % GUESSES_AT_ONCE) for one in range(GUESSES_AT_ONCE)]
        await asyncio.gather(*(worker(share) for share in shares))
    return answers


@pytest.mark.parametrize("guesses", [200, pytest.param(3_000, marks=pytest.mark.big)])
async def test_thousands_of_guesses_find_no_code_and_end_no_more_codes_than_four(
    service: PairingService, watched: Watch, guesses: int
) -> None:
    """Five misses end a code, twenty an account's guessing; with whatever else it asks it is told when to come back."""
    host, phone, mallory = await service.host(), await service.phone(), await mallorys(service)
    limits, codes = service.limits, 5
    burst, found = limits.guesses_per_account.burst, Counter[str]()
    for _ in range(codes):
        code = service.code()
        await host.create_offer(code)
        found += await guess(mallory, code.offer_id, limits.misses)
        keeps_secret(watched, code=code)
    found += await guess(mallory, code.offer_id, guesses - codes * limits.misses)
    keeps_secret(watched, host, mallory)

    assert found == {"OFFER_UNKNOWN": burst, "RATE_LIMITED": guesses - burst}
    for word, count in found.items():
        assert await watched.reads(REFUSALS, reason=word) == count
        assert sum(refused("ClaimOffer", word).items() <= line.items() for line in watched.log.lines) == count
    assert await watched.reads(OFFERS, result="missed") == burst
    assert await watched.reads(OFFERS, result="HANDSHAKE_FAILED") == burst // limits.misses == codes - 1
    assert await watched.reads(OFFERS, result="claimed") == 0
    await watched.leaks_nothing()
    await phone.claim(code)  # the last code is still good for the person whose it is


async def test_a_host_shows_so_many_codes_an_hour(service: PairingService, watched: Watch) -> None:
    """Each code is one guess in a million at the six digits, for somebody who stands between the two devices."""
    host = await service.host()
    for _ in range(service.limits.offers_per_hour):
        await host.create_offer(service.code())
    keeps_secret(watched, host)

    async with watched.expects(REFUSALS, reason="RATE_LIMITED", logged=refused("CreateOffer", "RATE_LIMITED")):
        with pytest.raises(errors.RateLimited) as told:
            await host.create_offer(service.code())

    await service.advance(told.value.retry_after_ms or 0)
    await host.create_offer(service.code())


async def test_guesses_from_one_address_are_bounded_whatever_accounts_they_use(log: LogBook, tmp_path: Path) -> None:
    limits = with_limits(guesses_per_address=Rate(burst=8, refill_ms=10_000))
    async with PairingService(tmp_path / "pairing", limits=limits) as service:
        for name in ("ada", "eve", "mallory"):
            await service.add_account(name)
        found = Counter[str]()
        for name in ("eve", "mallory"):
            found += await guess(await service.phone(name, account=name), os.urandom(16), 5)

        assert found == {"OFFER_UNKNOWN": 8, "RATE_LIMITED": 2}
        await service.advance(10_000)
        host, phone, code = await service.host(), await service.phone(), service.code()
        await host.create_offer(code)
        await phone.claim(code)


# ---- Attestations that do not say what both devices signed for this pair.


Mix = Callable[[Device, Device, Device, bytes, str], pb.CompletePairingRequest]


def with_phone_signature_of(made: pb.CompletePairingRequest, other: pb.CompletePairingRequest) -> Any:
    """Give a request with the phone's signature from another."""
    made.phone_signature = other.phone_signature
    return made


MIXED: dict[str, tuple[str, Mix]] = {
    "the keys swapped": (
        "ATTESTATION_MISMATCH",
        lambda host, phone, _o, pair_id, name: signed_pairing(
            host=phone, phone=host, pair_id=pair_id, service_name=name
        ),
    ),
    "another service": (
        "ATTESTATION_MISMATCH",
        lambda host, phone, _o, pair_id, _n: signed_pairing(
            host=host, phone=phone, pair_id=pair_id, service_name="other.example:7301"
        ),
    ),
    "the host's signature twice": (
        "ATTESTATION_MISMATCH",
        lambda host, phone, _o, pair_id, _n: signed_pairing(
            host=host, phone=phone, pair_id=pair_id, phone_signer=host
        ),
    ),
    "a signature of another pair": (
        "ATTESTATION_MISMATCH",
        lambda host, phone, _o, pair_id, _n: with_phone_signature_of(
            signed_pairing(host=host, phone=phone, pair_id=pair_id),
            signed_pairing(host=host, phone=phone, pair_id=os.urandom(16)),
        ),
    ),
    "another host's": (
        "ATTESTATION_MISMATCH",
        lambda host, phone, other, pair_id, name: signed_pairing(
            host=other, phone=phone, pair_id=pair_id, service_name=name
        ),
    ),
    "a phone of nobody here": (
        "OTHER_ACCOUNT",
        lambda host, phone, _o, pair_id, _n: signed_pairing(
            host=host, phone=a_phone(phone.server, "made up"), pair_id=pair_id
        ),
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", MIXED)
async def test_an_attestation_that_was_mixed_up_makes_no_pair(
    service: PairingService, watched: Watch, what: str
) -> None:
    host, phone, other = await service.host(), await service.phone(), await service.host("other")
    word, mix = MIXED[what]
    request = mix(host, phone, other, os.urandom(16), service.name)
    keeps_secret(watched, host, phone)
    watched.secrets += [request.phone_signature, request.host_signature]

    async with watched.expects(REFUSALS, reason=word, logged=refused("CompletePairing", word)):
        with pytest.raises(type(errors.of_word(word))):
            await host.complete(request)

    assert await watched.reads("dispatch_pairing_pairings_active") == 0


async def test_a_phone_that_did_not_claim_the_code_is_not_paired_by_it(service: PairingService, watched: Watch) -> None:
    """The key that claimed and the key in the attestation differ: somebody swapped one."""
    host, phone, twin, code = await service.host(), await service.phone(), await service.phone("twin"), service.code()
    await host.create_offer(code)
    await phone.claim(code)
    keeps_secret(watched, host, twin, code=code)

    word = "ATTESTATION_MISMATCH"
    async with watched.expects(REFUSALS, reason=word, logged=refused("CompletePairing", word)):
        with pytest.raises(errors.AttestationMismatch):
            await host.complete(signed_pairing(host=host, phone=twin, pair_id=os.urandom(16), offer=code))


async def test_a_pairing_that_was_ended_is_not_revived_by_what_both_once_signed(
    service: PairingService, watched: Watch
) -> None:
    """Somebody has a backup of the host: the attestation in it is right in every word."""
    host, phone = await service.host(), await service.phone()
    signed = signed_pairing(host=host, phone=phone, pair_id=os.urandom(16))
    await host.complete(signed)
    await phone.end_pairing(signed_pair_id(signed))
    keeps_secret(watched, host)

    async with watched.expects(REFUSALS, reason="NOT_PAIRED", logged=refused("CompletePairing", "NOT_PAIRED")):
        with pytest.raises(errors.NotPaired):
            await host.complete(signed)


def signed_pair_id(request: pb.CompletePairingRequest) -> bytes:
    """Read the second field of an attestation."""
    first = int.from_bytes(request.attestation[:2], "big")
    return request.attestation[4 + first : 20 + first]
