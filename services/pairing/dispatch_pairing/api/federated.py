"""AccountService: how a device gets into an account by a provider. Translates messages; `oidc.device` decides."""

from __future__ import annotations

from dispatch.api.pairing.v1 import pairing_pb2 as pb
from dispatch.errors import NoProvider
from dispatch.ids import ID_BYTES
from dispatch.runtime.logs import get_logger

from dispatch_pairing.api.fields import exactly, role_of
from dispatch_pairing.api.method import ACCOUNT, Method
from dispatch_pairing.api.welcome import Welcome
from dispatch_pairing.door import Caller, Need
from dispatch_pairing.metrics import Metrics
from dispatch_pairing.oidc.device import DeviceSignIns
from dispatch_pairing.sign_ins import Arriving

_log = get_logger()


class FederatedApi:
    """Answers the two calls of AccountService that need a provider."""

    def __init__(self, *, sign_ins: DeviceSignIns | None, welcome: Welcome, metrics: Metrics) -> None:
        """Without `sign_ins` every call is refused with NO_PROVIDER."""
        self._sign_ins = sign_ins
        self._welcome = welcome
        self._metrics = metrics

    def methods(self) -> tuple[Method, ...]:
        """Give the table: every method, and what its caller must show."""
        begin, finish = pb.BeginFederatedSignInRequest, pb.FinishFederatedSignInRequest
        return (
            Method(ACCOUNT, "BeginFederatedSignIn", begin, Need.KEY_IN_REQUEST, self._begin),
            Method(ACCOUNT, "FinishFederatedSignIn", finish, Need.KEY_IN_REQUEST, self._finish),
        )

    async def _begin(self, caller: Caller, _request: pb.BeginFederatedSignInRequest) -> pb.BeginFederatedSignInResponse:
        begun = await self._configured().begin(caller.papers.device_id, address=caller.papers.address)
        _log.info("sign-in begun", device=caller.papers.device_id)
        return pb.BeginFederatedSignInResponse(
            attempt_id=begun.attempt_id,
            user_code=begun.code.user_code,
            verification_uri=begun.code.verification_uri,
            verification_uri_complete=begun.code.verification_uri_complete,
            expires_in_ms=begun.code.expires_ms,
            interval_ms=begun.code.interval_ms,
        )

    async def _finish(
        self, caller: Caller, request: pb.FinishFederatedSignInRequest
    ) -> pb.FinishFederatedSignInResponse:
        sign_ins = self._configured()
        arriving = Arriving(
            device_id=caller.papers.device_id,
            key=request.device_key,
            name=request.device_name,
            role=role_of(request.device_kind),
            app_version=request.app_version,
        )
        attempt_id = exactly(request.attempt_id, ID_BYTES, field="attempt_id")
        with self._metrics.attempt(self._metrics.sign_ins):
            signed_in = await sign_ins.finish(attempt_id, arriving)
        return pb.FinishFederatedSignInResponse(signed_in=self._welcome.response(arriving, signed_in))

    def _configured(self) -> DeviceSignIns:
        if self._sign_ins is None:
            raise NoProvider
        return self._sign_ins
