"""What a device is told that has signed in, in whatever way. Called by `accounts` and `federated`."""

from __future__ import annotations

from dispatch.api.pairing.v1 import pairing_pb2 as pb
from dispatch.clock import Clock
from dispatch.runtime.logs import get_logger

from dispatch_pairing.sign_ins import Arriving, SignedIn
from dispatch_pairing.signing_keys import SigningKeys

_log = get_logger()


class Welcome:
    """Answers a sign-in, and logs it."""

    def __init__(self, *, keys: SigningKeys, service_name: str, clock: Clock) -> None:
        self._keys = keys
        self._service_name = service_name
        self._clock = clock

    def response(self, arriving: Arriving, signed_in: SignedIn) -> pb.SignInResponse:
        """Give the answer."""
        _log.info("signed in", device=arriving.device_id, account=signed_in.account_id, role=arriving.role.name)
        return pb.SignInResponse(
            session=signed_in.token,
            service_name=self._service_name,
            account_id=signed_in.account_id,
            expires_at_ms=signed_in.expires_ms,
            server_time_ms=self._clock.wall_ms(),
            keys=self._keys.key_set(),
            account=signed_in.account,
        )
