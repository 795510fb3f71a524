"""How much a host has not told yet is counted over all pairings, and a journal that can't be written is counted."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from pathlib import Path

import pytest
from dispatch import errors
from dispatch.ids import MessageId, PairId, TaskId
from dispatch_host import backlog
from dispatch_host.journal import Tx, Writer, outbox

from tests.support.waiting import until


@pytest.fixture
def journal(tmp_path: Path) -> Writer:
    return Writer(tmp_path / "journal.db")


async def test_rows_of_every_pairing_are_counted_until_the_relay_has_them(journal: Writer) -> None:
    told: list[float] = []
    pairs = [PairId(bytes([place]) * 16) for place in (1, 2)]

    def fill(tx: Tx) -> None:
        for pair_id in pairs:
            outbox.add_go(tx, pair_id, MessageId(pair_id), TaskId(bytes(16)))

    with contextlib.closing(journal):
        journal.open()
        await journal.step(fill)
        watching = asyncio.create_task(backlog.watch(journal, told.append, look_seconds=0.01))
        await until(lambda: told == [2] * len(told) and told)
        await journal.step(lambda tx: outbox.received(tx, pairs[0], [pairs[0]]))
        await until(lambda: told[-1] == 1)
        watching.cancel()


async def test_a_step_that_can_not_be_stored_is_heard_of_and_one_that_is_refused_is_not(journal: Writer) -> None:
    heard: list[str] = []
    journal.failed = lambda: heard.append("failed")

    def full(_: Tx) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    def refused(_: Tx) -> None:
        raise errors.TaskUnknown

    with contextlib.closing(journal):
        journal.open()
        with pytest.raises(errors.StoreFailed):
            await journal.step(full)
        with pytest.raises(errors.TaskUnknown):
            await journal.step(refused)
        assert await journal.step(outbox.count_all) == 0

    assert heard == ["failed"]
