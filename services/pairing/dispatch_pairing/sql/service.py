"""What the service itself is, and what it tells relays, in SQL."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dispatch.ids import DeviceId, PairId
from sqlalchemy import exists, insert, select, update
from sqlalchemy.engine import Row

from dispatch_pairing import tables as t
from dispatch_pairing.model import Identity, Role, SigningKey, TrustNews
from dispatch_pairing.sql.part import Part


class SqlService(Part):
    async def identity(self) -> Identity:
        row = (await self._sql.execute(select(t.service))).one()
        return Identity(service_name=row.service_name, sequence=row.sequence)

    async def put_identity(self, identity: Identity) -> None:
        values = {"service_name": identity.service_name, "sequence": identity.sequence}
        await self._sql.execute(update(t.service).values(**values))

    async def signing_keys(self) -> Sequence[SigningKey]:
        rows = await self._all(select(t.signing_keys).order_by(t.signing_keys.c.number))
        return [
            SigningKey(number=row.number, key_id=row.key_id, made_ms=row.made_ms, alone=bool(row.alone)) for row in rows
        ]

    async def add_signing_key(self, key: SigningKey) -> None:
        row = {"number": key.number, "key_id": key.key_id, "made_ms": key.made_ms, "alone": int(key.alone)}
        await self._sql.execute(insert(t.signing_keys).values(**row))


def _news(row: Row[Any]) -> TrustNews:
    return TrustNews(
        sequence=row.sequence,
        pair_id=None if row.pair_id is None else PairId(row.pair_id),
        ended_by=None if row.ended_by is None else Role(row.ended_by),
        device_id=None if row.device_id is None else DeviceId(row.device_id),
        digest=row.digest,
    )


class SqlFeed(Part):
    async def append(self, news: TrustNews) -> None:
        row = {
            "sequence": news.sequence,
            "pair_id": news.pair_id,
            "ended_by": None if news.ended_by is None else int(news.ended_by),
            "device_id": news.device_id,
            "digest": news.digest,
        }
        await self._sql.execute(insert(t.trust_news).values(**row))

    async def digest(self, sequence: int) -> bytes:
        news = t.trust_news.c
        last = select(news.digest).where(news.sequence <= sequence).order_by(news.sequence.desc()).limit(1)
        return (await self._sql.execute(last)).scalar_one_or_none() or b""

    async def since(self, sequence: int, *, limit: int) -> Sequence[TrustNews]:
        query = select(t.trust_news).where(t.trust_news.c.sequence > sequence)
        return [_news(row) for row in await self._all(query.order_by(t.trust_news.c.sequence).limit(limit))]

    async def has_ended(self, pair_id: PairId) -> bool:
        query = select(exists().where(t.trust_news.c.pair_id == pair_id))
        return bool((await self._sql.execute(query)).scalar_one())

    async def has_revoked(self, device_id: DeviceId) -> bool:
        query = select(exists().where(t.trust_news.c.device_id == device_id))
        return bool((await self._sql.execute(query)).scalar_one())
