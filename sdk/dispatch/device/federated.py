"""Signs a device in at a provider of sign-ins: the person enters a code there, in any browser, and the device waits.

The device speaks to its pairing service alone, which asks the provider (docs/pairing.md, "Sign-in at a provider").
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Protocol

from dispatch import errors
from dispatch.api.pairing.v1 import pairing_pb2 as pb
from dispatch.api.relay.v1.relay_pb2 import DeviceKind
from dispatch.clock import Clock
from dispatch.device.home import Home
from dispatch.device.keys import DeviceKey, KeyStore
from dispatch.device.pairing_client import PairingClient
from dispatch.device.sign_in import SignIn, keep, tidy_name
from dispatch.ids import Rng
from dispatch.tls import BY_THE_RULE, Dialler
from dispatch.version import APP_VERSION

_SHORTEST_MS, _LONGEST_MS = 250, 60_000
# What may be over by the time of the next question.
_PASSING = (errors.NoNetwork, errors.ProviderUnreachable, errors.RateLimited, errors.Draining)


@dataclass(frozen=True, slots=True)
class Code:
    """What the person enters, where, and until when. The service says so: show it as a stranger's words."""

    code: str = field(repr=False)
    url: str
    url_complete: str | None = field(repr=False)
    """With the code in it; None if the provider has none."""
    expires_at_ms: int


class Person(Protocol):
    """The person in front of the device."""

    def enter(self, code: Code) -> None:
        """Show the code."""

    def warn(self, error: errors.DispatchError) -> None:
        """Tell what is in the way at the moment, while the waiting goes on."""


async def sign_in_at_provider(
    home: Home,
    store: KeyStore,
    *,
    server: str,
    device_name: str,
    kind: DeviceKind.ValueType,
    clock: Clock,
    rng: Rng,
    person: Person,
    dialler: Dialler = BY_THE_RULE,
) -> SignIn:
    """Sign this device in and keep what came back. Runs until the person has entered the code, or its time is over.

    Raises SignInDenied, SignInExpired, NoProvider, ProviderFailed, ProviderUnreachable, SignUpClosed, TlsFailed, BadRequest
    and what else the service says.
    """
    name = tidy_name(device_name)
    home.create()
    key = DeviceKey.load_or_make(store, rng)
    async with PairingClient(server=server, identity=key.identity(kind), dialler=dialler) as client:
        begun = await client.begin_federated_sign_in(key.public)
        person.enter(
            Code(
                code=begun.user_code,
                url=begun.verification_uri,
                url_complete=begun.verification_uri_complete or None,
                expires_at_ms=clock.wall_ms() + begun.expires_in_ms,
            )
        )
        request = pb.FinishFederatedSignInRequest(
            attempt_id=begun.attempt_id,
            device_key=key.public,
            device_name=name,
            device_kind=kind,
            app_version=APP_VERSION,
        )
        until_ms = clock.steady_ms() + begun.expires_in_ms
        answer = await _entered(
            client, request, until_ms=until_ms, interval_ms=begun.interval_ms, clock=clock, person=person
        )
    return keep(home, store, answer, server=server, device_name=name, dialler=dialler)


async def _entered(
    client: PairingClient,
    request: pb.FinishFederatedSignInRequest,
    *,
    until_ms: int,
    interval_ms: int,
    clock: Clock,
    person: Person,
) -> pb.SignInResponse:
    """Ask until the code was entered. What passes by itself is told once, and is the reason if it lasts to the end."""
    in_the_way: errors.DispatchError | None = None
    wait_ms = interval_ms
    while True:
        await asyncio.sleep(min(max(wait_ms, _SHORTEST_MS), _LONGEST_MS) / 1_000)
        try:
            return await client.finish_federated_sign_in(request)
        except errors.TlsFailed:
            raise
        except errors.SignInPending as pending:
            in_the_way, wait_ms = None, pending.retry_after_ms
        except _PASSING as error:
            if type(error) is not type(in_the_way):
                person.warn(error)
            in_the_way, wait_ms = error, max(error.retry_after_ms, interval_ms)
        if clock.steady_ms() >= until_ms:
            raise in_the_way or errors.SignInExpired()
