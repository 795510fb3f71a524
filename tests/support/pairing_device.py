"""A device as the pairing service sees it, with every lever in reach: what is signed, what is said, what is left out.

Written against the contract and not with the SDK's client, so that the two check each other.
"""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

import grpc
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from dispatch import errors
from dispatch.api.pairing.v1 import pairing_pb2 as pb
from dispatch.api.relay.v1.relay_pb2 import DEVICE_KIND_HOST, DEVICE_KIND_PHONE, DeviceKind
from dispatch.channel import dial
from dispatch.status import from_rpc
from google.protobuf.message import Message

from tests.support import connect_end
from tests.support.wires import WebAddress

ACCOUNT = "/dispatch.api.pairing.v1.AccountService/"
DEVICE = "/dispatch.api.pairing.v1.DeviceService/"
HISTORY = "/dispatch.api.pairing.v1.HistoryService/"
PAIRING = "/dispatch.api.pairing.v1.PairingService/"
TRUST = "/dispatch.api.pairing.v1.TrustService/"

PASSWORD = "correct horse battery staple"
# Calls wait for the connection: after a restart grpc may still be backing off from the service that was there before.
CALL_SECONDS = 40.0

RESPONSES: dict[str, type[Message]] = {
    f"{ACCOUNT}SignIn": pb.SignInResponse,
    f"{ACCOUNT}SignOut": pb.SignOutResponse,
    f"{ACCOUNT}SignUp": pb.SignUpResponse,
    f"{ACCOUNT}BeginFederatedSignIn": pb.BeginFederatedSignInResponse,
    f"{ACCOUNT}FinishFederatedSignIn": pb.FinishFederatedSignInResponse,
    f"{ACCOUNT}ChangePassword": pb.ChangePasswordResponse,
    f"{DEVICE}ListDevices": pb.ListDevicesResponse,
    f"{DEVICE}RenameDevice": pb.RenameDeviceResponse,
    f"{DEVICE}RevokeDevice": pb.RevokeDeviceResponse,
    f"{DEVICE}ListTasks": pb.ListTasksResponse,
    f"{HISTORY}Report": pb.ReportResponse,
    f"{PAIRING}CreateOffer": pb.CreateOfferResponse,
    f"{PAIRING}ClaimOffer": pb.ClaimOfferResponse,
    f"{PAIRING}SendStep": pb.SendStepResponse,
    f"{PAIRING}FollowOffer": pb.FollowOfferResponse,
    f"{PAIRING}EndOffer": pb.EndOfferResponse,
    f"{PAIRING}CompletePairing": pb.CompletePairingResponse,
    f"{PAIRING}EndPairing": pb.EndPairingResponse,
    f"{PAIRING}RenewGrant": pb.RenewGrantResponse,
    f"{TRUST}FollowTrust": pb.FollowTrustResponse,
}

Metadata = tuple[tuple[str, str | bytes], ...]


def enc(*fields: bytes) -> bytes:
    """Write fields as docs/encryption.md "Conventions" has it."""
    return b"".join(len(field).to_bytes(2, "big") + field for field in fields)


@dataclass(frozen=True, slots=True)
class Call:
    """One call as it goes out, to be kept and played again."""

    method: str
    body: bytes
    metadata: Metadata

    def with_(self, **changed: str | bytes) -> Call:
        """Give the call with metadata changed: `with_(dispatch_dialled="…")`."""
        names = {name.replace("_", "-"): value for name, value in changed.items()}
        kept = tuple(entry for entry in self.metadata if entry[0] not in names)
        return Call(self.method, self.body, (*kept, *names.items()))

    def without(self, name: str) -> Call:
        """Give the call without one metadata entry."""
        return Call(self.method, self.body, tuple(entry for entry in self.metadata if entry[0] != name))


