"""The store on SQLite, and the two files beside it: what is written, how, and who may read it."""

from __future__ import annotations

import asyncio
import itertools
import os
import stat
from pathlib import Path

import pytest
from dispatch import secret_file
from dispatch.errors import BadRequest, Draining, RateLimited, StoreFailed
from dispatch_pairing import signer as signers
from dispatch_pairing.bell import Bell
from dispatch_pairing.passwords import Cost, Passwords, acceptable
from dispatch_pairing.sql import SqlStore, open_sqlite
from dispatch_pairing.sql.dialect import SQLITE, sqlite_engine
from sqlalchemy import event

from tests.support.pairing_repository import an_account, check_repository
from tests.support.pairing_service import CHEAP


async def test_sqlite_does_what_every_store_must(tmp_path: Path) -> None:
    numbers = itertools.count()

    async def make() -> SqlStore:
        return await open_sqlite(tmp_path / f"{next(numbers)}.db")

    await check_repository(make)


async def test_what_was_written_survives_and_is_safe_against_power_loss(tmp_path: Path) -> None:
    file = tmp_path / "a ?&#%41 name.db"
    store = await open_sqlite(file)
    async with store.write() as kept:
        await kept.accounts.add(an_account())
        sql = kept.accounts._sql  # type: ignore[attr-defined] # looks at the very connection
        for pragma, value in (
            ("journal_mode", "wal"),
            ("synchronous", 2),
            ("foreign_keys", 1),
            ("busy_timeout", 5_000),
        ):
            assert (await sql.exec_driver_sql(f"PRAGMA {pragma}")).scalar_one() == value
    await store.close()

    store = await open_sqlite(file)
    async with store.read() as kept:
        assert await kept.accounts.all() == [an_account()]
    await store.close()
    assert file.exists()


@pytest.mark.parametrize("mode", ["read", "write"])
async def test_a_caller_who_hangs_up_at_the_end_does_not_cost_a_connection(
    mode: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """It was cut off while it was reset: thrown away, with a traceback of the pool's among the lines of the log."""
    await (await open_sqlite(tmp_path / "pairing.db")).close()
    engine = sqlite_engine(tmp_path / "pairing.db")
    store, connected, given_back = SqlStore(engine, SQLITE), list[object](), list[object]()
    event.listen(engine.sync_engine, "connect", lambda connection, _: connected.append(connection))
    event.listen(engine.sync_engine, "checkin", lambda connection, _: given_back.append(connection))

    async def call() -> None:
        async with store.read() if mode == "read" else store.write() as kept:
            await kept.accounts.all()

    calling = asyncio.create_task(call())
    event.listen(engine.sync_engine, "reset", lambda *_: calling.cancel(), once=True)
    with pytest.raises(asyncio.CancelledError):
        await calling

    assert len(given_back) == 1  # before anybody may close the store
    await call()
    assert len(connected) == 1
    assert not caplog.records
    await store.close()


async def test_two_processes_may_make_the_same_store_at_once(tmp_path: Path) -> None:
    stores = await asyncio.gather(*(open_sqlite(tmp_path / "pairing.db") for _ in range(4)))

    async def add(number: int, store: SqlStore) -> bool:
        async with store.write() as kept:
            return await kept.accounts.add(an_account(folded=f"name {number}")) if number else True

    assert all(await asyncio.gather(*(add(0, store) for store in stores)))
    for store in stores:
        await store.close()


@pytest.mark.parametrize(
    "content", [b"not a database at all, but long enough to look at" * 20, b"SQLite format 3\0" * 9]
)
async def test_a_damaged_database_is_one_clear_error(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "pairing.db"
    file.write_bytes(content)

    with pytest.raises(StoreFailed):
        await open_sqlite(file)


class TestSigningKey:
    def test_it_is_made_once_for_its_owner_only(self, tmp_path: Path) -> None:
        first = signers.make(tmp_path, number=1, rng=os.urandom)
        file = tmp_path / signers.KEY_FILE

        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert [path.name for path in tmp_path.iterdir()] == [signers.KEY_FILE]
        assert signers.read(tmp_path, number=1, known=first.key_id).public == first.public

    def test_its_other_secret_is_the_same_at_each_start_and_not_the_key(self, tmp_path: Path) -> None:
        signer = signers.make(tmp_path, number=1, rng=os.urandom)
        again = signers.read(tmp_path, number=1, known=signer.key_id)

        assert signer.secret("nonce") == again.secret("nonce") != signer.secret("other")
        assert signer.secret("nonce") != signer.private.private_bytes_raw()

    @pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o777])
    def test_one_that_others_may_touch_is_refused(self, tmp_path: Path, mode: int) -> None:
        known = signers.make(tmp_path, number=1, rng=os.urandom).key_id
        (tmp_path / signers.KEY_FILE).chmod(mode)

        with pytest.raises(StoreFailed, match="others"):
            signers.read(tmp_path, number=1, known=known)

    def test_who_may_read_it_is_the_rule_of_all_secrets(self, tmp_path: Path) -> None:
        known = signers.make(tmp_path, number=1, rng=os.urandom).key_id
        file = tmp_path / signers.KEY_FILE
        file.chmod(0o644)
        with pytest.raises(ValueError, match="chmod 600") as rule:
            secret_file.read(file)

        with pytest.raises(StoreFailed) as refused:
            signers.read(tmp_path, number=1, known=known)

        assert refused.value.detail == str(rule.value)

    def test_a_folder_in_its_place_is_said_to_be_unreadable(self, tmp_path: Path) -> None:
        (tmp_path / signers.KEY_FILE).mkdir()

        with pytest.raises(StoreFailed, match="can't be read"):
            signers.read(tmp_path, number=1, known=b"k" * 8)

    @pytest.mark.parametrize("content", [b"", b"x" * 31, b"x" * 33])
    def test_a_damaged_one_is_refused(self, tmp_path: Path, content: bytes) -> None:
        known = signers.make(tmp_path, number=1, rng=os.urandom).key_id
        (tmp_path / signers.KEY_FILE).write_bytes(content)

        with pytest.raises(StoreFailed, match="damaged"):
            signers.read(tmp_path, number=1, known=known)

    def test_another_or_none_than_the_database_remembers_is_refused(self, tmp_path: Path) -> None:
        known = signers.make(tmp_path, number=1, rng=os.urandom).key_id
        (tmp_path / signers.KEY_FILE).unlink()
        with pytest.raises(StoreFailed, match="gone"):
            signers.read(tmp_path, number=1, known=known)
        signers.make(tmp_path, number=1, rng=os.urandom)
        with pytest.raises(StoreFailed, match="remembers"):
            signers.read(tmp_path, number=1, known=known)

    def test_a_crash_while_it_is_made_leaves_none(self, tmp_path: Path) -> None:
        (tmp_path / "signing.new").write_bytes(b"half")

        signers.make(tmp_path, number=1, rng=os.urandom)

        assert [path.name for path in tmp_path.iterdir()] == [signers.KEY_FILE]


