"""An offer's life: one table of states and events, and the facts that decide which event it is.

Pure: no SQL, no grpc, no clock; time and what a caller showed are arguments. Called by ceremony.py and pairings.py.
docs/pairing.md has the picture, drawn from STEPS.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass, field, replace
from enum import Enum

from dispatch.api.error.v1.error_pb2 import Reason
from dispatch.ids import AccountId, DeviceId, OfferId

from dispatch_pairing.limits import Limits
from dispatch_pairing.model import Device, Role

STEP_FIRST = 1
STEP_LAST = 8


class State(Enum):
    """Where an offer is."""

    OPEN = "open"
    """The host shows the code."""
    CLAIMED = "claimed"
    """One phone has it; the two shake hands and two people decide."""
    COMPLETE = "complete"
    """The pairing is active."""
    ENDED = "ended"
    """It came to nothing; `reason` says why."""


class Event(Enum):
    """What may happen to an offer."""

    CLAIM = "claim"
    """The first phone shows the right token, or the same phone again."""
    CONTEST = "contest"
    """Another phone of the account shows the right token: it saw the same code."""
    STRANGER = "stranger"
    """A phone of another account shows the right token."""
    MISS = "miss"
    """Somebody shows a wrong token."""
    LAST_MISS = "last miss"
    """The same, once too often."""
    STEP = "step"
    """A side leaves a message for the other."""
    COMPLETE = "complete"
    """The host shows what both signed, and it was this phone that claimed."""
    COMPLETE_LATE = "complete late"
    """The same, but the offer ran out or was replaced meanwhile: the host decided in time, and its word comes late."""
    END = "end"
    """A side gives up."""
    REPLACE = "replace"
    """The host opens another offer: the newest counts."""
    EXPIRE = "expire"
    """The time is over."""


class Refusal(Enum):
    """Why the caller is told no. OWN is the reason for which the offer ended."""

    UNKNOWN = Reason.REASON_OFFER_UNKNOWN
    CLAIMED = Reason.REASON_OFFER_CLAIMED
    OTHER_ACCOUNT = Reason.REASON_OTHER_ACCOUNT
    ORDER = Reason.REASON_PROTOCOL_VIOLATION
    MISMATCH = Reason.REASON_ATTESTATION_MISMATCH
    OWN = None


S, E, R = State, Event, Refusal

# (state, event) -> (state after it, what the caller is refused with or None). What is not here can't happen.
STEPS: dict[tuple[State, Event], tuple[State, Refusal | None]] = {
    (S.OPEN, E.CLAIM): (S.CLAIMED, None),
    (S.OPEN, E.STRANGER): (S.OPEN, R.OTHER_ACCOUNT),
    (S.OPEN, E.MISS): (S.OPEN, R.UNKNOWN),
    (S.OPEN, E.LAST_MISS): (S.ENDED, R.UNKNOWN),
    (S.OPEN, E.STEP): (S.OPEN, R.ORDER),
    (S.OPEN, E.COMPLETE): (S.OPEN, R.MISMATCH),
    (S.OPEN, E.END): (S.ENDED, None),
    (S.OPEN, E.REPLACE): (S.ENDED, None),
    (S.OPEN, E.EXPIRE): (S.ENDED, None),
    (S.CLAIMED, E.CLAIM): (S.CLAIMED, None),
    (S.CLAIMED, E.CONTEST): (S.CLAIMED, R.CLAIMED),
    (S.CLAIMED, E.STRANGER): (S.CLAIMED, R.OTHER_ACCOUNT),
    (S.CLAIMED, E.MISS): (S.CLAIMED, R.UNKNOWN),
    (S.CLAIMED, E.LAST_MISS): (S.ENDED, R.UNKNOWN),
    (S.CLAIMED, E.STEP): (S.CLAIMED, None),
    (S.CLAIMED, E.COMPLETE): (S.COMPLETE, None),
    (S.CLAIMED, E.END): (S.ENDED, None),
    (S.CLAIMED, E.REPLACE): (S.ENDED, None),
    (S.CLAIMED, E.EXPIRE): (S.ENDED, None),
    (S.COMPLETE, E.CLAIM): (S.COMPLETE, None),
    (S.COMPLETE, E.CONTEST): (S.COMPLETE, R.CLAIMED),
    (S.COMPLETE, E.STRANGER): (S.COMPLETE, R.OTHER_ACCOUNT),
    (S.COMPLETE, E.MISS): (S.COMPLETE, R.UNKNOWN),
    # Step 8 may come behind Complete: the host repeats both until they are answered.
    (S.COMPLETE, E.STEP): (S.COMPLETE, None),
    (S.COMPLETE, E.COMPLETE): (S.COMPLETE, None),
    # Too late to say no here: what is complete is ended by EndPairing.
    (S.COMPLETE, E.END): (S.COMPLETE, None),
    (S.ENDED, E.CLAIM): (S.ENDED, R.OWN),
    (S.ENDED, E.CONTEST): (S.ENDED, R.OWN),
    (S.ENDED, E.STRANGER): (S.ENDED, R.OTHER_ACCOUNT),
    (S.ENDED, E.MISS): (S.ENDED, R.UNKNOWN),
    (S.ENDED, E.STEP): (S.ENDED, R.OWN),
    (S.ENDED, E.COMPLETE): (S.ENDED, R.OWN),
    (S.ENDED, E.COMPLETE_LATE): (S.COMPLETE, None),
    (S.ENDED, E.END): (S.ENDED, None),
}

# The reasons with which a side may end an offer.
END_REASONS = frozenset({Reason.REASON_PAIRING_REFUSED, Reason.REASON_HANDSHAKE_FAILED, Reason.REASON_OFFER_EXPIRED})
_NOBODY_SAID_NO = frozenset({Reason.REASON_OFFER_EXPIRED, Reason.REASON_OFFER_REPLACED})


@dataclass(frozen=True, slots=True)
class Offer:
    """One code on one host's screen."""

    offer_id: OfferId
    host_id: DeviceId
    account_id: AccountId
    claim_token_hash: bytes = field(repr=False)
    created_ms: int
    claim_by_ms: int
    state: State = State.OPEN
    phone_id: DeviceId | None = None
    """Who claimed it."""
    confirm_by_ms: int | None = None
    """Set when it is claimed."""
    misses: int = 0
    contested: bool = False
    """A second device showed that it saw the code."""
    reason: Reason.ValueType | None = None
    """Why it ended."""

    @property
    def ends_ms(self) -> int | None:
        """When it ends by itself, on the service's clock; None when it is over."""
        return {State.OPEN: self.claim_by_ms, State.CLAIMED: self.confirm_by_ms}.get(self.state)

    def side_of(self, device_id: DeviceId) -> Role | None:
        """Give what the device is to this offer, or None for a stranger."""
        if device_id == self.host_id:
            return Role.HOST
        return Role.PHONE if device_id == self.phone_id else None


