"""What may be known of tasks, in SQL."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dispatch.ids import AccountId, DeviceId, PairId, TaskId
from sqlalchemy import select, tuple_
from sqlalchemy.engine import Row

from dispatch_pairing import tables as t
from dispatch_pairing.model import TaskRecord
from dispatch_pairing.sql.part import Part


def _record(row: Row[Any]) -> TaskRecord:
    return TaskRecord(
        pair_id=PairId(row.pair_id),
        task_id=TaskId(row.task_id),
        account_id=AccountId(row.account_id),
        phone_id=DeviceId(row.phone_id),
        host_id=DeviceId(row.host_id),
        posted_ms=row.posted_ms,
        accepted=bool(row.accepted),
        reason=row.reason,
        outcome=row.outcome,
        ended_ms=row.ended_ms,
    )


class SqlHistory(Part):
    async def get(self, pair_id: PairId, task_id: TaskId) -> TaskRecord | None:
        row = await self._one(select(t.tasks).where(t.tasks.c.pair_id == pair_id, t.tasks.c.task_id == task_id))
        return None if row is None else _record(row)

    async def put(self, record: TaskRecord) -> None:
        row = {
            "pair_id": record.pair_id,
            "task_id": record.task_id,
            "account_id": record.account_id,
            "phone_id": record.phone_id,
            "host_id": record.host_id,
            "posted_ms": record.posted_ms,
            "accepted": int(record.accepted),
            "reason": record.reason,
            "outcome": record.outcome,
            "ended_ms": record.ended_ms,
        }
        await self._put(t.tasks, row)

    async def of_account(
        self, account_id: AccountId, *, before: tuple[int, TaskId] | None, limit: int
    ) -> Sequence[TaskRecord]:
        query = select(t.tasks).where(t.tasks.c.account_id == account_id)
        if before is not None:
            query = query.where(tuple_(t.tasks.c.posted_ms, t.tasks.c.task_id) < before)
        newest_first = query.order_by(t.tasks.c.posted_ms.desc(), t.tasks.c.task_id.desc()).limit(limit)
        return [_record(row) for row in await self._all(newest_first)]

    async def forget_before(self, posted_ms: int, *, limit: int) -> int:
        return await self._forget(t.tasks, t.tasks.c.posted_ms < posted_ms, limit=limit)