@dataclass(slots=True)
class Device:
    """A phone or a host: its key, its newest nonce, its sign-in."""

    server: str
    kind: DeviceKind.ValueType
    name: str
    key: Ed25519PrivateKey = field(default_factory=Ed25519PrivateKey.generate)
    nonce: bytes = b""
    session: bytes = b""
    app_version: str = "1.0.0"
    signed_in: pb.SignInResponse = field(default_factory=pb.SignInResponse)

    @property
    def public(self) -> bytes:
        return self.key.public_key().public_bytes_raw()

    @property
    def id(self) -> bytes:
        return sha256(b"dispatch/device/1" + self.public).digest()[:16]

    def prepare(self, method: str, request: Message | bytes, *, dialled: str | None = None) -> Call:
        """Prove a call."""
        body = request if isinstance(request, bytes) else request.SerializeToString()
        name = self.server if dialled is None else dialled
        signed = enc(b"dispatch-pop/1 call", name.encode(), method.encode(), self.id, self.nonce, sha256(body).digest())
        metadata: list[tuple[str, str | bytes]] = [
            ("dispatch-device-bin", self.id),
            ("dispatch-dialled", name),
            ("dispatch-nonce-bin", self.nonce),
            ("dispatch-proof-bin", self.key.sign(signed)),
        ]
        if self.session:
            metadata.append(("dispatch-session-bin", self.session))
        return Call(method, body, tuple(metadata))

    async def send(self, call: Call) -> Any:
        """Send a call exactly so. Raises the error that the service gave."""
        if isinstance(self.server, WebAddress):
            return await self._send_by_connect(call)
        async with dial(self.server) as channel:
            sent = channel.unary_unary(
                call.method, request_serializer=_as_is, response_deserializer=_parse(call.method)
            )(call.body, metadata=call.metadata, timeout=CALL_SECONDS, wait_for_ready=True)
            try:
                answer = await sent
            except grpc.aio.AioRpcError as failure:
                self._learn(failure.initial_metadata())
                raise from_rpc(failure) from failure
            self._learn(await sent.initial_metadata())
            return answer

    async def _send_by_connect(self, call: Call) -> Any:
        came = await connect_end.call(self.server, call.method, call.body, call.metadata, _parse(call.method))
        self.nonce = came.next_nonce or self.nonce
        if came.error is not None:
            raise came.error
        return came.message

    async def call(self, method: str, request: Message) -> Any:
        """Make a call properly: with a fresh nonce when the one at hand is too old."""
        try:
            return await self.send(self.prepare(method, request))
        except errors.NonceExpired as refused:
            self.nonce = base64.b64decode(refused.metadata["nonce"])
            return await self.send(self.prepare(method, request))

    @asynccontextmanager
    async def follow(self, method: str, request: Message) -> AsyncIterator[Feed]:
        """Open a stream of answers."""
        if not self.nonce:
            await self.ask_nonce()
        call = self.prepare(method, request)
        if isinstance(self.server, WebAddress):
            parse = _parse(method)
            async with connect_end.follow(self.server, method, call.body, call.metadata, parse) as stream_by_connect:
                yield Feed(stream_by_connect)
            return
        async with dial(self.server) as channel:
            stream = channel.unary_stream(method, request_serializer=_as_is, response_deserializer=_parse(method))(
                call.body, metadata=call.metadata, timeout=CALL_SECONDS, wait_for_ready=True
            )
            try:
                yield Feed(stream)
            finally:
                stream.cancel()

    async def ask_nonce(self) -> None:
        """Get a nonce by being refused."""
        try:
            await self.send(self.prepare(f"{ACCOUNT}SignOut", pb.SignOutRequest()).with_(dispatch_nonce_bin=b""))
        except errors.NonceExpired as refused:
            self.nonce = base64.b64decode(refused.metadata["nonce"])

    def _learn(self, metadata: Any) -> None:
        for name, value in metadata or ():
            if name == "dispatch-next-nonce-bin":
                self.nonce = value

    # ---- what devices do ----

    def sign_in_request(self, account: str = "ada", password: str = PASSWORD) -> pb.SignInRequest:
        """Give the request of a sign-in."""
        return pb.SignInRequest(
            account=account,
            password=password,
            device_key=self.public,
            device_name=self.name,
            device_kind=self.kind,
            app_version=self.app_version,
        )

    async def sign_up(self, account: str, password: str = PASSWORD, *, invitation: str = "") -> None:
        """Make an account."""
        request = pb.SignUpRequest(account=account, password=password, invitation=invitation, device_key=self.public)
        await self.call(f"{ACCOUNT}SignUp", request)

    async def sign_in(self, account: str = "ada", password: str = PASSWORD) -> None:
        """Sign in and keep the token."""
        self.signed_in = await self.call(f"{ACCOUNT}SignIn", self.sign_in_request(account, password))
        self.session = self.signed_in.session

    async def begin_at_provider(self) -> pb.BeginFederatedSignInResponse:
        """Get a code for the person."""
        request = pb.BeginFederatedSignInRequest(device_key=self.public)
        begun: pb.BeginFederatedSignInResponse = await self.call(f"{ACCOUNT}BeginFederatedSignIn", request)
        return begun

    async def finish_at_provider(self, attempt_id: bytes) -> None:
        """Ask whether the person has entered it, and keep the token."""
        request = pb.FinishFederatedSignInRequest(
            attempt_id=attempt_id, device_key=self.public, device_name=self.name, device_kind=self.kind
        )
        self.signed_in = (await self.call(f"{ACCOUNT}FinishFederatedSignIn", request)).signed_in
        self.session = self.signed_in.session

    async def sign_out(self, *, everywhere: bool = False) -> None:
        """Sign out, and keep the token that is worth nothing now."""
        await self.call(f"{ACCOUNT}SignOut", pb.SignOutRequest(everywhere=everywhere))

    async def change_password(self, old: str, new: str) -> None:
        """Change the account's password."""
        request = pb.ChangePasswordRequest(old_password=old, new_password=new)
        await self.call(f"{ACCOUNT}ChangePassword", request)

    async def create_offer(self, offer: Code) -> pb.CreateOfferResponse:
        """Open an offer."""
        request = pb.CreateOfferRequest(offer_id=offer.offer_id, claim_token_hash=sha256(offer.token).digest())
        response: pb.CreateOfferResponse = await self.call(f"{PAIRING}CreateOffer", request)
        return response

    async def claim(self, offer: Code, *, token: bytes | None = None) -> pb.ClaimOfferResponse:
        """Claim an offer."""
        request = pb.ClaimOfferRequest(offer_id=offer.offer_id, claim_token=offer.token if token is None else token)
        response: pb.ClaimOfferResponse = await self.call(f"{PAIRING}ClaimOffer", request)
        return response

    async def step(self, offer: Code, number: int, payload: bytes | None = None) -> None:
        """Leave a step."""
        payload = payload_of(number) if payload is None else payload
        await self.call(f"{PAIRING}SendStep", pb.SendStepRequest(offer_id=offer.offer_id, step=number, payload=payload))

    async def end_offer(self, offer: Code, reason: Any) -> None:
        """End an offer."""
        await self.call(f"{PAIRING}EndOffer", pb.EndOfferRequest(offer_id=offer.offer_id, reason=reason))

    async def told(self, offer: Code) -> list[str]:
        """Follow an offer to its end; gives what was told, in words."""
        async with self.follow(f"{PAIRING}FollowOffer", pb.FollowOfferRequest(offer_id=offer.offer_id)) as feed:
            return [words(event) async for event in feed]

    async def complete(self, request: pb.CompletePairingRequest) -> None:
        """Complete a pairing."""
        await self.call(f"{PAIRING}CompletePairing", request)

    async def end_pairing(self, pair_id: bytes) -> None:
        """End a pairing."""
        await self.call(f"{PAIRING}EndPairing", pb.EndPairingRequest(pair_id=pair_id))

    async def devices(self) -> list[pb.Device]:
        """List the account's devices."""
        return list((await self.call(f"{DEVICE}ListDevices", pb.ListDevicesRequest())).devices)

    async def rename(self, device: Device, name: str) -> None:
        """Call a device something else."""
        await self.call(f"{DEVICE}RenameDevice", pb.RenameDeviceRequest(device_id=device.id, name=name))

    async def revoke(self, device: Device) -> None:
        """Revoke a device."""
        await self.call(f"{DEVICE}RevokeDevice", pb.RevokeDeviceRequest(device_id=device.id))

    async def tasks(self, *, token: str = "", size: int = 0) -> pb.ListTasksResponse:
        """Read a page of the account's tasks."""
        request = pb.ListTasksRequest(page_token=token, page_size=size)
        response: pb.ListTasksResponse = await self.call(f"{DEVICE}ListTasks", request)
        return response

    async def renew(self, pair_id: bytes) -> pb.RenewGrantResponse:
        """Renew a grant; a fresh token that comes with it is left to the caller."""
        request = pb.RenewGrantRequest(pair_id=pair_id, app_version=self.app_version)
        response: pb.RenewGrantResponse = await self.call(f"{PAIRING}RenewGrant", request)
        return response

    async def is_signed_in(self) -> bool:
        """Say whether the service takes this device's sign-in: by a call that needs one, for something that is not there."""
        request = pb.ClaimOfferRequest(offer_id=b"?" * 16, claim_token=b"?" * 32)
        try:
            await self.call(f"{PAIRING}ClaimOffer", request)
        except errors.SignInRequired:
            return False
        except (errors.OfferUnknown, errors.BadRequest):
            return True
        raise AssertionError("there was an offer")


