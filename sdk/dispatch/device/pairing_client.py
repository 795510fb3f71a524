"""Calls the pairing service as a device: each call proven with the device key and the service's nonce.

Knows the services' methods and nothing of what pairing means; `dispatch.device.ceremony` does.
"""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from typing import Any, Protocol, TypeVar

import grpc
from google.protobuf.message import DecodeError, Message

from dispatch import errors
from dispatch.api.pairing.v1 import pairing_pb2 as pb
from dispatch.device.session import Session
from dispatch.proof import call_proof_bytes
from dispatch.status import from_rpc
from dispatch.thread.client import Identity
from dispatch.tls import BY_THE_RULE, Dialler

CALL_SECONDS = 10.0
_LATEST_MS = 2**53 - 1  # no clock shows it, and no store, nor any sum of such times, is too small for it

_ACCOUNT = "/dispatch.api.pairing.v1.AccountService/"
_DEVICE = "/dispatch.api.pairing.v1.DeviceService/"
_PAIRING = "/dispatch.api.pairing.v1.PairingService/"

R = TypeVar("R", bound=Message)
R_co = TypeVar("R_co", bound=Message, covariant=True)


class _Parsed(Protocol[R_co]):
    def FromString(self, serialized: bytes) -> R_co: ...  # noqa: N802 -- protobuf's name