@dataclass(frozen=True, slots=True)
class Change:
    """What an event made of an offer, and what its caller is told. A refused caller may still have changed it."""

    offer: Offer
    refusal: Reason.ValueType | None = None


def _after(offer: Offer, event: Event, *, ended: Reason.ValueType | None = None) -> Change:
    state, refusal = STEPS[offer.state, event]
    if state is State.ENDED and offer.state is not State.ENDED:
        offer = replace(offer, reason=ended)
    elif state is not State.ENDED:
        offer = replace(offer, reason=None)
    return Change(
        offer=replace(offer, state=state),
        refusal=None if refusal is None else (offer.reason if refusal is Refusal.OWN else refusal.value),
    )


def at(offer: Offer, now_ms: int) -> Offer:
    """Give the offer as it is now: its time may be over. Every reader starts with this."""
    if offer.ends_ms is None or now_ms < offer.ends_ms:
        return offer
    return _after(offer, Event.EXPIRE, ended=Reason.REASON_OFFER_EXPIRED).offer


def claim(offer: Offer, phone: Device, claim_token: bytes, *, now_ms: int, limits: Limits) -> Change:
    """Take the offer for a phone, or say why not."""
    offer = at(offer, now_ms)
    if not hmac.compare_digest(hashlib.sha256(claim_token).digest(), offer.claim_token_hash):
        if offer.ends_ms is None:
            return _after(offer, Event.MISS)
        offer = replace(offer, misses=offer.misses + 1)
        event = Event.LAST_MISS if offer.misses >= limits.misses else Event.MISS
        return _after(offer, event, ended=Reason.REASON_HANDSHAKE_FAILED)
    if phone.account_id != offer.account_id:
        return _contested(_after(offer, Event.STRANGER))
    if offer.phone_id not in (None, phone.device_id):
        return _contested(_after(offer, Event.CONTEST))
    change = _after(offer, Event.CLAIM)
    if offer.state is State.OPEN:
        claimed = replace(change.offer, phone_id=phone.device_id, confirm_by_ms=now_ms + limits.confirm_ms)
        return Change(offer=claimed)
    return change


def _contested(change: Change) -> Change:
    # Nobody has it yet: a phone in the wrong account is a mistake, not a second one.
    if change.offer.phone_id is None:
        return change
    return replace(change, offer=replace(change.offer, contested=True))


def step(offer: Offer, *, now_ms: int) -> Change:
    """Let a side leave a message, or say why not."""
    return _after(at(offer, now_ms), Event.STEP)


def end(offer: Offer, reason: Reason.ValueType, *, now_ms: int) -> Change:
    """End the offer for one of END_REASONS. One that is over stays as it is."""
    return _after(at(offer, now_ms), Event.END, ended=reason)


def supersede(offer: Offer, *, now_ms: int) -> Offer:
    """End an offer because its host has opened another. Not as one whose time is over: its host would open the next in turn."""
    offer = at(offer, now_ms)
    return offer if offer.ends_ms is None else _after(offer, Event.REPLACE, ended=Reason.REASON_OFFER_REPLACED).offer


def complete(offer: Offer, *, host_id: DeviceId, phone_id: DeviceId, now_ms: int) -> Change:
    """Complete the offer with what both signed, or say why not.

    One that ran out or was replaced after this phone had claimed it is taken: both signatures exist, so both people
    confirmed, and the host has the pairing on its disk; refusing would leave half a pairing.
    """
    offer = at(offer, now_ms)
    if (offer.host_id, offer.phone_id) != (host_id, phone_id):
        return Change(offer=offer, refusal=Reason.REASON_ATTESTATION_MISMATCH)
    late = offer.state is State.ENDED and offer.reason in _NOBODY_SAID_NO
    return _after(offer, Event.COMPLETE_LATE if late else Event.COMPLETE)


def sender(number: int) -> Role:
    """Give whose turn a step is: the phone has the odd ones."""
    return Role.PHONE if number % 2 else Role.HOST
