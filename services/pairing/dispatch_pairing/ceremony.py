"""Offers in the store: each method reads, lets offers.py decide, writes, and tells who waits. Called by `api`.

Everything a ceremony needs is in the store before anybody hears of it, so the service may restart at any step.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from dispatch import errors
from dispatch.api.error.v1.error_pb2 import Reason
from dispatch.clock import Clock
from dispatch.endings import to_its_end
from dispatch.errors import BadRequest, OfferUnknown, ProtocolViolation, RateLimited, TooLarge
from dispatch.ids import OfferId

from dispatch_pairing import offers
from dispatch_pairing.accounts import check_plan
from dispatch_pairing.bell import Bell
from dispatch_pairing.limits import Limits
from dispatch_pairing.metrics import Metrics
from dispatch_pairing.model import Device, Role
from dispatch_pairing.offers import Offer, State
from dispatch_pairing.policy import Policy
from dispatch_pairing.store import Repositories, Store


@dataclass(frozen=True, slots=True)
class Claimed:
    """A phone has claimed the offer."""

    confirm_by_ms: int


@dataclass(frozen=True, slots=True)
class Step:
    """The other side left a message."""

    number: int
    payload: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Contested:
    """A second device showed that it saw the code."""


@dataclass(frozen=True, slots=True)
class Ended:
    """The offer is over; without a reason it is complete."""

    reason: Reason.ValueType | None


Happening = Claimed | Step | Contested | Ended


def happenings(offer: Offer, steps: dict[int, bytes], side: Role) -> list[Happening]:
    """List what one side is told of an offer, from the beginning, in order. What was told once stays told. Pure."""
    told: list[Happening] = []
    if offer.confirm_by_ms is not None:
        told.append(Claimed(confirm_by_ms=offer.confirm_by_ms))
    told += [
        Step(number=number, payload=payload)
        for number, payload in sorted(steps.items())
        if offers.sender(number) is not side
    ]
    if offer.contested and side is Role.HOST:
        told.append(Contested())
    if offer.ends_ms is None:
        told.append(Ended(reason=offer.reason))
    return told


class Ceremony:
    """Opens, claims, carries, follows and ends offers."""

    def __init__(
        self, *, store: Store, bell: Bell, clock: Clock, limits: Limits, rules: Policy, metrics: Metrics
    ) -> None:
        self._store = store
        self._rules = rules
        self._metrics = metrics
        self._bell = bell
        self._clock = clock
        self._limits = limits

    async def create(self, host: Device, offer_id: OfferId, claim_token_hash: bytes) -> Offer:
        """Open an offer; the host's earlier one ends. The same offer again gives it as it is.

        Raises PlanNotAllowed, RateLimited, BadRequest, and the offer's own reason when it is over already.
        """
        now_ms = self._clock.wall_ms()
        limits = self._limits
        async with self._store.write() as kept:
            await check_plan(kept, host.account_id, rules=self._rules)
            await kept.offers.forget_before(now_ms - limits.offer_kept_ms, limit=limits.forget_rows)
            known = await kept.offers.get(offer_id)
            if known is not None:
                return _same(offers.at(known, now_ms), host, claim_token_hash)
            recent = await kept.offers.of_host_since(host.device_id, now_ms - limits.offer_hour_ms + 1)
            if len(recent) >= limits.offers_per_hour:
                free_ms = recent[-limits.offers_per_hour].created_ms + limits.offer_hour_ms
                raise RateLimited("too many codes in an hour", retry_after_ms=max(1, free_ms - now_ms))
            earlier = await kept.offers.unfinished_of_host(host.device_id)
            after = [offers.supersede(offer, now_ms=now_ms) for offer in earlier]
            for offer in after:
                await kept.offers.put(offer)
            opened = Offer(
                offer_id=offer_id,
                host_id=host.device_id,
                account_id=host.account_id,
                claim_token_hash=claim_token_hash,
                created_ms=now_ms,
                claim_by_ms=now_ms + limits.claim_ms,
            )
            await kept.offers.put(opened)
        self._metrics.offers.labels(State.OPEN.value).inc()
        for was, now in zip(earlier, after, strict=True):
            self._metrics.offer_changed(was, now)
            self._bell.ring(was.offer_id)
        return opened

    async def claim(self, phone: Device, offer_id: OfferId, claim_token: bytes) -> Offer:
        """Take an offer for a phone. Raises why it can't have it."""
        now_ms = self._clock.wall_ms()
        async with self._store.write() as kept:
            await check_plan(kept, phone.account_id, rules=self._rules)
            offer = await kept.offers.get(offer_id)
            if offer is None:
                raise OfferUnknown
            change = offers.claim(offer, phone, claim_token, now_ms=now_ms, limits=self._limits)
            if change.offer != offer:
                await kept.offers.put(change.offer)
        self._metrics.offer_changed(offer, change.offer)
        self._bell.ring(offer_id)
        _raise_if_refused(change)
        return change.offer

    async def send(self, device: Device, offer_id: OfferId, number: int, payload: bytes) -> None:
        """Keep a step for the other side. The same bytes again are fine.

        Raises ProtocolViolation out of turn or with other bytes, TooLarge, OfferUnknown, and the offer's own reason.
        """
        self._check_step(number, payload)
        now_ms = self._clock.wall_ms()
        async with self._store.write() as kept:
            offer, side = await _mine(kept, offer_id, device)
            if offers.sender(number) is not side:
                raise ProtocolViolation("this step is the other side's", metadata={"field": "step"})
            steps = await kept.offers.steps(offer_id)
            change = offers.step(offer, now_ms=now_ms)
            if change.refusal is None and number not in steps:
                if number != len(steps) + 1:
                    raise ProtocolViolation(f"step {len(steps) + 1} comes first", metadata={"field": "step"})
                await kept.offers.add_step(offer_id, number, payload)
        _raise_if_refused(change)
        if steps.get(number, payload) != payload:
            raise ProtocolViolation("this step was sent with other bytes", metadata={"field": "payload"})
        self._bell.ring(offer_id)

    async def end(self, device: Device, offer_id: OfferId, reason: Reason.ValueType) -> Offer:
        """End an offer for one of offers.END_REASONS; one that is over stays so. Raises OfferUnknown, BadRequest."""
        if reason not in offers.END_REASONS:
            raise BadRequest("an offer is not ended for that reason", metadata={"field": "reason"})
        now_ms = self._clock.wall_ms()
        async with self._store.write() as kept:
            offer, _ = await _mine(kept, offer_id, device)
            change = offers.end(offer, reason, now_ms=now_ms)
            await kept.offers.put(change.offer)
        self._metrics.offer_changed(offer, change.offer)
        self._bell.ring(offer_id)
        return change.offer

    async def follow(self, device: Device, offer_id: OfferId, tell: Callable[[Happening], Awaitable[None]]) -> None:
        """Tell what happens to an offer, from the beginning, until it is over. Raises OfferUnknown, Draining."""
        told = set[Happening]()
        with self._bell.listen(offer_id) as ear:
            while True:
                ear.clear()
                async with self._store.read() as kept:
                    offer, side = await _mine(kept, offer_id, device)
                    steps = await kept.offers.steps(offer_id)
                now_ms = self._clock.wall_ms()
                if offers.at(offer, now_ms) != offer:
                    # To its end: it is counted also when nobody follows any more.
                    offer = await to_its_end(self._expire(offer_id, now_ms))
                for happening in happenings(offer, steps, side):
                    if happening not in told:
                        told.add(happening)
                        await tell(happening)
                if offer.ends_ms is None:
                    return
                await ear.wait(at_most_ms=min(offer.ends_ms - now_ms, self._limits.look_again_ms))

    async def _expire(self, offer_id: OfferId, now_ms: int) -> Offer:
        async with self._store.write() as kept:
            offer = await kept.offers.get(offer_id)
            if offer is None:
                raise OfferUnknown
            after = offers.at(offer, now_ms)
            await kept.offers.put(after)
        self._metrics.offer_changed(offer, after)
        return after

    def _check_step(self, number: int, payload: bytes) -> None:
        if not offers.STEP_FIRST <= number <= offers.STEP_LAST:
            raise BadRequest("there are steps 1 to 8", metadata={"field": "step"})
        if not payload:
            raise BadRequest("the step is empty", metadata={"field": "payload"})
        if len(payload) > self._limits.step_bytes:
            raise TooLarge("the step is too large", metadata={"limit_bytes": str(self._limits.step_bytes)})


def _raise_if_refused(change: offers.Change) -> None:
    if change.refusal is not None:
        raise errors.of(change.refusal)


def _same(known: Offer, host: Device, claim_token_hash: bytes) -> Offer:
    # Repeating CreateOffer is safe; anything else under a used id is not.
    if (known.host_id, known.claim_token_hash) != (host.device_id, claim_token_hash):
        raise BadRequest("this offer id is taken", metadata={"field": "offer_id"})
    if known.state is State.ENDED and known.reason is not None:
        raise errors.of(known.reason)
    return known


async def _mine(kept: Repositories, offer_id: OfferId, device: Device) -> tuple[Offer, Role]:
    offer = await kept.offers.get(offer_id)
    side = None if offer is None else offer.side_of(device.device_id)
    if offer is None or side is None:
        raise OfferUnknown
    return offer, side