class PairingClient:
    """One device's line to its pairing service. Use as an async context manager."""

    def __init__(
        self, *, server: str, identity: Identity, session: Session | bytes = b"", dialler: Dialler = BY_THE_RULE
    ) -> None:
        """Speak as a device. A session that is bytes is not kept when the service replaces it: for a host, which it never does."""
        self.server = server
        self._dialler = dialler
        self._identity = identity
        self._session = session if isinstance(session, Session) else Session(token=session)
        self._nonce = b""
        self._channel: grpc.aio.Channel | None = None

    async def __aenter__(self) -> PairingClient:
        try:
            self._channel = self._dialler.dial(self.server)
        except ValueError as problem:
            raise errors.BadRequest(str(problem), metadata={"field": "server"}) from problem
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._channel is not None:
            await self._channel.close()

    async def sign_in(self, request: pb.SignInRequest) -> pb.SignInResponse:
        """Sign in; the session that comes back is used from here on."""
        response = await self._call(_ACCOUNT + "SignIn", request, pb.SignInResponse)
        self._session.keep(response.session)
        return response

    async def begin_federated_sign_in(self, device_key: bytes) -> pb.BeginFederatedSignInResponse:
        """Ask for a code that the person enters at the provider."""
        request = pb.BeginFederatedSignInRequest(device_key=device_key)
        return await self._call(_ACCOUNT + "BeginFederatedSignIn", request, pb.BeginFederatedSignInResponse)

    async def finish_federated_sign_in(self, request: pb.FinishFederatedSignInRequest) -> pb.SignInResponse:
        """Sign in once the person has entered it."""
        method = _ACCOUNT + "FinishFederatedSignIn"
        return (await self._call(method, request, pb.FinishFederatedSignInResponse)).signed_in

    async def sign_up(self, request: pb.SignUpRequest) -> None:
        """Make an account."""
        await self._call(_ACCOUNT + "SignUp", request, pb.SignUpResponse)

    async def sign_out(self, *, everywhere: bool = False) -> None:
        """End the session, or all of the account."""
        await self._call(_ACCOUNT + "SignOut", pb.SignOutRequest(everywhere=everywhere), pb.SignOutResponse)

    async def change_password(self, old: str, new: str) -> None:
        """Set another password; every other session of the account ends."""
        request = pb.ChangePasswordRequest(old_password=old, new_password=new)
        await self._call(_ACCOUNT + "ChangePassword", request, pb.ChangePasswordResponse)

    async def list_devices(self) -> pb.ListDevicesResponse:
        """List the account's devices."""
        return await self._call(_DEVICE + "ListDevices", pb.ListDevicesRequest(), pb.ListDevicesResponse)

    async def rename_device(self, device_id: bytes, name: str) -> None:
        """Call a device something else."""
        request = pb.RenameDeviceRequest(device_id=device_id, name=name)
        await self._call(_DEVICE + "RenameDevice", request, pb.RenameDeviceResponse)

    async def revoke_device(self, device_id: bytes) -> None:
        """End all rights of a device for good."""
        await self._call(_DEVICE + "RevokeDevice", pb.RevokeDeviceRequest(device_id=device_id), pb.RevokeDeviceResponse)

    async def list_tasks(self, *, page_token: str = "", page_size: int = 0) -> pb.ListTasksResponse:
        """Read a page of what is known of the account's tasks."""
        request = pb.ListTasksRequest(page_token=page_token, page_size=page_size)
        return await self._call(_DEVICE + "ListTasks", request, pb.ListTasksResponse)

    async def create_offer(self, offer_id: bytes, claim_token_hash: bytes) -> pb.CreateOfferResponse:
        """Open an offer."""
        request = pb.CreateOfferRequest(offer_id=offer_id, claim_token_hash=claim_token_hash)
        return await self._call(_PAIRING + "CreateOffer", request, pb.CreateOfferResponse)

    async def claim_offer(self, offer_id: bytes, claim_token: bytes) -> pb.ClaimOfferResponse:
        """Take an offer."""
        request = pb.ClaimOfferRequest(offer_id=offer_id, claim_token=claim_token)
        return await self._call(_PAIRING + "ClaimOffer", request, pb.ClaimOfferResponse)

    async def send_step(self, offer_id: bytes, step: int, payload: bytes) -> None:
        """Leave a message of the ceremony for the other side."""
        request = pb.SendStepRequest(offer_id=offer_id, step=step, payload=payload)
        await self._call(_PAIRING + "SendStep", request, pb.SendStepResponse)

    async def end_offer(self, offer_id: bytes, reason: Any) -> None:
        """End an offer that is not complete."""
        request = pb.EndOfferRequest(offer_id=offer_id, reason=reason)
        await self._call(_PAIRING + "EndOffer", request, pb.EndOfferResponse)

    async def complete_pairing(self, request: pb.CompletePairingRequest) -> None:
        """Make the pair active."""
        await self._call(_PAIRING + "CompletePairing", request, pb.CompletePairingResponse)

    async def end_pairing(self, pair_id: bytes) -> None:
        """End a pair for good."""
        await self._call(_PAIRING + "EndPairing", pb.EndPairingRequest(pair_id=pair_id), pb.EndPairingResponse)

    async def renew_grant(self, pair_id: bytes, app_version: str) -> pb.RenewGrantResponse:
        """Get a fresh right to attach. A fresh session token that comes with it is kept before this returns.

        Raises GrantInvalid for one whose times make no sense.
        """
        request = pb.RenewGrantRequest(pair_id=pair_id, app_version=app_version)
        answer = await self._call(_PAIRING + "RenewGrant", request, pb.RenewGrantResponse)
        try:
            grant = pb.Grant.FromString(answer.grant.grant)
        except DecodeError as failure:
            raise errors.GrantInvalid("the service's grant can't be read") from failure
        if not all(
            0 <= at_ms <= _LATEST_MS for at_ms in (grant.not_before_ms, grant.not_after_ms, answer.server_time_ms)
        ):
            raise errors.GrantInvalid("the service's grant is of a time that never comes")
        return answer

    async def follow_offer(self, offer_id: bytes) -> AsyncIterator[pb.FollowOfferResponse]:
        """Give an offer's events from the beginning, until it ends or the line breaks (NoNetwork)."""
        method, request = _PAIRING + "FollowOffer", pb.FollowOfferRequest(offer_id=offer_id).SerializeToString()
        for fresh in (False, True):
            call = self._dialled().unary_stream(
                method, request_serializer=_as_is, response_deserializer=pb.FollowOfferResponse.FromString
            )(request, metadata=self._metadata(method, request, b""))
            try:
                async for event in call:
                    yield event
            except grpc.aio.AioRpcError as failure:
                if not self._take_nonce(error := from_rpc(failure)) or fresh:
                    raise await self._dialler.explain(self.server, error) from failure
            else:
                return
            finally:
                call.cancel()

    async def _call(self, method: str, request: Message, response_type: _Parsed[R]) -> R:
        """Make a unary call; a nonce that is missing or old is replaced by the one that came with the refusal, once."""
        content = request.SerializeToString()
        async with self._session.shown() as token:
            response = await self._answered(method, content, response_type, token)
            if isinstance(response, pb.RenewGrantResponse) and response.session:
                self._session.keep(response.session)
        return response

    async def _answered(self, method: str, content: bytes, response_type: _Parsed[R], token: bytes) -> R:
        for fresh in (False, True):
            call = self._dialled().unary_unary(
                method, request_serializer=_as_is, response_deserializer=response_type.FromString
            )(content, metadata=self._metadata(method, content, token), timeout=CALL_SECONDS)
            try:
                response: R = await call
            except grpc.aio.AioRpcError as failure:
                if not self._take_nonce(error := from_rpc(failure)) or fresh:
                    raise await self._dialler.explain(self.server, error) from failure
            else:
                return response
        raise AssertionError("the second round returns or raises")

    def _dialled(self) -> grpc.aio.Channel:
        if self._channel is None:
            raise AssertionError("used outside its context")
        return self._channel

    def _metadata(self, method: str, content: bytes, token: bytes) -> list[tuple[str, str | bytes]]:
        proof = call_proof_bytes(
            dialled=self.server,
            method=method,
            device=self._identity.device_id,
            nonce=self._nonce,
            request=content,
        )
        metadata: list[tuple[str, str | bytes]] = [
            ("dispatch-device-bin", bytes(self._identity.device_id)),
            ("dispatch-dialled", self.server),
            ("dispatch-nonce-bin", self._nonce),
            ("dispatch-proof-bin", self._identity.sign(proof)),
        ]
        if token:
            metadata.append(("dispatch-session-bin", token))
        return metadata

    def _take_nonce(self, error: errors.DispatchError) -> bool:
        """Keep the fresh nonce that came with NONCE_EXPIRED; tells whether the call is worth repeating."""
        if not isinstance(error, errors.NonceExpired) or "nonce" not in error.metadata:
            return False
        try:
            self._nonce = base64.b64decode(error.metadata["nonce"])
        except ValueError:
            return False
        return True


def _as_is(content: bytes) -> bytes:
    """Serialize nothing: the proof is over exactly these bytes."""
    return content
