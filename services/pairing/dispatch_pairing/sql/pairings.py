"""Pairings and farewells in SQL."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dispatch.ids import AccountId, DeviceId, PairId
from sqlalchemy import ColumnElement, and_, delete, exists, func, or_, select
from sqlalchemy.engine import Row

from dispatch_pairing import tables as t
from dispatch_pairing.model import Pairing, Role
from dispatch_pairing.sql.part import Part


def _pairing(row: Row[Any]) -> Pairing:
    return Pairing(
        pair_id=PairId(row.pair_id),
        account_id=AccountId(row.account_id),
        host_id=DeviceId(row.host_id),
        phone_id=DeviceId(row.phone_id),
        created_ms=row.created_ms,
        ended_sequence=row.ended_sequence,
        ended_by=None if row.ended_by is None else Role(row.ended_by),
    )


class SqlPairings(Part):
    async def get(self, pair_id: PairId) -> Pairing | None:
        row = await self._one(select(t.pairings).where(t.pairings.c.pair_id == pair_id))
        return None if row is None else _pairing(row)

    async def put(self, pairing: Pairing) -> None:
        row = {
            "pair_id": pairing.pair_id,
            "account_id": pairing.account_id,
            "host_id": pairing.host_id,
            "phone_id": pairing.phone_id,
            "created_ms": pairing.created_ms,
            "ended_sequence": pairing.ended_sequence,
            "ended_by": None if pairing.ended_by is None else int(pairing.ended_by),
        }
        await self._put(t.pairings, row)

    async def active_between(self, host_id: DeviceId, phone_id: DeviceId) -> Pairing | None:
        both = and_(t.pairings.c.host_id == host_id, t.pairings.c.phone_id == phone_id)
        row = await self._one(select(t.pairings).where(both, t.pairings.c.ended_sequence.is_(None)))
        return None if row is None else _pairing(row)

    async def has_active(self, device_id: DeviceId) -> bool:
        mine = or_(t.pairings.c.host_id == device_id, t.pairings.c.phone_id == device_id)
        query = select(exists().where(mine, t.pairings.c.ended_sequence.is_(None)))
        return bool((await self._sql.execute(query)).scalar_one())

    async def count_active(self) -> int:
        query = select(func.count()).select_from(t.pairings).where(t.pairings.c.ended_sequence.is_(None))
        return int((await self._sql.execute(query)).scalar_one())

    async def active_of(self, device_id: DeviceId) -> Sequence[Pairing]:
        mine = or_(t.pairings.c.host_id == device_id, t.pairings.c.phone_id == device_id)
        return await self._active(mine)

    async def active_of_account(self, account_id: AccountId) -> Sequence[Pairing]:
        return await self._active(t.pairings.c.account_id == account_id)

    async def of_account(self, account_id: AccountId) -> Sequence[Pairing]:
        return await self._listed(t.pairings.c.account_id == account_id)

    async def _active(self, which: ColumnElement[bool]) -> Sequence[Pairing]:
        return await self._listed(and_(which, t.pairings.c.ended_sequence.is_(None)))

    async def _listed(self, which: ColumnElement[bool]) -> Sequence[Pairing]:
        oldest_first = select(t.pairings).where(which).order_by(t.pairings.c.created_ms, t.pairings.c.pair_id)
        return [_pairing(row) for row in await self._all(oldest_first)]

    async def farewells_of(self, device_id: DeviceId) -> Sequence[PairId]:
        query = select(t.farewells).where(t.farewells.c.device_id == device_id)
        rows = await self._all(query.order_by(t.farewells.c.at_ms, t.farewells.c.pair_id))
        return [PairId(row.pair_id) for row in rows]

    async def add_farewell(self, pair_id: PairId, device_id: DeviceId, *, at_ms: int, keep: int) -> None:
        await self._put(t.farewells, {"pair_id": pair_id, "device_id": device_id, "at_ms": at_ms})
        mine = select(t.farewells.c.pair_id).where(t.farewells.c.device_id == device_id)
        kept = mine.order_by(t.farewells.c.at_ms.desc(), t.farewells.c.pair_id).limit(keep)
        await self._sql.execute(
            delete(t.farewells).where(t.farewells.c.device_id == device_id, t.farewells.c.pair_id.not_in(kept))
        )

    async def farewell(self, pair_id: PairId, devices: Sequence[DeviceId]) -> bool:
        query = select(exists().where(t.farewells.c.pair_id == pair_id, t.farewells.c.device_id.in_(devices)))
        return bool((await self._sql.execute(query)).scalar_one())
