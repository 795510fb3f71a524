"""A thread on the disk proves itself on both devices: through resends, new pairings and a host that was set back."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from dispatch.api.thread.v1 import thread_pb2 as words
from dispatch.device.audit import What, Wrong
from dispatch.device.thread_file import Check, Checked, Keys, checked, written
from dispatch_host.journal.snapshot import Snapshot
from mobile_sim.store.snapshot import Snapshot as PhoneSnapshot

from tests.support.host_bench import Bench
from tests.support.host_end import HostEnd
from tests.support.processes import run
from tests.support.relay import QUICK, Relay
from tests.support.seeded_phone import SeededPhone
from tests.support.signed_thread import flips
from tests.support.waiting import until
from tests.support.world import World


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    async with Bench(tmp_path) as bench:
        await bench.ready()
        yield bench


async def ends(bench: Bench, text: str) -> None:
    """Send a task and wait for its end."""
    sent = await bench.phone.sends(text)
    await bench.phone.sees_end(sent.task_id)


async def verified(bench: Bench) -> Checked | Wrong:
    """Check the thread of the running host as `thread --verify` does."""
    check = Check()
    async with bench.control() as control, contextlib.aclosing(control.export_thread("")) as lines:
        async for line in lines:
            if (wrong := check.take(line)) is not None:
                return wrong
    return check.result()


# ---- The host.


async def test_what_a_host_wrote_is_whole_and_signed_to_its_end(bench: Bench) -> None:
    await ends(bench, "quick one")
    await ends(bench, "quick two")

    found = await verified(bench)

    assert isinstance(found, Checked)
    assert (found.events, found.lost, found.exported_by) == (bench.phone.head.number, 0, "host")
    assert found.keys.phone == bench.phone_key.public_key().public_bytes_raw()
    assert found.keys.hosts == {bench.pair_id: bench.host_key.public}


async def test_it_stays_whole_when_the_same_phone_pairs_again(bench: Bench) -> None:
    await ends(bench, "quick one")
    async with bench.paused():
        await bench.pairs()
    await bench.phone.shakes_hands()
    await bench.phone.catches_up()
    await ends(bench, "quick two")

    found = await verified(bench)

    assert isinstance(found, Checked)
    assert len(found.keys.hosts) == 2


async def test_it_stays_whole_when_events_are_told_again(bench: Bench) -> None:
    await ends(bench, "quick one")
    await bench.phone.asks_again(1, bench.phone.head.number)
    await ends(bench, "quick two")

    assert isinstance(await verified(bench), Checked)


async def test_it_stays_whole_when_the_host_was_set_back(bench: Bench) -> None:
    await ends(bench, "quick one")
    middle = bench.phone.events[2]
    place = words.Head(number=3, hash=bench.phone.events[3].previous_hash)
    await bench.phone.says(words.UpLiveItem(seen=words.Seen(head=place)))
    await bench.until(lambda: bench.rows("SELECT seen_number FROM thread") == [(middle.number,)])
    async with bench.paused():
        backup = bench.copy_journal()
    await bench.phone.shakes_hands()
    await ends(bench, "quick two")
    had = bench.phone.head
    async with bench.paused():
        bench.restore_journal(backup)
    await bench.phone.shakes_hands()
    await ends(bench, "quick three")

    found = await verified(bench)

    assert isinstance(found, Checked), found
    # What the host knows no more of is what it had said after the backup and what it told again behind the mark.
    assert found.lost == had.number - middle.number
    assert found.head.number == bench.phone.head.number


async def test_what_is_written_after_the_phone_is_gone_is_signed_as_well(bench: Bench) -> None:
    sent = await bench.phone.sends("works")
    await bench.phone.sees(sent.task_id, "started")
    thread = bench.rows("SELECT id FROM thread")[0][0]
    await bench.dies()
    # The pairing is over without its task being cancelled first: the next start ends it into a thread that has none.
    bench.change("DELETE FROM outbox")
    bench.change("DELETE FROM pairing")
    bench.starts()
    await bench.until(lambda: bench.told.count("running") == 2)
    assert bench.rows("SELECT state FROM task") == [("interrupted",)]

    found = stored(bench.home / "journal.db", thread, bench)

    assert isinstance(found, Checked), found


def stored(journal: Path, thread: int, bench: Bench) -> Checked | Wrong:
    """Check a thread in a journal that nobody runs."""
    with Snapshot(journal) as snapshot:
        keys = Keys(
            phone=bench.phone_key.public_key().public_bytes_raw(),
            hosts=snapshot.hosts(thread),
            exporter=bench.host_key.public,
        )
        return checked(written(keys, snapshot.pieces(thread), snapshot.head(thread), bench.host_key.sign))


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One column of a table, and which event a row of it is about."""

    table: str
    name: str
    about: str = "number"


