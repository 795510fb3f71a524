"""Where attachments are put: within a bound over all of them, a folder for each thread, and nothing that is left alone stays."""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import partial as bound
from hashlib import sha256
from pathlib import Path

import pytest
from dispatch import errors
from dispatch.files.description import Described
from dispatch.ids import FileId, PairId, TaskId
from dispatch_host.files.inbox import KEPT_SECONDS, Inbox
from dispatch_host.journal import Writer, files, threads
from dispatch_host.journal.values import FileKind, Pairing, StoredFile


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Writer]:
    writer = Writer(tmp_path / "journal.db")
    writer.open()
    yield writer
    writer.close()


async def thread_of(journal: Writer) -> int:
    """Pair a phone; gives its thread."""
    pairing = Pairing(
        pair_id=PairId(bytes(16)),
        phone_key=bytes(32),
        phone_name="pocket",
        attestation=b"",
        phone_signature=b"",
        host_signature=b"",
    )
    joined = await journal.step(lambda tx: threads.join(tx, pairing))
    assert joined is not None
    return joined.thread


def described(content: bytes, name: str = "a.txt") -> Described:
    return Described(
        file_id=FileId(os.urandom(16)), key=bytes(32), name=name, size=len(content), sha256=sha256(content).digest()
    )


def put(inbox: Inbox, content: bytes, *, thread: int = 1, name: str = "a.txt") -> Path:
    file = described(content, name)
    with inbox.room(file), inbox.partial(file) as partial:
        partial.write([content])
        partial.check()
        return inbox.put(partial, thread)


def test_each_thread_has_its_folder_and_the_same_name_gets_a_number(tmp_path: Path) -> None:
    inbox = Inbox(tmp_path / "attachments", most_bytes=100)

    paths = [put(inbox, b"one"), put(inbox, b"two"), put(inbox, b"three", thread=2)]

    assert [str(path.relative_to(tmp_path / "attachments")) for path in paths] == ["1/a.txt", "1/a (2).txt", "2/a.txt"]
    assert [path.read_bytes() for path in paths] == [b"one", b"two", b"three"]
    assert (tmp_path / "attachments" / "1").stat().st_mode & 0o777 == 0o700


def test_what_is_there_and_what_is_on_its_way_share_the_room(tmp_path: Path) -> None:
    inbox = Inbox(tmp_path / "attachments", most_bytes=100)
    put(inbox, b"x" * 40)
    coming = described(b"x" * 50)

    with inbox.room(coming), inbox.partial(coming) as partial:
        partial.write([b"x" * 30])
        with inbox.room(described(b"x" * 10)):
            pass
        with pytest.raises(errors.NoRoom), inbox.room(described(b"x" * 11)):
            pass
    # What was left behind counts with what there is of it, and not twice when it goes on.
    with inbox.room(described(b"x" * 30)), pytest.raises(errors.NoRoom), inbox.room(described(b"x")):
        pass
    with inbox.room(coming):
        pass


def test_what_began_and_was_left_alone_is_forgotten_after_a_day(tmp_path: Path) -> None:
    inbox = Inbox(tmp_path / "attachments", most_bytes=100)
    file = described(b"x" * 50)
    with inbox.partial(file) as partial:
        partial.write([b"x" * 10])
    began = partial.path.stat().st_mtime

    inbox.sweep(now_seconds=began + KEPT_SECONDS - 1)
    assert partial.path.exists()
    inbox.sweep(now_seconds=began + KEPT_SECONDS + 1)

    assert not partial.path.exists()


def test_removing_a_thread_leaves_the_others(tmp_path: Path) -> None:
    inbox = Inbox(tmp_path / "attachments", most_bytes=100)
    put(inbox, b"one")
    other = put(inbox, b"two", thread=2)

    inbox.remove_thread(1)
    inbox.remove_thread(1)

    assert not inbox.of(1).exists()
    assert other.exists()


def stored(file: Described, thread: int, at_ms: int = 1) -> StoredFile:
    return StoredFile(
        file=file, thread=thread, kind=FileKind.ATTACHMENT, task_id=b"", path=Path("/a"), mtime_ns=0, at_ms=at_ms
    )


async def test_an_attachment_has_arrived_for_its_own_thread_with_its_own_digest(journal: Writer) -> None:
    thread = await thread_of(journal)
    file = described(b"one")
    other = Described(file_id=file.file_id, key=file.key, name="a", size=file.size, sha256=bytes(32))
    await journal.step(lambda tx: files.add(tx, stored(file, thread)))

    said = [
        await journal.step(bound(files.has_arrived, file=one, thread=of))
        for one, of in ((file, thread), (file, thread + 1), (other, thread))
    ]

    assert said == [True, False, False]


async def test_what_no_task_has_named_is_unclaimed_and_what_one_has_is_not(journal: Writer) -> None:
    thread = await thread_of(journal)
    named, old, young = described(b"1"), described(b"2"), described(b"3")
    for file, at_ms in ((named, 1), (old, 1), (young, 100)):
        await journal.step(bound(files.add, stored=stored(file, thread, at_ms)))
    task_id = TaskId(bytes(16))
    await journal.step(lambda tx: files.name_task(tx, [named.file_id], task_id))

    unclaimed = await journal.step(lambda tx: files.unclaimed(tx, before_ms=50))
    of_task = await journal.step(lambda tx: files.attachments_of(tx, task_id))

    assert [one.file for one in unclaimed] == [old]
    assert [one.file for one in of_task] == [named]
