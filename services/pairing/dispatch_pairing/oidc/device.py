"""Sign-in of a device at the provider: a code for the person, then questions until they have entered it (RFC 8628).

The device knows nothing of the provider. It asks when it likes; the provider is asked no faster than it allows. Called by
api/federated.py.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from dispatch.clock import Clock
from dispatch.errors import (
    ProviderFailed,
    ProviderUnreachable,
    RateLimited,
    SignInDenied,
    SignInExpired,
    SignInPending,
)
from dispatch.ids import ID_BYTES, DeviceId, Rng

from dispatch_pairing.buckets import Buckets
from dispatch_pairing.limits import Limits
from dispatch_pairing.logins import Logins
from dispatch_pairing.oidc.attempts import Attempt, Book, State, after, asked, unanswered
from dispatch_pairing.oidc.provider import DeviceCode, Provider
from dispatch_pairing.sign_ins import Arriving, SignedIn, SignIns

_BUSY_RETRY_MS = 30_000


@dataclass(frozen=True, slots=True)
class Begun:
    """What a device is given to begin with."""

    attempt_id: bytes = field(repr=False)
    code: DeviceCode


class DeviceSignIns:
    """Signs devices in whose person the provider vouches for."""

    def __init__(
        self, *, provider: Provider, logins: Logins, sign_ins: SignIns, clock: Clock, rng: Rng, limits: Limits
    ) -> None:
        self._provider = provider
        self._logins = logins
        self._sign_ins = sign_ins
        self._clock = clock
        self._rng = rng
        self._limits = limits
        self._book = Book(limit=limits.provider_attempts)
        self._by_address = Buckets(limits.provider_per_address, limit=limits.buckets)

    async def begin(self, device_id: DeviceId, *, address: str) -> Begun:
        """Get a code; the device's earlier one is over. Raises RateLimited, ProviderUnreachable, ProviderFailed."""
        now_ms = self._clock.steady_ms()
        wait_ms = self._by_address.take(address, now_ms=now_ms)
        if wait_ms:
            raise RateLimited("too many sign-ins begun", retry_after_ms=wait_ms)
        self._check_room(device_id)
        code = await self._provider.begin_device()
        self._check_room(device_id)  # others came meanwhile
        now_ms = self._clock.steady_ms()
        attempt = Attempt(
            attempt_id=self._rng(ID_BYTES),
            device_id=device_id,
            device_code=code.device_code,
            expires_ms=now_ms + code.expires_ms,
            interval_ms=code.interval_ms,
            ask_ms=now_ms + code.interval_ms,
        )
        self._book.put(attempt)
        return Begun(attempt_id=attempt.attempt_id, code=code)

    async def finish(self, attempt_id: bytes, arriving: Arriving) -> SignedIn:
        """Sign the device in, if its person has entered the code.

        Raises SignInPending with the time after which to ask again, SignInDenied, SignInExpired, SignUpClosed,
        ProviderUnreachable, ProviderFailed, and what a sign-in with a password raises.
        """
        arriving = self._sign_ins.check(arriving)
        attempt = self._book.find(arriving.device_id, attempt_id, now_ms=self._clock.steady_ms())
        if attempt is None:
            raise SignInExpired
        if attempt.state is State.WAITING:
            attempt = await self._ask(attempt)
        if attempt.state is State.DENIED:
            raise SignInDenied
        if attempt.state is State.EXPIRED:
            raise SignInExpired
        if attempt.visitor is None:
            raise self._pending(attempt)
        return await self._sign_ins.let_in(await self._logins.account_of(attempt.visitor), arriving)

    async def _ask(self, attempt: Attempt) -> Attempt:
        """Ask the provider, unless it is too early. Gives the attempt as it is now."""
        now_ms = self._clock.steady_ms()
        if now_ms < attempt.ask_ms:
            raise self._pending(attempt)
        attempt = asked(attempt, now_ms=now_ms)
        self._book.update(attempt)
        try:
            answer = await self._provider.ask_device(attempt.device_code)
        except ProviderUnreachable:
            attempt = unanswered(attempt, now_ms=self._clock.steady_ms())
            self._book.update(attempt)
            raise ProviderUnreachable(retry_after_ms=attempt.interval_ms) from None
        except ProviderFailed:
            self._book.drop(attempt)  # the code is used up, and what came for it is not believed
            raise
        now_ms = self._clock.steady_ms()
        attempt = after(attempt, answer, now_ms=now_ms, again_ms=self._limits.provider_again_ms)
        self._book.update(attempt)
        return attempt

    def _check_room(self, device_id: DeviceId) -> None:
        if not self._book.has_room(device_id, now_ms=self._clock.steady_ms()):
            raise RateLimited("too many sign-ins wait at the provider", retry_after_ms=_BUSY_RETRY_MS)

    def _pending(self, attempt: Attempt) -> SignInPending:
        return SignInPending(retry_after_ms=max(attempt.ask_ms - self._clock.steady_ms(), 1))
