"""Signs the phone in at the service's provider, and tells what the person has to do there. Called by `desk`."""

from __future__ import annotations

from dispatch import errors
from dispatch.api.relay.v1.relay_pb2 import DeviceKind
from dispatch.device.federated import Code, sign_in_at_provider
from dispatch.device.sign_in import SignIn
from dispatch.tls import Dialler

from mobile_sim.owner import Say
from mobile_sim.phone import Phone


async def sign_in_telling(phone: Phone, server: str, name: str, dialler: Dialler, *, say: Say) -> SignIn:
    """Sign in; says `enter_code` first. Raises DispatchError."""
    return await sign_in_at_provider(
        phone.home,
        phone.secrets,
        server=server,
        device_name=name,
        kind=DeviceKind.DEVICE_KIND_PHONE,
        clock=phone.clock,
        rng=phone.rng,
        person=_Told(say),
        dialler=dialler,
    )


class _Told:
    """The person, told through events."""

    def __init__(self, say: Say) -> None:
        self._say = say

    def enter(self, code: Code) -> None:
        self._say(
            {
                "event": "enter_code",
                "code": code.code,
                "url": code.url,
                "url_complete": code.url_complete,
                "expires_at": code.expires_at_ms,
            }
        )

    def warn(self, error: errors.DispatchError) -> None:
        word = errors.word(error.reason)
        self._say({"event": "warning", "reason": word, "text": error.sentence, "advice": error.advice})