class TestPasswords:
    async def test_a_hash_is_argon2id_salted_and_fits_only_its_password(self) -> None:
        passwords = Passwords(rng=os.urandom, cost=Cost(), waiting=4)
        try:
            stored, again = await passwords.hash("correct horse"), await passwords.hash("correct horse")

            assert stored.startswith("$argon2id$v=19$m=65536,t=3,p=3$")
            assert stored != again
            assert await passwords.fits("correct horse", stored)
            assert not await passwords.fits("correct house", stored)
            assert not await passwords.fits("correct horse", None)
        finally:
            passwords.close()

    async def test_too_many_at_once_are_sent_away_and_the_rest_is_answered(self) -> None:
        passwords = Passwords(rng=os.urandom, cost=CHEAP, waiting=2)
        try:
            stored = await passwords.hash("correct horse")
            answers = await asyncio.gather(
                *(passwords.fits("correct horse", stored) for _ in range(5)), return_exceptions=True
            )
            assert answers[:2] == [True, True]
            assert [type(answer) for answer in answers[2:]] == [RateLimited] * 3
            assert await passwords.fits("correct horse", stored)
        finally:
            passwords.close()

    @pytest.mark.parametrize("password", ["", "short", "1234567", "e\u0301" * 7, "x" * 1_025])
    def test_one_that_is_too_short_or_too_long_is_not_taken(self, password: str) -> None:
        with pytest.raises(BadRequest) as refused:
            acceptable(password)

        assert refused.value.metadata == {"field": "password"}
        assert not password or password not in str(refused.value)


class TestBell:
    async def test_what_rings_while_somebody_reads_is_not_missed(self) -> None:
        bell = Bell()
        with bell.listen(b"a") as ear:
            ear.clear()
            bell.ring(b"a")
            await ear.wait(at_most_ms=60_000)

    async def test_other_topics_wake_nobody(self) -> None:
        bell = Bell()
        with bell.listen(b"a") as ear:
            bell.ring(b"b")
            await ear.wait(at_most_ms=1)
            assert not ear.rung

    async def test_closing_sends_everybody_away(self) -> None:
        bell = Bell()
        with bell.listen(b"a") as ear:
            bell.close()
            await ear.wait(at_most_ms=60_000)
            with pytest.raises(Draining):
                ear.clear()
