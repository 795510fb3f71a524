"""The log in SQLite keeps the contract, also when the disk does not."""

from __future__ import annotations

import asyncio
import os
import resource
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from dispatch import errors
from dispatch_relay.log import Done, Erase, Failed, Op, Sweep
from dispatch_relay.seats import OneRelay
from dispatch_relay.sqlite.committer import BATCH_OPS
from dispatch_relay.sqlite.log import SqliteLog

from tests.support.log_contract import OTHER, PAIR, ROOMY, check_log, done, kept, posted, result
from tests.support.waiting import DEADLINE_SECONDS, turns


async def test_sqlite_keeps_the_contract_of_the_log(tmp_path: Path) -> None:
    async def make(thread_bytes: int) -> tuple[SqliteLog, OneRelay]:
        return await SqliteLog.open(tmp_path / "log.sqlite3", thread_bytes=thread_bytes), OneRelay("alone")

    await check_log(make)


async def test_the_file_is_for_its_user_only(tmp_path: Path) -> None:
    log = await SqliteLog.open(tmp_path / "deep" / "log.sqlite3")
    await log.close()
    assert (tmp_path / "deep" / "log.sqlite3").stat().st_mode & 0o077 == 0


async def test_a_locked_store_fails_the_write_and_stores_nothing(tmp_path: Path) -> None:
    path = tmp_path / "log.sqlite3"
    log = await SqliteLog.open(path, busy_seconds=0.05)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    assert isinstance(await result(log, posted("one")), Failed)
    other.execute("ROLLBACK")
    other.close()
    assert not (await log.thread(PAIR)).pending
    assert isinstance(await result(log, posted("one")), Done)
    await log.close()


