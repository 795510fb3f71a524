"""What a device is told that has signed in, in whatever way. Called by `accounts` and `federated`."""

from __future__ import annotations

from dispatch.api.pairing.v1 import pairing_pb2 as pb
from dispatch.clock import Clock

from dispatch_pairing.accounts import SignedIn
from dispatch_pairing.signer import Signer


class Welcome:
    """Answers a sign-in."""

    def __init__(self, *, signer: Signer, service_name: str, clock: Clock) -> None:
        self._keys = signer.key_set()
        self._service_name = service_name
        self._clock = clock

    def response(self, signed_in: SignedIn) -> pb.SignInResponse:
        """Give the answer."""
        return pb.SignInResponse(
            session=signed_in.token,
            service_name=self._service_name,
            account_id=signed_in.account_id,
            expires_at_ms=signed_in.expires_ms,
            server_time_ms=self._clock.wall_ms(),
            keys=self._keys,
            account=signed_in.account,
        )
