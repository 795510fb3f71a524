"""A backup: whole or none, for one owner's eyes, put back only when it is sound and only into an empty folder."""

from __future__ import annotations

import contextlib
import io
import json
import os
import sqlite3
import stat
import tarfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from dispatch import errors
from dispatch.backup import archive
from dispatch.backup.contents import RESTORING, Contents, Manifest

CONTENTS = Contents(
    of="a test", databases=("a.db", "b.db"), keys=("keys/*", "one.key"), others=("files", "settings.toml")
)
OTHER = Contents(of="another", databases=("a.db",), keys=())


@contextlib.contextmanager
def database(path: Path) -> Iterator[sqlite3.Connection]:
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as opened:
        opened.execute("PRAGMA journal_mode = WAL")
        opened.execute("CREATE TABLE IF NOT EXISTS pair (a INTEGER, b INTEGER)")
        yield opened


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A program's folder, with something of everything."""
    made = tmp_path / "folder"
    for name in ("keys", "files/deep"):
        (made / name).mkdir(parents=True)
    for name in ("a.db", "b.db"):
        with database(made / name) as opened:
            opened.execute("INSERT INTO pair VALUES (1, 1)")
    for name in ("keys/device", "one.key", "files/deep/one", "settings.toml", "lock", "unknown"):
        (made / name).write_text(name)
    (made / "files/tool").write_text("#!/bin/sh")
    (made / "files/tool").chmod(0o755)
    (made / "files/link").symlink_to("/etc/passwd")
    return made


def write(folder: Path, file: Path, *, keys: bool = True) -> Manifest:
    return archive.write(folder, file, CONTENTS, keys=keys, now_ms=7, version="1.2.3")


def files(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir()}


def test_what_is_put_back_is_what_was_there_and_for_its_owner_alone(folder: Path, tmp_path: Path) -> None:
    write(folder, tmp_path / "backup")
    made = archive.restore(tmp_path / "backup", tmp_path / "new", CONTENTS)

    assert (made.made_at_ms, made.version, made.keys) == (7, "1.2.3", True)
    assert stat.S_IMODE((tmp_path / "backup").stat().st_mode) == 0o600
    kept = {"a.db", "b.db", "keys/device", "one.key", "files/deep/one", "files/tool", "settings.toml"}
    assert files(tmp_path / "new") == kept == {entry.name for entry in made.entries}
    assert (tmp_path / "new/files/deep/one").read_text() == "files/deep/one"
    assert {stat.S_IMODE((tmp_path / "new" / name).stat().st_mode) for name in kept - {"files/tool"}} == {0o600}
    assert stat.S_IMODE((tmp_path / "new/files/tool").stat().st_mode) == 0o700
    with database(tmp_path / "new/a.db") as opened:
        assert opened.execute("SELECT * FROM pair").fetchall() == [(1, 1)]
    assert [name for name in os.listdir(tmp_path) if name.startswith(".")] == []


def test_a_database_that_is_written_to_meanwhile_is_as_it_was_at_one_moment(folder: Path, tmp_path: Path) -> None:
    """Both columns are set in one transaction, and are never seen apart."""
    over = threading.Event()

    def keep_writing() -> None:
        with database(folder / "a.db") as opened:
            number = 1
            while not over.is_set():
                number += 1
                opened.execute("BEGIN")
                opened.execute("UPDATE pair SET a = ?", (number,))
                opened.execute("UPDATE pair SET b = ?", (number,))
                opened.execute("COMMIT")

    writer = threading.Thread(target=keep_writing)
    writer.start()
    try:
        for number in range(10):
            write(folder, tmp_path / f"backup-{number}")
    finally:
        over.set()
        writer.join()

    for number in range(10):
        archive.restore(tmp_path / f"backup-{number}", tmp_path / f"new-{number}", CONTENTS)
        with database(tmp_path / f"new-{number}" / "a.db") as opened:
            ((a, b),) = opened.execute("SELECT * FROM pair").fetchall()
            assert a == b


def test_without_keys_there_are_none_in_it(folder: Path, tmp_path: Path) -> None:
    write(folder, tmp_path / "backup", keys=False)
    made = archive.restore(tmp_path / "backup", tmp_path / "new", CONTENTS)

    assert not made.keys
    assert files(tmp_path / "new").isdisjoint({"keys/device", "one.key"})
    assert b"keys/device" not in (tmp_path / "backup").read_bytes()


def test_nothing_is_written_over(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "backup").write_text("an older one")
    with pytest.raises(errors.BadRequest, match="there already"):
        write(folder, tmp_path / "backup")
    assert (tmp_path / "backup").read_text() == "an older one"

    write(folder, tmp_path / "newer")
    with pytest.raises(errors.BadRequest, match="not empty"):
        archive.restore(tmp_path / "newer", folder, CONTENTS)
    assert (folder / "unknown").exists()


