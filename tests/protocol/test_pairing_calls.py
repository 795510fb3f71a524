"""Who is let in: proofs, nonces and sign-ins of calls, and what becomes of garbage. Over real gRPC."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from dispatch import errors
from dispatch.api.error.v1.error_pb2 import REASON_PAIRING_REFUSED
from dispatch.api.pairing.v1 import pairing_pb2 as pb
from dispatch.channel import dial
from dispatch.device.pairing_client import PairingClient
from dispatch.ids import DeviceId
from dispatch.status import from_rpc
from dispatch.thread.client import Identity
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from tests.support import connect_end
from tests.support.pairing_device import ACCOUNT, DEVICE, PAIRING, PASSWORD, TRUST, Call, Device, a_host, a_phone
from tests.support.pairing_service import PairingService
from tests.support.wires import BOTH_CARRIERS, WebAddress

MINUTE_MS = 60_000

# One request of each method that a device calls, well-formed.
REQUESTS: dict[str, Any] = {
    f"{ACCOUNT}SignOut": pb.SignOutRequest(),
    f"{ACCOUNT}ChangePassword": pb.ChangePasswordRequest(old_password=PASSWORD, new_password="another horse"),
    f"{DEVICE}ListDevices": pb.ListDevicesRequest(),
    f"{DEVICE}RenameDevice": pb.RenameDeviceRequest(device_id=b"d" * 16, name="desk"),
    f"{DEVICE}RevokeDevice": pb.RevokeDeviceRequest(device_id=b"d" * 16),
    f"{DEVICE}ListTasks": pb.ListTasksRequest(),
    f"{PAIRING}CreateOffer": pb.CreateOfferRequest(offer_id=b"o" * 16, claim_token_hash=b"h" * 32),
    f"{PAIRING}ClaimOffer": pb.ClaimOfferRequest(offer_id=b"o" * 16, claim_token=b"t" * 32),
    f"{PAIRING}SendStep": pb.SendStepRequest(offer_id=b"o" * 16, step=1, payload=b"x"),
    f"{PAIRING}EndOffer": pb.EndOfferRequest(offer_id=b"o" * 16, reason=REASON_PAIRING_REFUSED),
    f"{PAIRING}CompletePairing": pb.CompletePairingRequest(attestation=b"a"),
    f"{PAIRING}EndPairing": pb.EndPairingRequest(pair_id=b"p" * 16),
    f"{PAIRING}RenewGrant": pb.RenewGrantRequest(pair_id=b"p" * 16),
}
STREAMED = {f"{PAIRING}FollowOffer": pb.FollowOfferRequest(offer_id=b"o" * 16)}
# The request names the key, so that a device may come that was never seen.
BY_THEIR_KEY = {f"{ACCOUNT}{name}" for name in ("SignUp", "SignIn", "BeginFederatedSignIn", "FinishFederatedSignIn")}


@pytest.fixture
async def service(tmp_path: Path, carrier: str) -> AsyncIterator[PairingService]:
    async with PairingService(tmp_path / "pairing", carrier=carrier) as service:
        await service.add_account("ada")
        yield service


def _raw(callable_: Any) -> Any:
    return callable_  # bytes in, bytes out: the stubs can't know


async def sent(device: Device, call: Call) -> errors.DispatchError:
    """Send a call that must be refused; gives the refusal."""
    if call.method in STREAMED and isinstance(device.server, WebAddress):
        async with connect_end.follow(
            device.server, call.method, call.body, call.metadata, pb.FollowOfferResponse.FromString
        ) as stream:
            with pytest.raises(errors.DispatchError) as told:
                await stream.next()
        return told.value
    if call.method in STREAMED:
        async with dial(device.server) as channel:
            stream = _raw(channel.unary_stream(call.method))(call.body, metadata=call.metadata, timeout=20)
            with pytest.raises(grpc.aio.AioRpcError) as failure:
                await stream.read()
        return from_rpc(failure.value)
    with pytest.raises(errors.DispatchError) as refused:
        await device.send(call)
    return refused.value


async def ready(service: PairingService) -> Device:
    host = await service.host()
    await host.ask_nonce()
    return host


def test_every_method_for_devices_is_in_these_tables() -> None:
    services = pb.DESCRIPTOR.services_by_name
    methods = {
        f"/{service.full_name}/{method.name}"
        for service in (services["AccountService"], services["DeviceService"], services["PairingService"])
        for method in service.methods
    }

    assert methods == {*REQUESTS, *STREAMED, *BY_THEIR_KEY}


@pytest.mark.parametrize("method", [*REQUESTS, *STREAMED])
@BOTH_CARRIERS
async def test_no_method_answers_without_a_proof(service: PairingService, method: str) -> None:
    host = await ready(service)
    proper = host.prepare(method, {**REQUESTS, **STREAMED}[method])

    for broken, kind in (
        (proper.without("dispatch-proof-bin"), errors.ProofInvalid),
        (proper.with_(dispatch_proof_bin=b"\0" * 64), errors.ProofInvalid),
        (proper.with_(dispatch_proof_bin=b"short"), errors.ProofInvalid),
        (proper.with_(dispatch_dialled="elsewhere.example:7301"), errors.ProofInvalid),
        (proper.without("dispatch-dialled"), errors.ProofInvalid),
        (proper.without("dispatch-nonce-bin"), errors.NonceExpired),
        (proper.without("dispatch-device-bin"), errors.BadRequest),
        (proper.with_(dispatch_device_bin=b"short"), errors.BadRequest),
        (Call(method, proper.body, ()), errors.BadRequest),
        (Call(method, proper.body + b"\x9a\x06\x01x", proper.metadata), errors.ProofInvalid),
    ):
        assert type(await sent(host, broken)) is kind


@pytest.mark.parametrize("method", [*REQUESTS, *STREAMED])
@BOTH_CARRIERS
async def test_a_proof_is_good_for_its_own_method_only(service: PairingService, method: str) -> None:
    host = await ready(service)
    table = {**REQUESTS, **STREAMED}
    other = f"{PAIRING}RenewGrant" if method != f"{PAIRING}RenewGrant" else f"{PAIRING}EndPairing"
    replayed = Call(method, table[other].SerializeToString(), host.prepare(other, table[other]).metadata)

    assert type(await sent(host, replayed)) is errors.ProofInvalid


@BOTH_CARRIERS
async def test_a_proof_made_for_another_service_fits_no_name_of_this_one(service: PairingService) -> None:
    host = await ready(service)
    for_other = host.prepare(f"{ACCOUNT}SignOut", pb.SignOutRequest(), dialled="pairing.example:7301")

    assert type(await sent(host, for_other)) is errors.ProofInvalid
    assert type(await sent(host, for_other.with_(dispatch_dialled=host.server))) is errors.ProofInvalid


@pytest.mark.parametrize("name", ["localhost", "127.0.0.1", "[::1]", "LocalHost"])
async def test_every_own_name_may_be_dialled(service: PairingService, name: str) -> None:
    host = await ready(service)
    port = host.server.rpartition(":")[2]

    await host.send(host.prepare(f"{ACCOUNT}SignOut", pb.SignOutRequest(), dialled=f"{name}:{port}"))


async def test_an_advertised_name_may_be_dialled(tmp_path: Path) -> None:
    async with PairingService(tmp_path / "pairing", advertise=("pairing.example:443",)) as service:
        await service.add_account("ada")
        host = await ready(service)

        await host.send(host.prepare(f"{ACCOUNT}SignOut", pb.SignOutRequest(), dialled="pairing.example:443"))
        assert service.name == "pairing.example:443"


@BOTH_CARRIERS
async def test_another_devices_key_proves_nothing(service: PairingService) -> None:
    host, thief = await ready(service), a_host(service.address)
    thief.nonce, thief.session = host.nonce, host.session
    stolen = thief.prepare(f"{ACCOUNT}SignOut", pb.SignOutRequest()).with_(dispatch_device_bin=host.id)
    forged = Device(server=host.server, kind=host.kind, name="forged", key=thief.key)

    assert type(await sent(thief, stolen)) is errors.ProofInvalid
    await forged.ask_nonce()
    assert type(await sent(forged, forged.prepare(f"{ACCOUNT}SignOut", pb.SignOutRequest()))) is errors.SignInRequired


@BOTH_CARRIERS
async def test_a_nonce_is_good_for_ten_minutes_and_its_refusal_brings_a_fresh_one(service: PairingService) -> None:
    host = await ready(service)
    call = host.prepare(f"{ACCOUNT}SignOut", pb.SignOutRequest())
    await service.advance(10 * MINUTE_MS - 1)
    await host.send(call)
    await service.advance(1)

    with pytest.raises(errors.NonceExpired) as refused:
        await host.send(call)

    assert set(refused.value.metadata) == {"nonce"}
    await host.call(f"{ACCOUNT}SignOut", pb.SignOutRequest())


async def test_a_nonce_is_good_for_one_device_and_this_service(service: PairingService, tmp_path: Path) -> None:
    host = await ready(service)
    phone = await service.phone()
    phone.nonce = host.nonce
    assert type(await sent(phone, phone.prepare(f"{ACCOUNT}SignOut", pb.SignOutRequest()))) is errors.NonceExpired

    async with PairingService(tmp_path / "other", clock=service.clock) as other:
        elsewhere = a_host(other.address)
        elsewhere.key, elsewhere.nonce = host.key, host.nonce
        call = elsewhere.prepare(f"{ACCOUNT}SignOut", pb.SignOutRequest())
        assert type(await sent(elsewhere, call)) is errors.NonceExpired


@pytest.mark.parametrize("nonce", [b"", b"x" * 40, b"\xff" * 8 + b"x" * 32, b"x" * 41])
async def test_a_nonce_of_somebody_elses_making_is_refused(service: PairingService, nonce: bytes) -> None:
    host = await ready(service)
    host.nonce = nonce

    assert type(await sent(host, host.prepare(f"{ACCOUNT}SignOut", pb.SignOutRequest()))) is errors.NonceExpired


async def test_a_nonce_outlives_a_restart_of_the_service(service: PairingService) -> None:
    host = await ready(service)
    call = host.prepare(f"{ACCOUNT}SignOut", pb.SignOutRequest())

    await service.restart()

    await host.send(call)


@BOTH_CARRIERS
async def test_every_answer_brings_the_next_nonce(service: PairingService) -> None:
    host = await ready(service)
    await service.advance(1)
    before = host.nonce

    await host.send(host.prepare(f"{ACCOUNT}SignOut", pb.SignOutRequest()))
    assert host.nonce != before

    await service.advance(1)
    before = host.nonce
    await sent(host, host.prepare(f"{PAIRING}RenewGrant", pb.RenewGrantRequest(pair_id=b"p" * 16)))
    assert host.nonce != before


@BOTH_CARRIERS
async def test_metadata_that_stands_there_twice_is_refused(service: PairingService) -> None:
    host = await ready(service)
    call = host.prepare(f"{ACCOUNT}SignOut", pb.SignOutRequest())

    for entry in call.metadata:
        refusal = await sent(host, Call(call.method, call.body, (*call.metadata, entry)))
        assert type(refusal) is errors.BadRequest
        assert refusal.metadata == {"field": entry[0]}


@pytest.mark.parametrize("method", [*REQUESTS, *STREAMED, f"{ACCOUNT}SignIn"])
@pytest.mark.parametrize("body", [b"\xff" * 32, b"\x0a\xff\xff\xff\xff\x0f", b"\x00"])
@BOTH_CARRIERS
async def test_garbage_is_one_clear_error(service: PairingService, method: str, body: bytes) -> None:
    host = await ready(service)

    refusal = await sent(host, host.prepare(method, body))

    assert type(refusal) is errors.BadRequest
    assert refusal.metadata == {"field": "request"}


@pytest.mark.parametrize("method", [*REQUESTS, *STREAMED, f"{ACCOUNT}SignIn"])
@BOTH_CARRIERS
async def test_requests_have_a_size(service: PairingService, method: str) -> None:
    host = await ready(service)

    refusal = await sent(host, host.prepare(method, b"x" * 20_000))

    assert type(refusal) is errors.TooLarge
    assert refusal.metadata == {"limit_bytes": "16384"}


@pytest.mark.parametrize(
    ("method", "request_", "field"),
    [
        ("CreateOffer", pb.CreateOfferRequest(offer_id=b"short", claim_token_hash=b"h" * 32), "offer_id"),
        ("CreateOffer", pb.CreateOfferRequest(offer_id=b"o" * 16, claim_token_hash=b"h" * 31), "claim_token_hash"),
        ("EndOffer", pb.EndOfferRequest(offer_id=b"o" * 17), "offer_id"),
        ("SendStep", pb.SendStepRequest(step=1, payload=b"x"), "offer_id"),
        ("EndOffer", pb.EndOfferRequest(), "offer_id"),
        ("CompletePairing", pb.CompletePairingRequest(offer_id=b"x"), "offer_id"),
        ("EndPairing", pb.EndPairingRequest(), "pair_id"),
        ("RenewGrant", pb.RenewGrantRequest(pair_id=b"x" * 1000), "pair_id"),
    ],
)
@BOTH_CARRIERS
async def test_a_field_out_of_bounds_is_named(service: PairingService, method: str, request_: Any, field: str) -> None:
    host = await service.host()

    with pytest.raises(errors.BadRequest) as refused:
        await host.call(f"{PAIRING}{method}", request_)

    assert refused.value.metadata == {"field": field}


async def test_a_relay_with_garbage_is_refused(service: PairingService) -> None:
    host = a_host(service.address)

    for request in (b"\xff" * 9, pb.FollowTrustRequest(relay_address="nowhere\n:1").SerializeToString()):
        async with dial(host.server) as channel:
            stream = _raw(channel.unary_stream(f"{TRUST}FollowTrust"))(request, timeout=20)
            with pytest.raises(grpc.aio.AioRpcError) as failure:
                await stream.read()
            assert failure.value.code() is grpc.StatusCode.INVALID_ARGUMENT


@BOTH_CARRIERS
async def test_refusals_are_counted_by_reason_from_zero(service: PairingService) -> None:
    assert service.metric("dispatch_pairing_refusals_total", reason="PROOF_INVALID") == 0
    host = await ready(service)

    await sent(host, host.prepare(f"{ACCOUNT}SignOut", pb.SignOutRequest()).without("dispatch-proof-bin"))

    assert service.metric("dispatch_pairing_refusals_total", reason="PROOF_INVALID") == 1


async def test_clients_that_hang_up_break_nothing(service: PairingService) -> None:
    host, phone, code = await service.host(), await service.phone(), service.code()
    await host.create_offer(code)
    await phone.claim(code)

    async def hang_up(call: Call) -> None:
        async with dial(service.address) as channel:
            sent = _raw(channel.unary_unary(call.method))(call.body, metadata=call.metadata, timeout=20)
            await asyncio.sleep(0)  # lets the call start; how far it gets is what varies
            sent.cancel()

    for number in range(1, 40):
        step = pb.SendStepRequest(offer_id=code.offer_id, step=1, payload=b"x")
        calls = [phone.prepare(f"{PAIRING}SendStep", step), host.prepare(f"{ACCOUNT}SignOut", pb.SignOutRequest())]
        await asyncio.gather(*(hang_up(call) for call in calls))
        async with phone.follow(f"{PAIRING}FollowOffer", pb.FollowOfferRequest(offer_id=code.offer_id)) as feed:
            if number % 2:
                await feed.next()

    await phone.step(code, 1, b"x")
    assert service.metric("dispatch_pairing_refusals_total", reason="INTERNAL") == 0
    assert service.metric("dispatch_pairing_refusals_total", reason="STORE_FAILED") == 0


async def test_health_and_reflection_are_served(service: PairingService) -> None:
    async with dial(service.address) as channel:
        stub: Any = health_pb2_grpc.HealthStub(channel)
        for name in ("", "dispatch.api.pairing.v1.PairingService"):
            answer = await stub.Check(health_pb2.HealthCheckRequest(service=name), timeout=20)
            assert answer.status == health_pb2.HealthCheckResponse.SERVING
        asked = reflection_pb2.ServerReflectionRequest(file_containing_symbol="dispatch.api.pairing.v1.TrustService")
        reflection: Any = reflection_pb2_grpc
        call = reflection.ServerReflectionStub(channel).ServerReflectionInfo(iter([asked]), timeout=20)
        async for response in call:
            assert response.file_descriptor_response.file_descriptor_proto
            break


async def test_the_sdks_client_gets_along_with_the_service(service: PairingService) -> None:
    key = Ed25519PrivateKey.from_private_bytes(os.urandom(32))
    phone = a_phone(service.address)
    phone.key = key
    identity = Identity(device_id=DeviceId(phone.id), kind=phone.kind, sign=key.sign)
    async with PairingClient(server=service.address, identity=identity) as client:
        signed_in = await client.sign_in(phone.sign_in_request(password=PASSWORD))
        assert signed_in.service_name == service.name
        with pytest.raises(errors.OfferUnknown):
            await client.claim_offer(b"o" * 16, b"t" * 32)
        with pytest.raises(errors.OfferUnknown):
            await anext(client.follow_offer(b"o" * 16))
        await client.sign_out()
        with pytest.raises(errors.SignInRequired):
            await client.claim_offer(b"o" * 16, b"t" * 32)