@dataclass(frozen=True, slots=True)
class Feed:
    """A stream of answers that raises our errors."""

    stream: Any

    async def next(self) -> Any:
        """Give the next answer; None at the end."""
        if isinstance(self.stream, connect_end.Stream):
            return await self.stream.next()
        try:
            answer = await self.stream.read()
        except grpc.aio.AioRpcError as failure:
            raise from_rpc(failure) from failure
        return None if answer is grpc.aio.EOF else answer

    async def rest(self) -> list[Any]:
        """Give all that is still to come."""
        return [answer async for answer in self]

    async def __aiter__(self) -> AsyncIterator[Any]:
        while (answer := await self.next()) is not None:
            yield answer


@dataclass(frozen=True, slots=True)
class Code:
    """What a QR code holds, as far as the service is concerned."""

    offer_id: bytes
    token: bytes


def payload_of(number: int) -> bytes:
    """Give something for a step to carry."""
    return b"opaque %d" % number * 10


def words(event: pb.FollowOfferResponse) -> str:
    """Write an event of an offer as a person would."""
    kind = event.WhichOneof("event")
    if kind == "step":
        return f"step {event.step.step}"
    if kind == "ended":
        return f"ended {errors.word(event.ended.reason)}" if event.ended.reason else "complete"
    return str(kind)


def signed_pairing(
    *,
    host: Device,
    phone: Device,
    pair_id: bytes,
    service_name: str | None = None,
    offer: Code | None = None,
    host_signer: Device | None = None,
    phone_signer: Device | None = None,
) -> pb.CompletePairingRequest:
    """Have both devices sign that they are a pair; the levers are for what must be refused."""
    name = host.signed_in.service_name if service_name is None else service_name
    attestation = enc(b"dispatch/attest/1", pair_id, name.encode(), host.public, phone.public)
    return pb.CompletePairingRequest(
        attestation=attestation,
        phone_signature=(phone_signer or phone).key.sign(attestation),
        host_signature=(host_signer or host).key.sign(attestation),
        offer_id=b"" if offer is None else offer.offer_id,
    )


def a_host(server: str, name: str = "desk") -> Device:
    """Make a host."""
    return Device(server=server, kind=DEVICE_KIND_HOST, name=name)


def a_phone(server: str, name: str = "pocket") -> Device:
    """Make a phone."""
    return Device(server=server, kind=DEVICE_KIND_PHONE, name=name)


def _as_is(body: bytes) -> bytes:
    return body


def _parse(method: str) -> Callable[[bytes], Message]:
    return RESPONSES[method].FromString
