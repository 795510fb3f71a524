"""What is over is forgotten, whether or not anybody comes by (docs/retention.md)."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from dispatch.clock import SystemClock
from dispatch.ids import PairId, TaskId
from dispatch_pairing.bell import Bell
from dispatch_pairing.forgetting import forget, forgetting
from dispatch_pairing.limits import Limits
from dispatch_pairing.model import Invitation, SignIn, TaskRecord, WebSession
from dispatch_pairing.sql import SqlStore, open_sqlite

from tests.support.pairing_repository import ADA, HOST, POCKET, a_pairing, an_account, an_offer
from tests.support.waiting import until_so

LIMITS = Limits()
NOW_MS = 2_000_000_000_000
OLD, YOUNG = "over", "not over"


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqlStore]:
    """One row of everything that ends by itself, over since a moment, and one that lasts a moment longer."""
    opened = await open_sqlite(tmp_path / "pairing.db")
    async with opened.write() as kept:
        await kept.accounts.add(an_account())
        for device in (HOST, POCKET):
            await kept.devices.put(device)
        await kept.pairings.put(a_pairing())
        for number, over in enumerate((True, False)):
            ends_ms = NOW_MS if over else NOW_MS + 1
            word = bytes([number]) * 32
            await kept.offers.put(an_offer(number, created_ms=NOW_MS - LIMITS.offer_kept_ms - over))
            await kept.accounts.add_invitation(Invitation(code_hash=word, expires_ms=ends_ms))
            await kept.accounts.add_web_session(
                WebSession(token_hash=word, account_id=ADA, created_ms=1, expires_ms=ends_ms)
            )
            await kept.devices.put_sign_in(
                SignIn(device_id=(HOST, POCKET)[number].device_id, token_hash=word, expires_ms=ends_ms, rotated_ms=1)
            )
            await kept.history.put(
                TaskRecord(
                    pair_id=PairId(bytes(16)), task_id=TaskId(word[:16]), account_id=ADA, phone_id=POCKET.device_id,
                    host_id=HOST.device_id, posted_ms=NOW_MS - LIMITS.history_ms - over, accepted=True, reason=0, outcome=1,
                    ended_ms=1,
                )
            )  # fmt: skip
    yield opened
    await opened.close()


TABLES = ("offers", "invitations", "web_sessions", "sign_ins", "tasks")


async def count(store: SqlStore, table: str) -> int:
    async with store.read() as kept:
        sql = kept.accounts._sql  # type: ignore[attr-defined] # looks at the very rows
        return int((await sql.exec_driver_sql(f"SELECT count(*) FROM {table}")).scalar_one())  # noqa: S608 -- one of TABLES


async def test_what_is_over_goes_and_what_lasts_a_moment_longer_stays(store: SqlStore) -> None:
    assert [await count(store, table) for table in TABLES] == [2] * len(TABLES)

    await forget(store, now_ms=NOW_MS, limits=LIMITS, bell=Bell())

    assert {table: await count(store, table) for table in TABLES} == dict.fromkeys(TABLES, 1)
    assert [await count(store, table) for table in ("accounts", "devices", "pairings")] == [1, 2, 1]


async def test_it_is_done_again_and_again_until_the_service_ends(store: SqlStore) -> None:
    bell = Bell()
    work = asyncio.create_task(forgetting(store, clock=SystemClock(), limits=replace(LIMITS, forget_ms=1), bell=bell))
    for number in range(2, 4):
        async with store.write() as kept:
            await kept.accounts.add_invitation(Invitation(code_hash=bytes([number]) * 32, expires_ms=1))

        async def is_forgotten(number: int = number) -> bool:
            async with store.read() as kept:
                sql = kept.accounts._sql  # type: ignore[attr-defined] # as above
                found = await sql.exec_driver_sql("SELECT count(*) FROM invitations WHERE expires_ms = 1")
                return bool(found.scalar_one() == 0)

        await until_so(is_forgotten)

    bell.close()
    await work


async def test_who_writes_while_much_is_forgotten_does_not_wait_for_all_of_it(store: SqlStore) -> None:
    async with store.write() as kept:
        for number in range(2, 12):
            await kept.accounts.add_invitation(Invitation(code_hash=bytes([number]) * 32, expires_ms=1))
    async with store.write():  # both wait for this
        work = asyncio.create_task(forget(store, now_ms=NOW_MS, limits=replace(LIMITS, forget_rows=2), bell=Bell()))
        await asyncio.sleep(0)  # it is in the line first
        writing = asyncio.create_task(_written(store, work))
        await asyncio.sleep(0)

    assert not await writing
    await work
    assert await count(store, "invitations") == 1


async def test_a_service_that_stops_does_not_wait_until_all_is_forgotten(store: SqlStore) -> None:
    async with store.write() as kept:
        for number in range(2, 12):
            await kept.accounts.add_invitation(Invitation(code_hash=bytes([number]) * 32, expires_ms=1))
    bell = Bell()
    async with store.write():  # it waits for this
        work = asyncio.create_task(forget(store, now_ms=NOW_MS, limits=replace(LIMITS, forget_rows=2), bell=bell))
        await asyncio.sleep(0)
        bell.close()

    await work
    assert await count(store, "invitations") == 12 - 2

    await forget(store, now_ms=NOW_MS, limits=LIMITS, bell=Bell())
    assert await count(store, "invitations") == 1


async def _written(store: SqlStore, work: asyncio.Task[None]) -> bool:
    """Write, and tell whether all was forgotten by then."""
    async with store.write():
        return work.done()


async def test_what_was_forgotten_is_not_in_the_file_any_more(tmp_path: Path) -> None:
    """SQLite would leave it in the free pages for whoever reads the file, or a backup of it."""
    store = await open_sqlite(tmp_path / "pairing.db")
    async with store.write() as kept:
        await kept.accounts.add(an_account(folded="somebody-who-leaves"))
    async with store.write() as kept:
        await kept.accounts.erase(ADA)
    await store.close()

    assert not re.search(b"somebody-who-leaves", content(tmp_path), re.IGNORECASE)


def content(folder: Path) -> bytes:
    return b"".join(file.read_bytes() for file in folder.iterdir())
