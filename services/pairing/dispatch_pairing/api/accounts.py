"""AccountService: how a device gets into an account. Translates messages; `accounts` decides."""

from __future__ import annotations

from dispatch.api.pairing.v1 import pairing_pb2 as pb
from dispatch.clock import Clock
from dispatch.errors import DispatchError
from dispatch.runtime.logs import get_logger

from dispatch_pairing.accounts import Attempt, SignIns
from dispatch_pairing.api.fields import role_of
from dispatch_pairing.api.method import ACCOUNT, Method
from dispatch_pairing.door import Caller, Need
from dispatch_pairing.metrics import Metrics
from dispatch_pairing.signing_keys import SigningKeys

_log = get_logger()


class AccountApi:
    """Answers AccountService."""

    def __init__(
        self, *, sign_ins: SignIns, keys: SigningKeys, service_name: str, clock: Clock, metrics: Metrics
    ) -> None:
        self._sign_ins = sign_ins
        self._keys = keys
        self._service_name = service_name
        self._clock = clock
        self._metrics = metrics

    def methods(self) -> tuple[Method, ...]:
        """Give the table: every method, and what its caller must show."""
        return (
            Method(ACCOUNT, "SignIn", pb.SignInRequest, Need.KEY_IN_REQUEST, self._sign_in),
            Method(ACCOUNT, "SignOut", pb.SignOutRequest, Need.KEY, self._sign_out),
        )

    async def _sign_in(self, caller: Caller, request: pb.SignInRequest) -> pb.SignInResponse:
        attempt = Attempt(
            account=request.account,
            password=request.password,
            device_id=caller.papers.device_id,
            key=request.device_key,
            name=request.device_name,
            role=role_of(request.device_kind),
            address=caller.papers.address,
        )
        try:
            signed_in = await self._sign_ins.sign_in(attempt)
        except DispatchError as refusal:
            self._metrics.sign_in_refused(refusal)
            raise
        self._metrics.sign_ins.labels("ok").inc()
        _log.info("signed in", device=attempt.device_id, account=signed_in.account_id, role=attempt.role.name)
        return pb.SignInResponse(
            session=signed_in.token,
            service_name=self._service_name,
            account_id=signed_in.account_id,
            expires_at_ms=signed_in.expires_ms,
            server_time_ms=self._clock.wall_ms(),
            keys=self._keys.key_set(),
        )

    async def _sign_out(self, caller: Caller, _request: pb.SignOutRequest) -> pb.SignOutResponse:
        await self._sign_ins.sign_out(caller.device, caller.papers.token)
        return pb.SignOutResponse()
