"""Pairings: made active by what both devices signed, ended by either, and the grants for them. Called by `api`.

An ended pairing is never revived. A pairing that the service does not know is no mistake: the service may have been
restored from a backup, and the host says it again.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from dispatch import errors
from dispatch.api.pairing.v1 import pairing_pb2 as pb
from dispatch.attestation import Attestation, AttestationError, verify_attestation
from dispatch.clock import Clock
from dispatch.errors import AttestationMismatch, DispatchError, HostRevoked, NoRelay, NotPaired, OtherAccount
from dispatch.ids import OfferId, PairId
from dispatch.proof import device_id

from dispatch_pairing import offers, policy
from dispatch_pairing.accounts import check_plan
from dispatch_pairing.bell import TRUST, Bell
from dispatch_pairing.limits import Limits
from dispatch_pairing.metrics import Metrics
from dispatch_pairing.model import Device, Pairing, Role
from dispatch_pairing.offers import Offer
from dispatch_pairing.policy import Policy
from dispatch_pairing.relays import Relays
from dispatch_pairing.revocation import end_pairing
from dispatch_pairing.signing_keys import SigningKeys
from dispatch_pairing.store import Repositories, Store


@dataclass(frozen=True, slots=True)
class Signed:
    """What the host shows to complete a pairing."""

    attestation: bytes
    phone_signature: bytes
    host_signature: bytes
    offer_id: OfferId | None


@dataclass(frozen=True, slots=True)
class Completed:
    """What CompletePairing did."""

    pairing: Pairing
    new: bool
    replaced: bool


@dataclass(frozen=True, slots=True)
class Renewed:
    """A fresh right to attach, and where to use it."""

    grant: pb.SignedGrant
    relays: list[str]
    web_relays: list[str]
    sequence: int
    now_ms: int
    min_phone_version: str


def read(signed: Signed, host: Device, *, service_name: str) -> Attestation:
    """Read what both signed, and check all that needs no store. Pure. Raises AttestationMismatch."""
    try:
        said = verify_attestation(
            signed.attestation, phone_signature=signed.phone_signature, host_signature=signed.host_signature
        )
    except AttestationError as failure:
        raise AttestationMismatch(str(failure)) from failure
    if said.service != service_name:
        raise AttestationMismatch("the attestation is for another service")
    if said.host_key != host.key:
        raise AttestationMismatch("the attestation is another host's")
    return said


def judge(known: Pairing | None, wanted: Pairing, phone: Device | None, *, farewell: bool) -> DispatchError | None:
    """Decide whether the pairing may be active, the offer aside. Pure; None means yes."""
    if phone is None or phone.account_id != wanted.account_id:
        # Not known at all is the same for people: sign the phone in to the host's account.
        return OtherAccount("the phone is not signed in to the host's account")
    if phone.revoked_ms is not None:
        return NotPaired("the phone was revoked", metadata={"pairing": "ended"})
    if phone.role is not Role.PHONE:
        return AttestationMismatch("the second key is not a phone's")
    if farewell or (known is not None and not known.active):
        return NotPaired("this pairing is over", metadata={"pairing": "ended"})
    if known is not None and (known.host_id, known.phone_id) != (wanted.host_id, wanted.phone_id):
        return AttestationMismatch("this pairing id belongs to other devices")
    return None


class Pairings:
    """Completes and ends pairings, and renews grants."""

    def __init__(
        self,
        *,
        store: Store,
        bell: Bell,
        clock: Clock,
        limits: Limits,
        rules: Policy,
        keys: SigningKeys,
        relays: Relays,
        service_name: str,
        metrics: Metrics,
    ) -> None:
        self._metrics = metrics
        self._store = store
        self._bell = bell
        self._clock = clock
        self._limits = limits
        self._rules = rules
        self._keys = keys
        self._relays = relays
        self._service_name = service_name

    async def complete(self, host: Device, signed: Signed) -> Completed:
        """Make the pairing active, in place of an older one of the same two devices. Repeating it changes nothing.

        Raises AttestationMismatch, PlanNotAllowed, OtherAccount, NotPaired, and the offer's reason when it was refused.
        """
        said = read(signed, host, service_name=self._service_name)
        now_ms = self._clock.wall_ms()
        wanted = Pairing(
            pair_id=said.pair_id,
            account_id=host.account_id,
            host_id=host.device_id,
            phone_id=device_id(said.phone_key),
            created_ms=now_ms,
        )
        async with self._store.write() as kept:
            await check_plan(kept, host.account_id, rules=self._rules)
            known = await kept.pairings.get(wanted.pair_id)
            # Relays turn away for good what they were told is over, also when an erased account's pairing is shown again.
            farewell = await kept.feed.has_ended(wanted.pair_id) or await kept.pairings.farewell(
                wanted.pair_id, [wanted.host_id, wanted.phone_id]
            )
            phone = await kept.devices.get(wanted.phone_id)
            refusal = judge(known, wanted, phone, farewell=farewell)
            if refusal is not None:
                raise refusal
            if known is not None:
                return Completed(pairing=known, new=False, replaced=False)
            offered = await _complete_offer(kept, signed.offer_id, wanted, now_ms=now_ms)
            older = await kept.pairings.active_between(wanted.host_id, wanted.phone_id)
            if older is not None:
                await end_pairing(kept, older, by=None)
            await kept.pairings.put(wanted)
        if older is not None:
            self._bell.ring(TRUST)
        if offered is not None:
            self._metrics.offer_changed(*offered)
            self._bell.ring(offered[0].offer_id)
        return Completed(pairing=wanted, new=True, replaced=older is not None)

    async def end(self, device: Device, pair_id: PairId) -> bool:
        """End a pairing of this device; gives whether it was active. Unknown ones and repeats are fine."""
        now_ms = self._clock.wall_ms()
        async with self._store.write() as kept:
            known = await kept.pairings.get(pair_id)
            role = None if known is None else known.role_of(device.device_id)
            ends = known is not None and role is not None and known.active
            if known is not None and ends:
                await end_pairing(kept, known, by=role)
            elif role is None:
                # A service restored from a backup: the host must not be able to bring back what the phone has left.
                await kept.pairings.add_farewell(pair_id, device.device_id, at_ms=now_ms, keep=self._limits.farewells)
        if ends:
            self._bell.ring(TRUST)
        return ends

    async def renew(self, device: Device, pair_id: PairId, *, app_version: str) -> Renewed:
        """Give a fresh grant.

        Raises NotPaired (metadata "pairing": ended or unknown), HostRevoked, AppTooOld, PlanNotAllowed, NoRelay.
        """
        now_ms = self._clock.wall_ms()
        await self._note_version(device, app_version)
        async with self._store.read() as kept:
            await check_plan(kept, device.account_id, rules=self._rules)
            known = await kept.pairings.get(pair_id)
            sequence = (await kept.service.identity()).sequence
        if known is None or known.role_of(device.device_id) is None or known.account_id != device.account_id:
            raise NotPaired("the service does not know this pairing", metadata={"pairing": "unknown"})
        if not known.active:
            # The phone's person is told whose word it was; the host, that nothing is left to keep.
            ended = HostRevoked if known.ended_by is Role.HOST and known.phone_id == device.device_id else NotPaired
            raise ended(metadata={"pairing": "ended"})
        relays = self._relays.live(now_ms=self._clock.steady_ms())
        if not relays:
            raise NoRelay(retry_after_ms=1_000)
        grant = self._keys.grant(
            device,
            pair_id,
            not_before_ms=now_ms - self._limits.grant_backdate_ms,
            not_after_ms=now_ms + self._limits.grant_ms,
            sequence=sequence,
        )
        return Renewed(
            grant=grant,
            relays=relays,
            web_relays=self._relays.live_for_browsers(now_ms=self._clock.steady_ms()),
            sequence=sequence,
            now_ms=now_ms,
            min_phone_version=self._rules.min_phone_version,
        )

    async def _note_version(self, device: Device, said: str) -> None:
        refusal = policy.new_enough(self._rules, device.role, said)
        if refusal is not None:
            raise refusal
        version = policy.known_version(said)
        if version in ("", device.app_version):
            return
        async with self._store.write() as kept:
            now = await kept.devices.get(device.device_id)
            if now is not None:
                await kept.devices.put(replace(now, app_version=version))


async def _complete_offer(
    kept: Repositories, offer_id: OfferId | None, wanted: Pairing, *, now_ms: int
) -> tuple[Offer, Offer] | None:
    """Complete the offer that the pairing is made by; gives it as it was and as it is."""
    offer = None if offer_id is None else await kept.offers.get(offer_id)
    if offer is None:
        return None
    change = offers.complete(offer, host_id=wanted.host_id, phone_id=wanted.phone_id, now_ms=now_ms)
    if change.refusal is not None:
        raise errors.of(change.refusal)
    await kept.offers.put(change.offer)
    return offer, change.offer