@pytest.fixture
def small_disk() -> Iterator[None]:
    """Let no file of this process grow beyond a little: what a full disk looks like to a program."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (512 * 1024, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.usefixtures("small_disk")
async def test_a_full_disk_fails_writes_and_reading_goes_on(tmp_path: Path) -> None:
    log = await SqliteLog.open(tmp_path / "log.sqlite3")
    stored = 0
    while isinstance(await result(log, kept(f"row {stored}", size=20_000)), Done):
        stored += 1
        assert stored < 100, "the disk never filled"
    assert isinstance(await result(log, kept("one more", size=20_000)), Failed)
    assert len(await log.rows(PAIR, after_seq=0, limit_bytes=ROOMY)) == stored
    await log.close()


async def test_a_store_of_another_version_is_not_touched(tmp_path: Path) -> None:
    path = tmp_path / "log.sqlite3"
    db = sqlite3.connect(path)
    db.execute("PRAGMA user_version = 99")
    db.close()
    with pytest.raises(errors.StoreFailed, match=r"version 0099.*up to 0002"):
        await SqliteLog.open(path)


async def test_what_is_not_a_database_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "log.sqlite3"
    path.write_bytes(os.urandom(8_192))
    with pytest.raises(errors.StoreFailed):
        await SqliteLog.open(path)


async def test_commits_are_told_to_whoever_counts(tmp_path: Path) -> None:
    commits: list[int] = []
    log = await SqliteLog.open(tmp_path / "log.sqlite3", on_commit=lambda ops, seconds: commits.append(ops))
    await done(log, kept("one"))
    await log.close()
    assert commits == [1]


async def test_a_store_that_is_locked_for_a_moment_is_waited_for_and_holds_up_nobody_else(tmp_path: Path) -> None:
    path = tmp_path / "log.sqlite3"
    log = await SqliteLog.open(path, busy_seconds=DEADLINE_SECONDS)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    writing = asyncio.create_task(result(log, posted("one")))
    await turns()  # the loop goes on: a wait on it would be for as long as the lock
    assert not writing.done()
    other.execute("ROLLBACK")
    other.close()
    assert isinstance(await writing, Done)
    await log.close()


async def test_whoever_breaks_over_what_was_committed_silences_nobody_else(tmp_path: Path) -> None:
    log = await SqliteLog.open(tmp_path / "log.sqlite3")
    broken: list[str] = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: broken.append(context["message"]))

    def breaks(told: Done | Failed) -> None:
        raise ValueError(told)

    log.submit(posted("one"), breaks)  # both are of one batch
    assert isinstance(await result(log, posted("two")), Done)
    assert isinstance(await result(log, posted("three")), Done)
    await log.close()
    assert broken == ["what was committed was not heard"]


async def test_more_than_one_batch_is_committed_in_order(tmp_path: Path) -> None:
    commits: list[int] = []
    log = await SqliteLog.open(tmp_path / "log.sqlite3", on_commit=lambda ops, seconds: commits.append(ops))
    told: list[int] = []

    def then(came: Done | Failed) -> None:
        assert isinstance(came, Done)
        assert came.row is not None
        told.append(came.row.seq)

    for number in range(BATCH_OPS + 1):
        log.submit(kept(f"row {number}"), then)
    await log.close()
    assert told == list(range(1, BATCH_OPS + 2))
    assert commits == [BATCH_OPS, 1]


async def test_a_thread_that_outgrows_its_limit_is_trimmed_in_the_same_transaction(tmp_path: Path) -> None:
    log = await SqliteLog.open(tmp_path / "log.sqlite3", thread_bytes=4_000)
    for number in range(10):
        await done(log, kept(f"row {number}", size=1_000))
    seen = await log.thread(PAIR)
    await log.close()
    assert (seen.head_seq, seen.oldest_seq) == (10, 8)


async def test_what_is_submitted_by_who_hears_of_the_last_batch_is_committed_before_the_log_closes(
    tmp_path: Path,
) -> None:
    log = await SqliteLog.open(tmp_path / "log.sqlite3")
    later: list[asyncio.Task[None]] = []
    heard: list[Done | Failed] = []

    async def submits() -> None:
        log.submit(posted("two"), heard.append)

    log.submit(posted("one"), lambda came: later.append(asyncio.create_task(submits())))
    await log.close()
    await asyncio.gather(*later)
    await log.close()  # again, as a service does at its end
    assert [type(came) for came in heard] == [Done]


async def test_who_counts_commits_and_breaks_stops_no_commit(tmp_path: Path) -> None:
    def breaks(ops: int, seconds: float) -> None:
        raise ValueError(ops, seconds)

    log = await SqliteLog.open(tmp_path / "log.sqlite3", on_commit=breaks)
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: None)
    assert isinstance(await result(log, posted("one")), Done)
    assert isinstance(await result(log, posted("two")), Done)
    await log.close()


async def test_a_pairing_erased_while_its_thread_is_too_long_takes_no_rows_of_the_next_one_along(
    tmp_path: Path,
) -> None:
    log = await SqliteLog.open(tmp_path / "log.sqlite3", thread_bytes=4_000)
    heard: list[Done | Failed] = []
    batch: list[Op] = [
        *(kept(f"long {number}", pair_id=OTHER, size=1_000) for number in range(5)),
        Sweep(before_ms=0),
        Erase(OTHER, 5),
        kept("of the next", size=1_000),
        kept("of the next, too", size=1_000),
    ]
    for op in batch:  # of one transaction; the next pairing gets the number of the one that went
        log.submit(op, heard.append)
    await done(log, kept("behind them"))
    rows = await log.rows(PAIR, after_seq=0, limit_bytes=ROOMY)
    await log.close()
    assert [type(came) for came in heard] == [Done] * len(batch)
    assert [row.seq for row in rows] == [1, 2, 3]


async def test_whoever_waits_for_a_lock_waits_for_it_once(tmp_path: Path) -> None:
    path = tmp_path / "log.sqlite3"
    commits: list[int] = []
    log = await SqliteLog.open(path, busy_seconds=0.05, on_commit=lambda ops, seconds: commits.append(ops))
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    heard: list[Done | Failed] = []
    for number in range(BATCH_OPS + 1):
        log.submit(kept(f"row {number}"), heard.append)
    await log.close()
    other.close()
    assert {type(came) for came in heard} == {Failed}
    assert commits == [BATCH_OPS + 1]
