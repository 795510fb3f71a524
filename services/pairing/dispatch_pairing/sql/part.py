"""What the parts of the store share: a group of tables on one connection."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import delete, select, tuple_
from sqlalchemy.engine import Row
from sqlalchemy.ext.asyncio import AsyncConnection

from dispatch_pairing.sql.dialect import upsert


class Part:
    """A group of tables on one connection."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._sql = connection

    async def _one(self, query: Any) -> Row[Any] | None:
        return (await self._sql.execute(query)).one_or_none()

    async def _all(self, query: Any) -> Sequence[Row[Any]]:
        return (await self._sql.execute(query)).all()

    async def _forget(self, table: Any, over: Any, *, limit: int) -> int:
        # Not DELETE … LIMIT, which neither database has.
        keys = list(table.primary_key.columns)
        key = keys[0] if len(keys) == 1 else tuple_(*keys)
        gone = await self._sql.execute(delete(table).where(key.in_(select(*keys).where(over).limit(limit))))
        return gone.rowcount

    async def _put(self, table: Any, row: Mapping[str, Any]) -> None:
        # Insert, or change everything but the key.
        keys = [column.name for column in table.primary_key.columns]
        changed = {name: value for name, value in row.items() if name not in keys}
        await self._sql.execute(
            upsert(self._sql, table).values(**row).on_conflict_do_update(index_elements=keys, set_=changed)
        )
