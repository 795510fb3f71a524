"""The host's right to attach for one pairing, and what it knows of the service's time: what a phone's grant is judged by.

Called by the link. A grant is kept in memory only and renewed in time; a service that has forgotten the pair (restored from a
backup) is reminded with what both devices signed. docs/encryption.md "Session" says what is checked.
"""

from __future__ import annotations

import asyncio
import contextlib

from dispatch import errors
from dispatch.api.pairing.v1 import pairing_pb2 as pb
from dispatch.api.relay.v1.relay_pb2 import DeviceKind
from dispatch.clock import Clock
from dispatch.device import service_clock
from dispatch.device.home import Home
from dispatch.device.pairing_client import PairingClient
from dispatch.device.sign_in import SignIn
from dispatch.device.trust import Trust, check_grant
from dispatch.thread.client import Identity, Right
from dispatch.version import APP_VERSION

from dispatch_host.journal.values import Pairing

RENEW_BEFORE_MS = 5 * 60_000
ASK_AGAIN_MS = 60_000
ASK_SECONDS = 2.0
"""So long a phone's handshake waits for the pairing service: well within a lease."""


class Rights:
    """One pairing's rights."""

    def __init__(self, home: Home, pairing: Pairing, *, identity: Identity, clock: Clock, plaintext: bool) -> None:
        # Fixed after __init__.
        self._home = home
        self._pairing = pairing
        self._identity = identity
        self._clock = clock
        self._plaintext = plaintext
        # Touched by the link's one task.
        self._right: Right | None = None
        self._ends_ms = 0
        self.minimum_phone_version = ""  # as the service last told it
        self._ahead_ms = 0  # the service's clock minus this computer's boot clock
        self._knows_time = False
        self._asked_ms: int | None = None  # when the service was last asked because of a phone's grant
        self._asking: asyncio.Task[None] | None = None  # which may take longer than the phone waits

    async def settled(self) -> None:
        """Ask no more."""
        if self._asking is not None:
            self._asking.cancel()
            await asyncio.gather(self._asking, return_exceptions=True)

    async def right(self, *, fresh: bool) -> Right:
        """Give the right to attach, renewed when it is about to end or was not accepted. Raises what the service says."""
        if self._right is None or fresh or self._service_ms() >= self._ends_ms - RENEW_BEFORE_MS:
            try:
                await self._renew()
            except errors.NoNetwork:
                # The pairing service is away; the relay may not be, and a grant that still holds is enough for it.
                if self._right is None or fresh or self._service_ms() >= self._ends_ms:
                    raise
        assert self._right is not None  # noqa: S101 -- renewed above, or raised
        # A sign-in beside the running host may have named other authorities since.
        dialler = SignIn.required(self._home).dialler(plaintext=self._plaintext)
        return Right(grant=self._right.grant, relays=self._right.relays, dialler=dialler)

    def holds(self, signed: bytes) -> bool:
        """Tell whether a phone's grant is good by what is known here."""
        try:
            self._check(signed)
        except errors.GrantInvalid:
            return False
        return True

    async def admit(self, signed: bytes) -> None:
        """Raise GrantInvalid unless the phone may speak to this host now, whatever path it came by.

        A grant may be good and its key not known here yet, because the service has rotated: it is asked then, not more than
        once in a while, so that a phone with a bad grant does not have us call it all day. The thread stands still meanwhile, so
        a service that is slow is not waited for: it is asked on, and the phone's next handshake finds what it said.
        """
        try:
            self._check(signed)
        except errors.GrantInvalid:
            now_ms = self._clock.boot_ms()
            if self._asked_ms is not None and now_ms < self._asked_ms + ASK_AGAIN_MS:
                raise
            self._asked_ms = now_ms
            self._asking = asyncio.create_task(self._ask())
            await asyncio.wait([self._asking], timeout=ASK_SECONDS)
            self._check(signed)

    async def _ask(self) -> None:
        with contextlib.suppress(errors.DispatchError):
            await self._renew()

    def _check(self, signed: bytes) -> None:
        """Judge by what is known now.

        That the pair is not revoked follows from our own renewal: the service refuses it for a pair that is over, and
        without one in this process nobody is let in.
        """
        if not self._knows_time:
            raise errors.GrantInvalid("the service's time is not known yet")
        check_grant(
            Trust(self._home).keys(),
            signed,
            pair_id=self._pairing.pair_id,
            device_key=self._pairing.phone_key,
            role=DeviceKind.DEVICE_KIND_PHONE,
            now_ms=self._service_ms(),
        )

    async def _renew(self) -> None:
        signed_in = SignIn.required(self._home)
        dialler = signed_in.dialler(plaintext=self._plaintext)
        async with PairingClient(server=signed_in.server, identity=self._identity, dialler=dialler) as client:
            try:
                answer = await client.renew_grant(self._pairing.pair_id, APP_VERSION)
            except errors.NotPaired:
                await client.complete_pairing(
                    pb.CompletePairingRequest(
                        attestation=self._pairing.attestation,
                        phone_signature=self._pairing.phone_signature,
                        host_signature=self._pairing.host_signature,
                    )
                )
                answer = await client.renew_grant(self._pairing.pair_id, APP_VERSION)
        ends_ms = pb.Grant.FromString(answer.grant.grant).not_after_ms  # the client has read it before
        Trust(self._home).follow(answer.keys)
        self._ahead_ms = answer.server_time_ms - self._clock.boot_ms()
        self._knows_time = True
        service_clock.note(self._home, server_time_ms=answer.server_time_ms, wall_ms=self._clock.wall_ms())
        self._ends_ms = ends_ms
        self.minimum_phone_version = answer.minimum_phone_version
        self._right = Right(grant=answer.grant.SerializeToString(), relays=tuple(answer.relays))

    def _service_ms(self) -> int:
        return self._clock.boot_ms() + self._ahead_ms
