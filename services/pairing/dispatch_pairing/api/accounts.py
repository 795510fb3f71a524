"""AccountService: how a device gets into an account, and out. Translates messages; `credentials` and `sign_ins` decide."""

from __future__ import annotations

from dispatch.api.pairing.v1 import pairing_pb2 as pb
from dispatch.runtime.logs import get_logger

from dispatch_pairing.api.fields import role_of
from dispatch_pairing.api.method import ACCOUNT, Method
from dispatch_pairing.api.welcome import Welcome
from dispatch_pairing.credentials import Credentials
from dispatch_pairing.door import Caller, Need
from dispatch_pairing.metrics import Ending, Metrics
from dispatch_pairing.sign_ins import Arriving, SignIns

_log = get_logger()


class AccountApi:
    """Answers AccountService."""

    def __init__(self, *, credentials: Credentials, sign_ins: SignIns, welcome: Welcome, metrics: Metrics) -> None:
        self._credentials = credentials
        self._sign_ins = sign_ins
        self._welcome = welcome
        self._metrics = metrics

    def methods(self) -> tuple[Method, ...]:
        """Give the table: every method, and what its caller must show."""
        return (
            Method(ACCOUNT, "SignUp", pb.SignUpRequest, Need.KEY_IN_REQUEST, self._sign_up),
            Method(ACCOUNT, "SignIn", pb.SignInRequest, Need.KEY_IN_REQUEST, self._sign_in),
            Method(ACCOUNT, "SignOut", pb.SignOutRequest, Need.KEY, self._sign_out),
            Method(ACCOUNT, "ChangePassword", pb.ChangePasswordRequest, Need.SIGN_IN, self._change_password),
        )

    async def _sign_up(self, caller: Caller, request: pb.SignUpRequest) -> pb.SignUpResponse:
        with self._metrics.attempt(self._metrics.sign_ups):
            account = await self._credentials.sign_up(
                request.account, request.password, invitation=request.invitation, address=caller.papers.address
            )
        _log.info("signed up", account=account.account_id)
        return pb.SignUpResponse()

    async def _sign_in(self, caller: Caller, request: pb.SignInRequest) -> pb.SignInResponse:
        with self._metrics.attempt(self._metrics.sign_ins):
            arriving = self._sign_ins.check(
                Arriving(
                    device_id=caller.papers.device_id,
                    key=request.device_key,
                    name=request.device_name,
                    role=role_of(request.device_kind),
                    app_version=request.app_version,
                )
            )
            account = await self._credentials.check(request.account, request.password, address=caller.papers.address)
            signed_in = await self._sign_ins.let_in(account, arriving)
        return self._welcome.response(arriving, signed_in)

    async def _sign_out(self, caller: Caller, request: pb.SignOutRequest) -> pb.SignOutResponse:
        device = caller.device
        if request.everywhere:
            await self._sign_ins.leave_everywhere(device, caller.papers.token)
            self._ended(caller, Ending.EVERYWHERE)
        elif await self._sign_ins.leave(device, caller.papers.token):
            self._ended(caller, Ending.SIGNED_OUT)
        return pb.SignOutResponse()

    async def _change_password(self, caller: Caller, request: pb.ChangePasswordRequest) -> pb.ChangePasswordResponse:
        device = caller.device
        with self._metrics.attempt(self._metrics.password_changes):
            await self._credentials.change_password(
                device.account_id,
                request.old_password,
                request.new_password,
                address=caller.papers.address,
                keep=device.device_id,
            )
        self._ended(caller, Ending.PASSWORD_CHANGED)
        return pb.ChangePasswordResponse()

    def _ended(self, caller: Caller, cause: Ending) -> None:
        self._metrics.sign_ins_ended.labels(cause).inc()
        _log.info("sign-ins ended", cause=cause.value, device=caller.device.device_id, account=caller.device.account_id)
