"""Sign-ins that wait for a person at the provider: whose they are, when the provider may be asked again, how they ended.

Kept in memory: after a restart a device begins again. Pure: times are arguments. Called by `device`.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass, field, replace
from enum import Enum, StrEnum

from dispatch.ids import DeviceId

from dispatch_pairing.model import Visitor

_SLOWER_MS = 5_000  # RFC 8628, 3.5
_LONGEST_INTERVAL_MS = 60_000


class Said(StrEnum):
    """What the provider says instead of a token (RFC 8628, 3.5)."""

    PENDING = "pending"
    SLOW_DOWN = "slow_down"
    DENIED = "denied"
    EXPIRED = "expired"


class State(Enum):
    """How an attempt stands."""

    WAITING = "waiting"
    APPROVED = "approved"
    DENIED = "denied"
    EXPIRED = "expired"


STEPS = {
    (State.WAITING, Said.PENDING): State.WAITING,
    (State.WAITING, Said.SLOW_DOWN): State.WAITING,
    (State.WAITING, Said.DENIED): State.DENIED,
    (State.WAITING, Said.EXPIRED): State.EXPIRED,
}
"""What the provider's word makes of an attempt; with a visitor it is approved. One that is not waiting is never asked about."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """One code that a device was given."""

    attempt_id: bytes = field(repr=False)
    device_id: DeviceId
    device_code: str = field(repr=False)
    expires_ms: int
    interval_ms: int
    ask_ms: int
    """The provider is asked at this time at the earliest."""
    state: State = State.WAITING
    visitor: Visitor | None = None
    """Who it was; only when approved."""


def after(attempt: Attempt, answer: Visitor | Said, *, now_ms: int, again_ms: int) -> Attempt:
    """Give the attempt as the provider's answer leaves it. What is approved may be asked for again within `again_ms`."""
    if not isinstance(answer, Said):
        end_ms = min(attempt.expires_ms, now_ms + again_ms)
        return replace(attempt, state=State.APPROVED, visitor=answer, device_code="", expires_ms=end_ms)
    interval_ms = attempt.interval_ms
    if answer is Said.SLOW_DOWN:
        interval_ms = min(interval_ms + _SLOWER_MS, _LONGEST_INTERVAL_MS)
    state = STEPS[attempt.state, answer]
    return replace(attempt, state=state, interval_ms=interval_ms, ask_ms=now_ms + interval_ms)


def asked(attempt: Attempt, *, now_ms: int) -> Attempt:
    """Give the attempt with a question on its way: another one meanwhile would be too early."""
    return replace(attempt, ask_ms=now_ms + attempt.interval_ms)


def unanswered(attempt: Attempt, *, now_ms: int) -> Attempt:
    """Give the attempt after a question that got no answer: the next one comes later (RFC 8628, 3.5)."""
    interval_ms = min(2 * attempt.interval_ms, _LONGEST_INTERVAL_MS)
    return replace(attempt, interval_ms=interval_ms, ask_ms=now_ms + interval_ms)


class Book:
    """The attempts, one a device, bounded."""

    def __init__(self, *, limit: int) -> None:
        self._limit = limit
        self._by_device: dict[DeviceId, Attempt] = {}

    def __len__(self) -> int:
        return len(self._by_device)

    def has_room(self, device_id: DeviceId, *, now_ms: int) -> bool:
        """Say whether one of this device can be kept: its earlier one makes room."""
        if device_id in self._by_device or len(self._by_device) < self._limit:
            return True
        self._by_device = {one: kept for one, kept in self._by_device.items() if now_ms < kept.expires_ms}
        return len(self._by_device) < self._limit

    def put(self, attempt: Attempt) -> None:
        """Keep an attempt; the device's earlier one is over."""
        self._by_device[attempt.device_id] = attempt

    def find(self, device_id: DeviceId, attempt_id: bytes, *, now_ms: int) -> Attempt | None:
        """Find the device's attempt, if this is it and its time is not over."""
        found = self._by_device.get(device_id)
        if found is None or not hmac.compare_digest(found.attempt_id, attempt_id):
            return None
        if now_ms >= found.expires_ms:
            del self._by_device[device_id]
            return None
        return found

    def drop(self, attempt: Attempt) -> None:
        """Forget an attempt, unless the device has begun another one meanwhile."""
        found = self._by_device.get(attempt.device_id)
        if found is not None and found.attempt_id == attempt.attempt_id:
            del self._by_device[attempt.device_id]

    def update(self, attempt: Attempt) -> None:
        """Keep what became of an attempt, unless the device has begun another one meanwhile."""
        found = self._by_device.get(attempt.device_id)
        if found is not None and found.attempt_id == attempt.attempt_id:
            self._by_device[attempt.device_id] = attempt