HOST_COLUMNS = (
    *(Column(table="event", name=name) for name in ("content", "hash", "previous_hash", "task_id")),
    *(Column(table="head_signature", name=name) for name in ("hash", "pair_id", "signature")),
    Column(table="thread", name="hash"),
)
PHONE_COLUMNS = (
    *(Column(table="events", name=name) for name in ("content", "hash", "event_id")),
    *(Column(table="signatures", name=name) for name in ("hash", "signature")),
    Column(table="pairings", name="head_hash", about="head_number"),
)


def changed_bytes(database: Path, columns: tuple[Column, ...], *, every: int) -> Iterator[tuple[Column, int]]:
    """Change one byte of the store after the other, and put it back; gives the column and the event it is about."""
    with contextlib.closing(sqlite3.connect(database, isolation_level=None)) as rows:
        rows.execute("PRAGMA synchronous = OFF")
        for column in columns:
            keys = "pair_id, number" if column.table in ("events", "signatures") else "rowid"
            keys = "thread, number" if column.table == "head_signature" else keys
            keys = "pair_id" if column.table == "pairings" else keys
            read = f"SELECT {keys}, {column.about}, {column.name} FROM {column.table}"  # noqa: S608 -- names from above
            found = rows.execute(read).fetchall()
            where = " AND ".join(f"{key} = ?" for key in keys.split(", "))
            write = f"UPDATE {column.table} SET {column.name} = ? WHERE {where}"  # noqa: S608 -- as above
            for *key, about, content in found:
                for changed in flips(content, every=every, masks=(0x01,)):
                    rows.execute(write, (changed, *key))
                    yield column, about
                rows.execute(write, (content, *key))


EVERY = [pytest.param(1, marks=pytest.mark.big), 41]


@pytest.mark.parametrize("every", EVERY)
async def test_every_byte_of_a_thread_on_the_host_s_disk_is_proved(tmp_path: Path, every: int) -> None:
    async with Bench(tmp_path) as bench:
        await bench.ready()
        await ends(bench, "quick one")
        await bench.stops()
        journal = tmp_path / "copy.db"
        journal.write_bytes(bench.copy_journal())

    _prove(lambda: stored(journal, 1, bench), journal, HOST_COLUMNS, every=every)


def _prove(check: Callable[[], Checked | Wrong], database: Path, columns: tuple[Column, ...], *, every: int) -> None:
    assert isinstance(check(), Checked)
    count = 0
    for column, about in changed_bytes(database, columns, every=every):
        found = check()
        assert isinstance(found, Wrong), column
        assert found.number == about, (column, about, found)
        count += 1
    assert count > 100 / every
    assert isinstance(check(), Checked)


# ---- The phone.


@contextlib.asynccontextmanager
async def paired(folder: Path) -> AsyncIterator[tuple[SeededPhone, HostEnd]]:
    """Pair a phone with a host made by hand, over a real relay."""
    phone = SeededPhone.make(folder / "phone")
    async with Relay(folder / "relay", settings=replace(QUICK, lease_ms=60_000)) as relay:
        mind, device = phone.pair(relay.trust, [relay.address])
        async with HostEnd(mind, device, relay.address) as host:
            yield phone, host


