"""Attachments on the disk and in the journal: after a crash anywhere, and in time, neither keeps what the other does not know."""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial as bound
from hashlib import sha256
from pathlib import Path

import pytest
from dispatch import errors
from dispatch.clock import SystemClock
from dispatch.files.description import Described
from dispatch.ids import FileId, PairId
from dispatch_host.files.attachments import KEPT_SECONDS, Attachments
from dispatch_host.files.inbox import Inbox
from dispatch_host.journal import Writer, files, threads
from dispatch_host.journal.values import FileKind, Pairing, StoredFile

from tests.support.waiting import until

DAY_MS = KEPT_SECONDS * 1000


class MovedClock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.ahead_ms = 0
        self._clock = SystemClock()

    def wall_ms(self) -> int:
        return self._clock.wall_ms() + self.ahead_ms

    def steady_ms(self) -> int:
        return self._clock.steady_ms()

    def boot_ms(self) -> int:
        return self._clock.boot_ms()


def described(content: bytes, name: str = "a.txt") -> Described:
    return Described(
        file_id=FileId(os.urandom(16)), key=bytes(32), name=name, size=len(content), sha256=sha256(content).digest()
    )


class Host:
    """The attachments of a host, with one phone paired."""

    def __init__(self, folder: Path, journal: Writer) -> None:
        self.folder = folder
        self.journal = journal
        self.clock = MovedClock()
        self.pool = ThreadPoolExecutor(2)
        self.thread = 0
        self.restarts()

    def restarts(self, folder: Path | None = None) -> None:
        """Begin anew with what is on the disk; perhaps elsewhere."""
        self.folder = folder or self.folder
        self.inbox = Inbox(self.folder, most_bytes=1_000)
        self.attachments = Attachments(self.inbox, journal=self.journal, clock=self.clock)

    async def arrives(self, content: bytes, name: str = "a.txt") -> Described:
        """Let a file arrive."""
        file = described(content, name)
        async with self.attachments.arriving(file, self.pool) as arriving:
            arriving.partial.write([content])
            arriving.partial.check()
            await self.attachments.keep(arriving, thread=self.thread)
        return file

    async def begins(self, file: Described, content: bytes) -> None:
        """Let a part of a file arrive."""
        async with self.attachments.arriving(file, self.pool) as arriving:
            arriving.partial.write([content])

    async def claims(self, file: Described) -> None:
        await self.journal.step(lambda tx: files.claim(tx, [file.file_id], thread=self.thread))

    def there(self) -> list[str]:
        """List what lies on the disk."""
        return sorted(str(path.relative_to(self.folder)) for path in self.folder.rglob("*") if path.is_file())

    async def known(self) -> list[Described]:
        return [one.file for one in await self.journal.step(files.attachments)]


@pytest.fixture
async def host(tmp_path: Path) -> AsyncIterator[Host]:
    writer = Writer(tmp_path / "journal.db")
    writer.open()
    host = Host(tmp_path / "attachments", writer)
    pairing = Pairing(
        pair_id=PairId(bytes(16)),
        phone_key=bytes(32),
        phone_name="pocket",
        attestation=b"",
        phone_signature=b"",
        host_signature=b"",
    )
    joined = await writer.step(lambda tx: threads.join(tx, pairing))
    assert joined is not None
    host.thread = joined.thread
    yield host
    host.pool.shutdown()
    writer.close()


async def test_what_arrived_is_here_under_its_name_and_nothing_beside_it(host: Host) -> None:
    file = await host.arrives(b"one")
    again = await host.arrives(b"two")

    assert host.there() == [f"{host.thread}/a (2).txt", f"{host.thread}/a.txt"]
    assert await host.known() == sorted([file, again], key=lambda one: one.file_id)
    assert await host.attachments.is_here(file, thread=host.thread)


async def test_one_that_somebody_deleted_is_not_here_and_arrives_again_for_the_same_tasks(host: Host) -> None:
    file = await host.arrives(b"one")
    await host.claims(file)
    (host.folder / str(host.thread) / "a.txt").unlink()
    assert not await host.attachments.is_here(file, thread=host.thread)

    async with host.attachments.arriving(file, host.pool) as arriving:
        arriving.partial.write([b"one"])
        await host.attachments.keep(arriving, thread=host.thread)
    host.clock.ahead_ms = 2 * DAY_MS
    await host.attachments.sweep()

    assert await host.attachments.is_here(file, thread=host.thread)


async def test_an_id_that_names_another_file_is_refused(host: Host) -> None:
    file = await host.arrives(b"one")
    others = [
        replace(file, sha256=bytes(32)),
        replace(file, size=4),
        replace(file, key=b"k" * 32),
    ]

    for other in others:
        with pytest.raises(errors.IdReused):
            await host.attachments.is_here(other, thread=host.thread)
    with pytest.raises(errors.IdReused):
        await host.attachments.is_here(file, thread=host.thread + 1)


async def test_after_a_crash_before_its_row_the_name_goes_and_the_file_goes_on_from_its_beginning(host: Host) -> None:
    file = described(b"one")
    async with host.attachments.arriving(file, host.pool) as arriving:
        arriving.partial.write([b"one"])
        host.inbox.put(arriving.partial, host.thread)  # and here it dies
    host.restarts()

    await host.attachments.sweep()

    assert host.there() == [f".arriving/{file.file_id.hex()}.part"]
    async with host.attachments.arriving(file, host.pool) as arriving:
        assert arriving.partial.whole
        await host.attachments.keep(arriving, thread=host.thread)
    assert host.there() == [f"{host.thread}/a.txt"]