def test_a_folder_of_another_program_and_a_backup_of_one_are_refused(folder: Path, tmp_path: Path) -> None:
    write(folder, tmp_path / "backup")

    with pytest.raises(errors.BadRequest, match="no folder of this program"):
        write(tmp_path, tmp_path / "other")
    with pytest.raises(errors.BadRequest, match="a backup of a test, not of another"):
        archive.restore(tmp_path / "backup", tmp_path / "new", OTHER)
    assert list((tmp_path / "new").iterdir()) == []


def test_a_damaged_database_is_not_backed_up(folder: Path, tmp_path: Path) -> None:
    (folder / "b.db").write_bytes((folder / "b.db").read_bytes()[:4096] + b"\xff" * 4096)

    with pytest.raises(errors.StoreFailed):
        write(folder, tmp_path / "backup")
    assert os.listdir(tmp_path) == ["folder"]


def test_a_backup_that_is_cut_off_or_changed_anywhere_is_not_put_back(folder: Path, tmp_path: Path) -> None:
    write(folder, tmp_path / "backup")
    whole = (tmp_path / "backup").read_bytes()
    end = whole.rindex(b"}") + 1
    changed = whole.replace(b"files/deep/one", b"files/deep/0ne")
    for number, wrong in enumerate(
        [
            *(whole[:size] for size in range(0, end, max(1, end // 50))),
            changed,
            whole.replace(b"SQLite format 3", b"SQLite format 4", 1),
            b"",
            b"no tar at all" * 100,
        ]
    ):
        bad, new = tmp_path / f"bad-{number}", tmp_path / f"new-{number}"
        bad.write_bytes(wrong)
        bad.chmod(0o600)

        with pytest.raises(errors.StoreFailed, match="no sound backup"):
            archive.restore(bad, new, CONTENTS)
        assert list(new.iterdir()) == []


@pytest.mark.parametrize(
    "name",
    [
        "files/../../out",
        "files//etc/out",
        "/etc/out",
        "files/./a.db",
        "elsewhere",
        "files/keys/../../out",
        "files/unknown",
    ],
)
def test_a_backup_that_somebody_made_up_leads_nowhere_else(name: str, folder: Path, tmp_path: Path) -> None:
    write(folder, tmp_path / "backup")
    with tarfile.open(tmp_path / "backup") as tar:
        members = [(one, tar.extractfile(one).read()) for one in tar]  # type: ignore[union-attr] # all are plain files
    said = json.loads(members[-1][1])
    digest = next(one for one in said["entries"] if one["name"] == "one.key")
    said["entries"].append({**digest, "name": name.removeprefix("files/")})
    with tarfile.open(tmp_path / "hostile", "w") as tar:
        for member, content in members[:-1]:
            tar.addfile(member, io.BytesIO(content))
        added = tarfile.TarInfo(name)
        added.size = len(b"one.key")
        tar.addfile(added, io.BytesIO(b"one.key"))
        last = tarfile.TarInfo("manifest.json")
        last.size = len(content := json.dumps(said).encode())
        tar.addfile(last, io.BytesIO(content))
    (tmp_path / "hostile").chmod(0o600)

    with pytest.raises(errors.StoreFailed, match="no sound backup"):
        archive.restore(tmp_path / "hostile", tmp_path / "new", CONTENTS)

    assert list((tmp_path / "new").iterdir()) == []
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE, tarfile.DIRTYPE])
def test_what_is_no_plain_file_is_not_put_back(kind: bytes, tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "hostile", "w") as tar:
        member = tarfile.TarInfo("files/a.db")
        member.type, member.linkname = kind, "/etc/passwd"
        tar.addfile(member)
    (tmp_path / "hostile").chmod(0o600)

    with pytest.raises(errors.StoreFailed, match="no plain file"):
        archive.restore(tmp_path / "hostile", tmp_path / "new", CONTENTS)


@pytest.mark.skipif(os.name != "posix", reason="modes are of POSIX")
def test_a_backup_that_others_may_read_is_refused_with_what_mends_it(folder: Path, tmp_path: Path) -> None:
    write(folder, tmp_path / "backup")
    (tmp_path / "backup").chmod(0o644)

    with pytest.raises(errors.BadRequest, match="may be read by others: chmod 600"):
        archive.restore(tmp_path / "backup", tmp_path / "new", CONTENTS)


def test_after_a_restore_that_did_not_end_it_is_said_and_nothing_is_mixed(folder: Path, tmp_path: Path) -> None:
    write(folder, tmp_path / "backup")
    (tmp_path / "new" / RESTORING).mkdir(parents=True)

    with pytest.raises(errors.BadRequest, match="did not end"):
        archive.restore(tmp_path / "backup", tmp_path / "new", CONTENTS)
