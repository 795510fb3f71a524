"""The relay's log and seats in PostgreSQL keep their contracts, also when sessions, relays or the server go away."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import pytest
from dispatch import errors
from dispatch.ids import PairId
from dispatch.runtime.database import DatabaseAddress, parse_database
from dispatch_relay.log import Acked, Decide, Done, Failed, Keep, Log, Op, Sweep
from dispatch_relay.postgres import connecting, transaction
from dispatch_relay.postgres import seats as postgres_seats
from dispatch_relay.postgres.opening import Store, open_store
from dispatch_relay.presence import End
from dispatch_relay.seats import Seats
from dispatch_relay.verdict import Event

from tests.support.cut_commit import CutCommit
from tests.support.log_contract import OTHER, PAIR, ROOMY, check_log, done, kept, message, posted, result, task
from tests.support.postgres import PostgresServer
from tests.support.seats_contract import check_seats
from tests.support.waiting import until, until_so

Open = Callable[..., Awaitable[Store]]

_numbers = itertools.count()


@pytest.fixture
async def address(postgres: PostgresServer) -> DatabaseAddress:
    """Give an empty database."""
    return parse_database(postgres.address(await postgres.new_database()))


@pytest.fixture
async def opened(address: DatabaseAddress) -> AsyncIterator[Open]:
    """Open the store for one relay more; closed at the end."""
    stores: list[Store] = []

    async def make(*, at: DatabaseAddress = address, thread_bytes: int = ROOMY) -> Store:
        stores.append(await open_store(at, relay=f"relay {next(_numbers)}", thread_bytes=thread_bytes))
        return stores[-1]

    yield make
    await asyncio.gather(*(store.log.close() for store in stores))


@pytest.fixture
async def sql(address: DatabaseAddress) -> AsyncIterator[asyncpg.Connection[asyncpg.Record]]:
    """Look into the database beside the relays."""
    db = await asyncpg.connect(address.url)
    yield db
    await db.close()


async def test_postgres_keeps_the_contract_of_the_log(opened: Open) -> None:
    async def make(thread_bytes: int) -> tuple[Log, Seats]:
        store = await opened(thread_bytes=thread_bytes)
        return store.log, store.seats

    await check_log(make)


async def test_a_database_that_does_not_wait_for_its_disk_does_so_for_a_relay(
    address: DatabaseAddress, sql: asyncpg.Connection[asyncpg.Record]
) -> None:
    name = await sql.fetchval("SELECT current_database()")
    shown = []
    for setting in ("off", "remote_apply"):
        await sql.execute(f'ALTER DATABASE "{name}" SET synchronous_commit = {setting}')
        db = await connecting.connect(address, kind="log")
        shown.append(await db.fetchval("SHOW synchronous_commit"))
        await db.close()

    assert shown == ["on", "remote_apply"]


async def test_several_relays_keep_the_contract_of_the_seats(opened: Open) -> None:
    async def make() -> tuple[Log, Seats]:
        store = await opened()
        return store.log, store.seats

    await check_seats(make)


async def taken(store: Store, *pair_ids: PairId) -> Store:
    for pair_id in pair_ids:
        assert await store.seats.take(pair_id) is None
    return store


# ---- batches


async def test_what_can_not_be_stored_fails_alone(opened: Open) -> None:
    store = await taken(await opened(), PAIR)
    ops: list[Op] = [kept(f"row {number}") for number in range(20)]
    ops[7] = Keep(PAIR, message("beyond"), task("beyond"), now_ms=2**63, sealed=b"")
    came = await asyncio.gather(*(result(store.log, op) for op in ops))
    assert [number for number, one in enumerate(came) if isinstance(one, Failed)] == [7]
    assert (await store.log.thread(PAIR)).head_seq == 19


async def test_a_batch_of_every_kind_of_thing_is_decided_as_one_by_one(opened: Open) -> None:
    """A command that is posted, taken, steered and ended within one transaction."""
    store = await taken(await opened(), PAIR, OTHER)
    together = [*_life("a task", PAIR), *_life("a task", OTHER)]
    batch = await asyncio.gather(*(result(store.log, op) for op in together))
    store_alone = await taken(await opened(), *(alone := [PairId(b"x" * 16)]))
    single = [await result(store_alone.log, op) for op in _life("a task", alone[0])]
    shown = [
        (one.effect, one.status, one.row, one.task_open, one.task_ended, one.to_report) for one in _all_done(single)
    ]
    for half in (batch[: len(single)], batch[len(single) :]):
        assert [
            (one.effect, one.status, one.row, one.task_open, one.task_ended, one.to_report) for one in _all_done(half)
        ] == shown
    assert (await store.log.untold(limit=100)).count == 3 * 2  # its go and its end, of each


def _all_done(came: list[Done | Failed]) -> list[Done]:
    assert all(isinstance(one, Done) for one in came), came
    return [one for one in came if isinstance(one, Done)]


def _life(text: str, pair_id: PairId) -> list[Op]:
    return [
        posted(text, pair_id=pair_id),
        posted(text, pair_id=pair_id),
        Decide(pair_id, message(text), Event.TAKEN, 2),
        Decide(pair_id, message("steer"), Event.POSTED, 3, task_id=task(text), sealed=b"s", valid_for_ms=1),
        Decide(pair_id, message("steer"), Event.TAKEN, 4),
        Decide(pair_id, message("steer"), Event.GIVEN_UP, 4),
        kept("end", pair_id=pair_id, ends=text),
        kept("end again", pair_id=pair_id, ends=text),
        Acked(pair_id, End.PHONE, 2),
    ]


async def test_a_relay_sweeps_what_is_its_own_or_nobodys(opened: Open) -> None:
    mine, others, nobodys = (PairId(letter * 16) for letter in (b"m", b"o", b"n"))
    one, two = await taken(await opened(), mine, nobodys), await taken(await opened(), others)
    for store, pair_id in ((one, mine), (two, others), (one, nobodys)):
        await done(store.log, kept("old", pair_id=pair_id))
        for end in End:
            await done(store.log, Acked(pair_id, end, 1))
    one.seats.give_back(nobodys)
    both = await asyncio.gather(*(result(store.log, Sweep(before_ms=100)) for store in (one, one)))
    assert all(isinstance(came, Done) for came in both)
    left = {pair_id: (await one.log.thread(pair_id)).oldest_seq for pair_id in (mine, others, nobodys)}
    assert left == {mine: 0, others: 1, nobodys: 0}
    await done(two.log, Sweep(before_ms=100))
    assert (await two.log.thread(others)).oldest_seq == 0


# ---- relays that are gone


SEAT = "INSERT INTO seat (pair_id, relay, number) VALUES ($1, $2, nextval('seat_number'))"
SAID = "INSERT INTO relay (id, seen) VALUES ($1, now() - make_interval(secs => $2))"


async def test_the_seats_of_a_relay_whose_session_has_ended_are_free_at_once(
    opened: Open, sql: asyncpg.Connection[asyncpg.Record]
) -> None:
    store = await opened()
    await sql.execute(SAID, "killed", 0.0)  # it has just said that it is there; and no session holds its lock
    await sql.execute(SEAT, PAIR, "killed")
    assert await store.seats.take(PAIR) is None


async def test_the_seats_of_a_relay_that_says_nothing_are_free_after_a_while(
    opened: Open, sql: asyncpg.Connection[asyncpg.Record]
) -> None:
    store = await opened()
    await sql.execute(postgres_seats._HOLD, "frozen")
    await sql.execute(SAID, "frozen", postgres_seats.GONE_SECONDS - 2.0)
    await sql.execute("UPDATE relay SET seen = now() + interval '1 hour' WHERE id = 'frozen'")
    await sql.execute(SEAT, PAIR, "frozen")
    assert await store.seats.take(PAIR) == "frozen"
    await sql.execute("UPDATE relay SET seen = now() - make_interval(secs => $1)", postgres_seats.GONE_SECONDS + 1.0)
    assert await store.seats.take(PAIR) is None


async def stolen(sql: asyncpg.Connection[asyncpg.Record], pair_id: PairId, by: Store) -> None:
    """Have another relay take a seat, and know that it has it: else it would give it back when it looks over what it has."""
    take = "UPDATE seat SET relay = $1, number = nextval('seat_number') WHERE pair_id = $2 RETURNING number"
    by.seats._have(pair_id, await sql.fetchval(take, by.seats.relay, pair_id))


async def test_a_seat_of_which_a_write_said_that_it_is_lost_is_asked_for_anew(
    opened: Open, sql: asyncpg.Connection[asyncpg.Record]
) -> None:
    here, there = await opened(), await opened()
    assert await here.seats.take(PAIR) is None
    await stolen(sql, PAIR, there)

    assert await result(here.log, Acked(PAIR, End.PHONE, 1)) == transaction.SEAT_LOST
    here.seats.forget(PAIR)

    assert await here.seats.take(PAIR) == there.seats.relay


async def test_a_seat_that_another_took_after_the_last_look_is_noticed_all_the_same(
    opened: Open, sql: asyncpg.Connection[asyncpg.Record]
) -> None:
    here, there = await opened(), await opened()
    lost: list[PairId] = []
    here.seats.on_lost(lost.append)
    assert await here.seats.take(PAIR) is None

    await sql.execute("UPDATE seat SET relay = $1, number = nextval('seat_number')", there.seats.relay)

    await until(lambda: lost == [PAIR])


async def test_a_take_that_nobody_waits_for_any_more_leaves_no_seat(
    opened: Open, sql: asyncpg.Connection[asyncpg.Record]
) -> None:
    here = await opened()
    async with sql.transaction():
        await sql.execute("LOCK TABLE seat IN SHARE MODE")  # lets nobody write
        taking = asyncio.create_task(here.seats.take(PAIR))
        waits = "SELECT count(*) FROM pg_locks WHERE relation = 'seat'::regclass AND NOT granted"
        await until_so(lambda: sql.fetchval(waits))
        taking.cancel()
        await asyncio.wait([taking])

    async def free() -> bool:
        return int(await sql.fetchval("SELECT count(*) FROM seat")) == 0

    await until_so(free)


class CutOff:
    """A pool whose connections break when they are given back."""

    def __init__(self, pool: asyncpg.Pool[asyncpg.Record]) -> None:
        self._pool = pool

    @asynccontextmanager
    async def acquire(self, **within: float) -> AsyncIterator[object]:
        async with self._pool.acquire(**within) as db:
            yield db
        raise ConnectionError("cut off")

    async def close(self) -> None:
        await self._pool.close()


async def test_a_seat_of_which_nobody_heard_for_a_connection_that_broke_at_the_end_is_given_back(
    opened: Open, sql: asyncpg.Connection[asyncpg.Record]
) -> None:
    """It was noted as ours without a room, so that nobody watched over the pairing, nor gave it back."""
    store = await opened()
    cut_off: Any = CutOff(store.seats._pool)
    store.seats._pool = cut_off

    with pytest.raises(errors.StoreFailed):
        await store.seats.take(PAIR)
    assert store.seats.number(PAIR) is None

    async def free() -> bool:
        return int(await sql.fetchval("SELECT count(*) FROM seat")) == 0

    await until_so(free)


async def test_a_seat_is_not_taken_while_its_relays_last_transaction_is_under_way(
    address: DatabaseAddress, opened: Open, sql: asyncpg.Connection[asyncpg.Record]
) -> None:
    store = await opened()
    await sql.execute(SAID, "killed", 0.0)
    await sql.execute(SEAT, PAIR, "killed")
    last = sql.transaction()
    await last.start()
    await sql.fetch(transaction._SEATS, "killed", [PAIR])
    taking = asyncio.ensure_future(store.seats.take(PAIR))
    beside = await asyncpg.connect(address.url)

    async def waits() -> bool:
        return taking.done() or bool(await beside.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted"))

    await until_so(waits)
    assert not taking.done()
    await last.commit()
    assert await taking is None
    await beside.close()


async def test_a_relay_that_was_gone_hears_which_seats_it_lost_and_goes_on_with_the_rest(
    opened: Open, sql: asyncpg.Connection[asyncpg.Record]
) -> None:
    one, two = await taken(await opened(), PAIR, OTHER), await opened()
    lost: list[PairId] = []
    one.seats.on_lost(lost.append)
    # As if it had been frozen: it said nothing, and another took what it had.
    await stolen(sql, PAIR, two)
    await sql.execute("UPDATE relay SET seen = now() - interval '10 s' WHERE id = $1", one.seats.relay)
    await until(lambda: lost)
    assert lost == [PAIR]
    came = await result(one.log, kept("too late"))
    assert isinstance(came, Failed)
    assert came.seat_lost
    await done(one.log, kept("goes on", pair_id=OTHER))
    assert await one.seats.take(PAIR) == two.seats.relay


async def test_a_seat_that_was_lost_and_taken_again_is_not_taken_for_one_that_was_kept(
    opened: Open, sql: asyncpg.Connection[asyncpg.Record]
) -> None:
    store = await taken(await opened(), PAIR)
    await done(store.log, posted("waits"))
    lost: list[PairId] = []
    store.seats.on_lost(lost.append)
    await sql.execute("DELETE FROM seat")  # another had it, wrote by it, and gave it back
    by_the_old = asyncio.ensure_future(result(store.log, kept("by what was true then")))
    assert await store.seats.adopt(10) == [PAIR]
    assert lost == [PAIR]
    came = await by_the_old
    assert isinstance(came, Failed)
    assert came.seat_lost
    await done(store.log, kept("by what is true now"))


async def test_a_relay_whose_session_was_cut_is_there_again(postgres: PostgresServer, opened: Open) -> None:
    database = await postgres.new_database()
    at = parse_database(postgres.address(database))
    one, two = await taken(await opened(at=at), PAIR), await opened(at=at)
    assert await postgres.cut(database, where="application_name LIKE 'dispatch-relay%'")

    async def settled() -> bool:
        with contextlib.suppress(Exception):  # those sessions of the pool that were cut are found out one by one
            owner = await two.seats.take(PAIR) or two.seats.relay
            store = one if owner == one.seats.relay else two
            return isinstance(await result(store.log, kept("once more")), Done)
        return False

    await until_so(settled)


# ---- the server is gone


async def test_while_the_server_is_away_writes_fail_and_then_they_do_not(
    postgres: PostgresServer, opened: Open
) -> None:
    store = await taken(await opened(), PAIR)
    await done(store.log, kept("before"))
    postgres.stop()
    try:
        for text in ("meanwhile", "meanwhile, too"):
            assert isinstance(await result(store.log, kept(text)), Failed)
    finally:
        postgres.start()

    async def written() -> bool:
        with contextlib.suppress(Exception):
            if await store.seats.take(PAIR) is None:
                return isinstance(await result(store.log, kept("after")), Done)
        return False

    await until_so(written)
    rows = await store.log.rows(PAIR, after_seq=0, limit_bytes=ROOMY)
    assert [row.sealed for row in rows] == [b"before", b"after"]


async def test_what_was_told_is_so_whenever_the_server_is_killed(postgres: PostgresServer, opened: Open) -> None:
    """Done is there, Failed is not, and everything is told: by what the store holds after each crash."""
    store = await opened()
    pair_ids = [PairId(bytes([number]) * 16) for number in range(8)]
    told: dict[str, Done | Failed] = {}
    for crash in range(3):
        for pair_id in pair_ids:
            await until_so(lambda pair_id=pair_id: _has(store, pair_id))  # type: ignore[misc]  # mypy infers no lambda with a default
        stop = asyncio.Event()
        names: list[str] = []

        async def write(
            pair_id: PairId, crash: int = crash, stop: asyncio.Event = stop, names: list[str] = names
        ) -> None:
            for number in itertools.count():
                if stop.is_set():
                    return
                name = f"{pair_id.hex()} {crash} {number}"
                names.append(name)
                told[name] = await result(store.log, kept(name, pair_id=pair_id))

        writers = [asyncio.ensure_future(write(pair_id)) for pair_id in pair_ids for _ in range(4)]
        await until(lambda names=names: len(names) > 300)  # type: ignore[misc]  # as above
        await asyncio.to_thread(postgres.kill)
        stop.set()
        await asyncio.to_thread(postgres.start)
        await asyncio.gather(*writers)
        assert all(name in told for name in names)
    stored = set()
    for pair_id in pair_ids:
        await until_so(lambda pair_id=pair_id: _has(store, pair_id))  # type: ignore[misc]  # as above
        rows = await store.log.rows(pair_id, after_seq=0, limit_bytes=ROOMY)
        assert [row.seq for row in rows] == list(range(1, len(rows) + 1))
        stored |= {row.sealed.decode() for row in rows}
    assert stored == {name for name, came in told.items() if isinstance(came, Done)}
    assert {type(came) for came in told.values()} == {Done, Failed}


async def _has(store: Store, pair_id: PairId) -> bool:
    """Take a seat, which may not be possible yet."""
    with contextlib.suppress(Exception):
        return await store.seats.take(pair_id) is None
    return False


@pytest.mark.parametrize("arrives", [True, False], ids=["it was committed", "it was not"])
async def test_a_commit_of_which_nobody_heard_is_looked_up_before_anything_is_told(
    address: DatabaseAddress, opened: Open, sql: asyncpg.Connection[asyncpg.Record], arrives: bool
) -> None:
    async with CutCommit(address.url, arrives=arrives) as between:
        store = await taken(await opened(at=parse_database(between.url)), PAIR)
        await done(store.log, kept("before"))
        between.armed = True
        first = asyncio.ensure_future(result(store.log, kept("in doubt")))
        await between.cut.wait()
        second = asyncio.ensure_future(result(store.log, kept("behind it")))
        assert isinstance(await first, Done) is arrives
        assert isinstance(await second, Done)
        rows = await store.log.rows(PAIR, after_seq=0, limit_bytes=ROOMY)
        assert [row.sealed for row in rows] == [b"before", *([b"in doubt"] if arrives else []), b"behind it"]
        await store.log.close()