def on_phone(database: Path, phone: SeededPhone) -> Checked | Wrong:
    """Check the phone's thread, as nobody runs it."""
    pair = phone.pairs["desk"].phone
    key = phone.pairs["desk"].phone_signing
    with PhoneSnapshot(database) as snapshot:
        keys = Keys(
            phone=pair.own_ed25519,
            hosts={pair.pair_id: pair.peer_ed25519},
            exporter=key.public_key().public_bytes_raw(),
        )
        return checked(written(keys, snapshot.pieces(pair.pair_id), snapshot.head(pair.pair_id), key.sign))


@pytest.mark.parametrize("every", EVERY)
async def test_every_byte_of_a_thread_on_the_phone_s_disk_is_proved(tmp_path: Path, every: int) -> None:
    async with paired(tmp_path) as (phone, _):
        await phone.send("Which files are largest?")
    database = phone.path / "phone.db"

    _prove(lambda: on_phone(database, phone), database, PHONE_COLUMNS, every=every)


async def test_words_that_the_host_made_up_are_named(tmp_path: Path) -> None:
    async with paired(tmp_path) as (phone, host):
        await phone.send("Which files are largest?")
        await host.say(accepted=words.Accepted(attempt=1, text="send me all your money"), task_id=os.urandom(16))
        lines: list[Mapping[str, object]] = []

        async with phone.desk() as desk:
            assert await desk.do({"do": "status"}, say=_nothing, hear=_nobody) == 0
            await until(lambda: b"send me all your money" in _contents(phone))
            code = await desk.do({"do": "thread", "host": None, "verify": True}, say=lines.append, hear=_nobody)

    assert (code, lines[-1]["event"], lines[-1]["what"]) == (4, "wrong", What.PHONE_SIGNATURE.value)


def _contents(phone: SeededPhone) -> bytes:
    """Give all events that the phone has kept."""
    with contextlib.closing(sqlite3.connect(phone.path / "phone.db")) as rows:
        return b"".join(content for (content,) in rows.execute("SELECT content FROM events"))


def _nothing(_: object) -> None:
    pass


async def _nobody() -> bool:
    raise AssertionError("nobody was to be asked")


# ---- Both, as a person does it.


@pytest.mark.big
@pytest.mark.timeout(400)
async def test_a_person_verifies_exports_and_verifies_the_file_anywhere(tmp_path: Path) -> None:
    async with World(tmp_path) as world:
        await world.services()
        await world.sign_in("dispatch-host", "desk")
        await world.sign_in("dispatch-phone", "pocket")
        await world.pair("desk", "pocket")
        await world.run_host("desk")
        assert (await run("dispatch-phone", "send", "hello", "--home", world.home("pocket")))[0] in (0, 4)

        for program, device in (("dispatch-phone", "pocket"), ("dispatch-host", "desk")):
            home, file = ("--home", world.home(device)), tmp_path / f"{device}.jsonl"
            verify = await run(program, "thread", "--verify", *home)
            export = await run(program, "thread", "--export", str(file), *home)
            # Without any store: another home, on which nothing was ever set up.
            elsewhere = ("--file", str(file), "--home", str(tmp_path / "nowhere"))
            anywhere = await run(program, "thread", "--verify", *elsewhere)
            file.write_bytes(file.read_bytes().replace(b'"event":"', b'"event":"A', 1))
            changed = await run(program, "thread", "--verify", *elsewhere)

            assert [code for code, _ in (verify, export, anywhere, changed)] == [0, 0, 0, 4]
            assert (verify[1][-1]["event"], verify[1][-1]["lost"]) == ("verified", 0)
            assert export[1][-1]["events"] == verify[1][-1]["events"] > 3
            assert anywhere[1][-1]["exported_by"] == ("phone" if device == "pocket" else "host")
            wrong = changed[1][-1]
            assert (wrong["event"], wrong["number"], wrong["line"]) == ("wrong", 1, 2)
        assert not (tmp_path / "nowhere").exists()
