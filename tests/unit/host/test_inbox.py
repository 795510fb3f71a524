"""Where attachments are put: within a bound over all of them, on a disk with room for all, a folder for each thread."""

from __future__ import annotations

import os
from hashlib import sha256
from pathlib import Path

import pytest
from dispatch import errors
from dispatch.files.description import Described
from dispatch.files.partial import free_bytes
from dispatch.files.threads import never
from dispatch.ids import FileId
from dispatch_host.files.inbox import MOST_FILES, Inbox
from dispatch_host.journal.files import Kept


def described(content: bytes, name: str = "a.txt") -> Described:
    return Described(
        file_id=FileId(os.urandom(16)), key=bytes(32), name=name, size=len(content), sha256=sha256(content).digest()
    )


NOTHING = Kept(files=0, size=0)


def put(inbox: Inbox, content: bytes, *, thread: int = 1, name: str = "a.txt") -> Path:
    file = described(content, name)
    with inbox.room(file) as room, room.open(never) as partial:
        partial.write([content])
        partial.check()
        path = inbox.put(partial, thread)
        inbox.remove(partial.path)
        room.whole = True
        return path


def test_each_thread_has_its_folder_and_the_same_name_gets_a_number(tmp_path: Path) -> None:
    inbox = Inbox(tmp_path / "attachments", most_bytes=100)

    paths = [put(inbox, b"one"), put(inbox, b"two"), put(inbox, b"three", thread=2)]

    assert [str(path.relative_to(tmp_path / "attachments")) for path in paths] == ["1/a.txt", "1/a (2).txt", "2/a.txt"]
    assert [path.read_bytes() for path in paths] == [b"one", b"two", b"three"]
    assert (tmp_path / "attachments" / "1").stat().st_mode & 0o777 == 0o700


def test_what_is_there_and_what_is_on_its_way_share_the_room(tmp_path: Path) -> None:
    inbox, there = Inbox(tmp_path / "attachments", most_bytes=100), Kept(files=1, size=40)
    coming = described(b"x" * 50)

    with inbox.room(coming) as room, room.open(never) as partial:
        room.check(there)
        partial.write([b"x" * 30])
        with inbox.room(described(b"x" * 10)) as small:
            small.check(there)
        with inbox.room(described(b"x" * 11)) as large, pytest.raises(errors.NoRoom):
            large.check(there)
    # What was left behind counts with what there is of it, and not twice when it goes on.
    with inbox.room(described(b"x" * 30)) as room:
        room.check(there)
        with inbox.room(described(b"x")) as one_more, pytest.raises(errors.NoRoom):
            one_more.check(there)
    with inbox.room(coming) as room:
        room.check(there)


def test_a_beginning_that_is_gone_takes_no_room_any_more(tmp_path: Path) -> None:
    inbox, file = Inbox(tmp_path / "attachments", most_bytes=100), described(b"x" * 60)
    with inbox.room(file) as room, room.open(never) as partial:
        partial.write([b"y" * 60])
        with pytest.raises(errors.FileChanged):
            partial.check()
    put(inbox, b"x" * 60)

    with inbox.room(described(b"x" * 100)) as room:
        room.check(NOTHING)


def test_no_more_files_than_a_disk_has_room_for(tmp_path: Path) -> None:
    inbox = Inbox(tmp_path / "attachments", most_bytes=100)

    with inbox.room(described(b"x")) as room:
        room.check(Kept(files=MOST_FILES - 1, size=0))
        with pytest.raises(errors.NoRoom):
            room.check(Kept(files=MOST_FILES, size=0))


def test_the_disk_has_to_have_room_for_what_others_have_still_to_write(tmp_path: Path) -> None:
    inbox = Inbox(tmp_path / "attachments", most_bytes=2**40, free=lambda _: 100)
    first, second = described(b"x" * 70), described(b"x" * 50)

    with inbox.room(first) as room, room.open(never) as partial:
        with inbox.room(second) as other, pytest.raises(errors.NoRoom):
            other.open(never)
        partial.write([b"x" * 20])
        with inbox.room(second) as other, other.open(never):
            pass


def test_a_file_arrives_once_at_a_time(tmp_path: Path) -> None:
    inbox, file = Inbox(tmp_path / "attachments", most_bytes=100), described(b"x")

    with inbox.room(file), pytest.raises(errors.RateLimited), inbox.room(file):
        pass


def test_some_of_a_disk_stays_free_for_what_else_is_written_there(tmp_path: Path) -> None:
    facts = os.statvfs(tmp_path)

    assert free_bytes(tmp_path) < facts.f_bavail * facts.f_frsize


def test_removing_a_thread_leaves_the_others(tmp_path: Path) -> None:
    inbox = Inbox(tmp_path / "attachments", most_bytes=100)
    put(inbox, b"one")
    other = put(inbox, b"two", thread=2)

    inbox.remove_thread(1)
    inbox.remove_thread(1)

    assert not inbox.of(1).exists()
    assert other.exists()
