"""What the tests of the account page put into a service: rows that devices and relays would have left there."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

from dispatch.address import Address
from dispatch.api.error.v1.error_pb2 import Reason
from dispatch.api.relay.v1.relay_pb2 import Outcome
from dispatch.ids import AccountId, DeviceId, PairId, TaskId
from dispatch_pairing.listeners import WebListener
from dispatch_pairing.model import TaskRecord
from dispatch_pairing.sql import open_sqlite
from dispatch_pairing.storage import DATABASE
from dispatch_pairing.store import Repositories

from tests.support.pairing_device import Device
from tests.support.pairing_service import PairingService

LOOPBACK = WebListener(Address.parse("127.0.0.1:0"))


@asynccontextmanager
async def kept(service: PairingService) -> AsyncIterator[Repositories]:
    """Open the service's store beside it, as the command line does."""
    store = await open_sqlite(service.folder / DATABASE)
    try:
        async with store.write() as repositories:
            yield repositories
    finally:
        await store.close()


async def put_task(
    service: PairingService,
    number: int,
    *,
    host: Device,
    phone: Device,
    pair_id: bytes = b"p" * 16,
    accepted: bool = True,
    outcome: Outcome.ValueType = Outcome.OUTCOME_DONE,
    reason: Reason.ValueType = Reason.REASON_UNSPECIFIED,
    took_ms: int = 125_000,
) -> None:
    """Keep a task as a relay would have reported it: the higher the number, the newer."""
    posted_ms = service.clock.now_ms - 3_600_000 + number * 60_000
    async with kept(service) as repositories:
        await repositories.history.put(
            TaskRecord(
                pair_id=PairId(pair_id),
                task_id=TaskId(number.to_bytes(16, "big")),
                account_id=AccountId(host.signed_in.account_id),
                phone_id=DeviceId(phone.id),
                host_id=DeviceId(host.id),
                posted_ms=posted_ms,
                accepted=accepted,
                reason=reason,
                outcome=outcome if accepted else Outcome.OUTCOME_UNSPECIFIED,
                ended_ms=posted_ms + took_ms if accepted and outcome else 0,
            )
        )


async def rename_in_store(service: PairingService, device: Device, name: str) -> None:
    """Call a device what no rule would let it be called, as if it had come in by another way."""
    async with kept(service) as repositories:
        found = await repositories.devices.get(DeviceId(device.id))
        assert found is not None
        await repositories.devices.put(replace(found, name=name))


def turned_away(service: PairingService, reason: str) -> float:
    """Give how many requests were turned away for a reason."""
    return service.metric("dispatch_pairing_web_turned_away_total", reason=reason)


def everything_kept(folder: Path) -> bytes:
    """Give every value of every row of the service's database, as one string of bytes."""
    connection = sqlite3.connect(folder / DATABASE)
    try:
        tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        rows = [row for table in tables for row in connection.execute(f"SELECT * FROM {table}")]  # noqa: S608 -- its own names
    finally:
        connection.close()
    return b"\n".join(value if isinstance(value, bytes) else str(value).encode() for row in rows for value in row)
