"""Offers and their steps in SQL."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dispatch.ids import AccountId, DeviceId, OfferId
from sqlalchemy import insert, select
from sqlalchemy.engine import Row

from dispatch_pairing import tables as t
from dispatch_pairing.offers import Offer, State
from dispatch_pairing.sql.part import Part

_UNFINISHED = (State.OPEN.value, State.CLAIMED.value)


def _offer(row: Row[Any]) -> Offer:
    return Offer(
        offer_id=OfferId(row.offer_id),
        host_id=DeviceId(row.host_id),
        account_id=AccountId(row.account_id),
        claim_token_hash=row.claim_token_hash,
        created_ms=row.created_ms,
        claim_by_ms=row.claim_by_ms,
        state=State(row.state),
        phone_id=None if row.phone_id is None else DeviceId(row.phone_id),
        confirm_by_ms=row.confirm_by_ms,
        misses=row.misses,
        contested=bool(row.contested),
        reason=row.reason,
    )


def _offer_row(offer: Offer) -> dict[str, Any]:
    return {
        "offer_id": offer.offer_id,
        "host_id": offer.host_id,
        "account_id": offer.account_id,
        "claim_token_hash": offer.claim_token_hash,
        "created_ms": offer.created_ms,
        "claim_by_ms": offer.claim_by_ms,
        "state": offer.state.value,
        "phone_id": offer.phone_id,
        "confirm_by_ms": offer.confirm_by_ms,
        "misses": offer.misses,
        "contested": int(offer.contested),
        "reason": offer.reason,
    }


class SqlOffers(Part):
    async def get(self, offer_id: OfferId) -> Offer | None:
        row = await self._one(select(t.offers).where(t.offers.c.offer_id == offer_id))
        return None if row is None else _offer(row)

    async def put(self, offer: Offer) -> None:
        await self._put(t.offers, _offer_row(offer))

    async def of_host_since(self, host_id: DeviceId, since_ms: int) -> Sequence[Offer]:
        query = select(t.offers).where(t.offers.c.host_id == host_id, t.offers.c.created_ms >= since_ms)
        return [_offer(row) for row in await self._all(query.order_by(t.offers.c.created_ms))]

    async def unfinished_of_host(self, host_id: DeviceId) -> Sequence[Offer]:
        query = select(t.offers).where(t.offers.c.host_id == host_id, t.offers.c.state.in_(_UNFINISHED))
        return [_offer(row) for row in await self._all(query)]

    async def steps(self, offer_id: OfferId) -> dict[int, bytes]:
        query = select(t.steps).where(t.steps.c.offer_id == offer_id).order_by(t.steps.c.number)
        return {row.number: row.payload for row in await self._all(query)}

    async def add_step(self, offer_id: OfferId, number: int, payload: bytes) -> None:
        await self._sql.execute(insert(t.steps).values(offer_id=offer_id, number=number, payload=payload))

    async def forget_before(self, created_ms: int, *, limit: int) -> int:
        return await self._forget(t.offers, t.offers.c.created_ms < created_ms, limit=limit)