async def test_after_a_crash_behind_its_row_only_the_beginning_goes(host: Host) -> None:
    file = await host.arrives(b"one")
    left = host.folder / ".arriving" / f"{file.file_id.hex()}.part"
    os.link(host.folder / str(host.thread) / "a.txt", left)
    host.restarts()

    await host.attachments.sweep()

    assert host.there() == [f"{host.thread}/a.txt"]
    assert (host.folder / str(host.thread) / "a.txt").read_bytes() == b"one"


async def test_what_no_task_has_named_goes_after_a_day_and_what_one_has_stays(host: Host) -> None:
    named = await host.arrives(b"1", "named.txt")
    await host.claims(named)
    await host.arrives(b"2", "old.txt")
    await host.attachments.sweep()
    assert len(host.there()) == 2

    host.clock.ahead_ms = DAY_MS + 1_000
    young = await host.arrives(b"3", "young.txt")
    await host.attachments.sweep()

    assert host.there() == [f"{host.thread}/named.txt", f"{host.thread}/young.txt"]
    assert {one.file_id for one in await host.known()} == {named.file_id, young.file_id}


async def test_a_beginning_that_was_left_alone_goes_after_a_day_unless_it_goes_on_just_then(host: Host) -> None:
    left, goes_on = described(b"x" * 50), described(b"x" * 50)
    for file in (left, goes_on):
        await host.begins(file, b"x" * 10)
    await host.attachments.sweep()
    assert len(host.there()) == 2

    host.clock.ahead_ms = DAY_MS + 1_000
    async with host.attachments.arriving(goes_on, host.pool):
        await host.attachments.sweep()

    assert host.there() == [f".arriving/{goes_on.file_id.hex()}.part"]


async def test_what_was_left_before_a_restart_takes_its_room_until_it_goes(host: Host) -> None:
    await host.begins(described(b"x" * 900), b"x" * 600)
    host.restarts()
    await host.attachments.sweep()

    with pytest.raises(errors.NoRoom):
        await host.arrives(b"y" * 500)
    host.clock.ahead_ms = DAY_MS + 1_000
    await host.attachments.sweep()

    await host.arrives(b"y" * 500)


async def test_what_is_whole_takes_its_room_without_a_look_at_the_disk(host: Host) -> None:
    await host.arrives(b"x" * 600)

    with pytest.raises(errors.NoRoom):
        await host.arrives(b"y" * 500)


async def test_a_home_that_was_moved_loses_nothing(host: Host, tmp_path: Path) -> None:
    await host.arrives(b"one")
    (tmp_path / "elsewhere").mkdir()
    host.restarts(host.folder.rename(tmp_path / "elsewhere" / "attachments"))

    await host.attachments.sweep()

    assert host.there() == [f"{host.thread}/a.txt"]


@contextlib.asynccontextmanager
async def busy(journal: Writer) -> AsyncIterator[Callable[[], None]]:
    """Keep the journal busy; gives what lets it go on."""
    going_on = threading.Event()
    working = asyncio.create_task(journal.step(lambda _: going_on.wait(300)))
    try:
        yield going_on.set
    finally:
        going_on.set()
        await working


async def test_what_has_its_name_gets_its_row_though_nobody_waits_for_it_any_more(host: Host) -> None:
    file = described(b"one")
    async with host.attachments.arriving(file, host.pool) as arriving, busy(host.journal) as go_on:
        arriving.partial.write([b"one"])
        keeping = asyncio.create_task(host.attachments.keep(arriving, thread=host.thread))
        await until((host.folder / str(host.thread) / "a.txt").exists)
        keeping.cancel()
        go_on()
        with pytest.raises(asyncio.CancelledError):
            await keeping

    assert await host.known() == [file]


async def test_a_sweep_leaves_alone_what_has_its_name_and_waits_for_its_row(host: Host) -> None:
    file = described(b"one")
    async with host.attachments.arriving(file, host.pool) as arriving:
        arriving.partial.write([b"one"])
        async with busy(host.journal) as go_on:
            sweeping = asyncio.create_task(host.attachments.sweep())
            keeping = asyncio.create_task(host.attachments.keep(arriving, thread=host.thread))
            await until((host.folder / str(host.thread) / "a.txt").exists)
            go_on()
            await asyncio.gather(sweeping, keeping)

    assert await host.attachments.is_here(file, thread=host.thread)


async def test_an_attachment_has_arrived_for_its_own_thread(host: Host) -> None:
    file = await host.arrives(b"one")

    assert await host.journal.step(bound(files.has_arrived, file=file, thread=host.thread))
    assert not await host.journal.step(bound(files.has_arrived, file=described(b"one"), thread=host.thread))


async def test_what_was_told_to_the_phone_is_not_counted_as_an_attachment(host: Host) -> None:
    told = StoredFile(
        file=described(b"x" * 900),
        thread=host.thread,
        kind=FileKind.ARTIFACT,
        path=Path("/a"),
        mtime_ns=0,
        at_ms=1,
    )
    await host.journal.step(lambda tx: files.add(tx, told))

    await host.arrives(b"y" * 500)
    await host.attachments.sweep()

    assert await host.journal.step(
        lambda tx: files.find(tx, told.file.file_id, thread=host.thread, kind=FileKind.ARTIFACT)
    )
