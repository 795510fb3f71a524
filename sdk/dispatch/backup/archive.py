"""Writes a backup while its program runs, and puts one back. A tar file: what is kept, below `files/`, and at the end the manifest.

Databases are copied by SQLite's own backup, each as it is at one moment. A file that is cut off has no manifest and so is none.
Called by `commands`; docs/backup.md.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import io
import os
import shutil
import sqlite3
import stat
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO
from urllib.parse import quote

from dispatch import errors, secret_file
from dispatch.backup.contents import RESTORING, Contents, Entry, Manifest, Unsound, safe
from dispatch.storing import storing

_MANIFEST = "manifest.json"
_BELOW = "files/"
_MANIFEST_BYTES = 64 * 1024 * 1024
_COPY_BYTES = 1024 * 1024
_BUSY_SECONDS = 10.0


def write(folder: Path, file: Path, contents: Contents, *, keys: bool, now_ms: int, version: str) -> Manifest:
    """Write a backup of a folder, readable by its owner only; gives what is in it. The program may run meanwhile.

    Raises BadRequest when `file` is there already or `folder` is none of this kind, StoreFailed when a database is damaged or the
    disk says no.
    """
    if not (folder / contents.databases[0]).is_file():
        raise errors.BadRequest(f"{folder} is no folder of this program: there is no {contents.databases[0]} in it")
    if os.path.lexists(file):
        raise _there(file)
    with storing(file), tempfile.TemporaryDirectory(dir=file.absolute().parent, prefix=f".{file.name}.") as aside:
        half = Path(aside, "backup")
        with half.open("xb") as opened:
            half.chmod(0o600)
            with tarfile.open(fileobj=opened, mode="w", format=tarfile.PAX_FORMAT) as tar:
                entries = [*_databases(tar, folder, contents, Path(aside)), *_files(tar, folder, contents, keys=keys)]
                made = Manifest(of=contents.of, made_at_ms=now_ms, version=version, keys=keys, entries=entries)
                _add(tar, _MANIFEST, io.BytesIO(content := made.to_bytes()), len(content))
            opened.flush()
            os.fsync(opened.fileno())
        _put_in_place(half, file)
        _synced(file.absolute().parent)
    return made


def restore(file: Path, folder: Path, contents: Contents) -> Manifest:
    """Put a backup back into a folder that is empty or not there; gives what was in it. Nothing is put there before all is checked.

    Raises BadRequest when the folder holds anything, or the backup is another program's; StoreFailed for one that is not sound.
    """
    with storing(folder):
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        there = sorted(path.name for path in folder.iterdir())
        if RESTORING in there:
            raise errors.BadRequest(f"an earlier restore into {folder} did not end: empty it, and try again")
        if there:
            raise errors.BadRequest(f"{folder} is not empty ({there[0]} is in it): move what is there out of the way")
        aside = folder / RESTORING
        aside.mkdir(mode=0o700)
    try:
        with storing(file), file.open("rb") as opened:
            secret_file.refuse_open(file, os.fstat(opened.fileno()))
            made = _unpacked(opened, aside, contents)
        with storing(folder):
            _checked(aside, contents, made)
    except BaseException as failure:
        with contextlib.suppress(OSError):
            shutil.rmtree(aside)
        if isinstance(failure, (Unsound, tarfile.TarError, EOFError)):
            raise errors.StoreFailed(f"{file} is no sound backup: {failure}. Nothing was restored") from failure
        if isinstance(failure, ValueError):
            raise errors.BadRequest(str(failure)) from failure
        raise
    with storing(folder):
        # The databases last: without them no program takes the folder for its own and makes new keys beside the old ones.
        names = sorted(os.listdir(aside), key=lambda name: name in contents.databases)
        for name in names:
            (aside / name).rename(folder / name)
        _synced(folder)
        aside.rmdir()
        folder.chmod(0o700)
    return made


def _put_in_place(half: Path, file: Path) -> None:
    try:
        os.link(half, file)  # never over one that came meanwhile
    except FileExistsError:
        raise _there(file) from None
    except OSError as failure:
        # Not every file system has links; on those two backups of one name at one moment are the operator's to avoid.
        if failure.errno not in (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK):
            raise
        half.rename(file)


def _there(file: Path) -> errors.BadRequest:
    return errors.BadRequest(f"{file} is there already, and no backup is written over")


# ---- writing


def _databases(tar: tarfile.TarFile, folder: Path, contents: Contents, aside: Path) -> Iterator[Entry]:
    for name in contents.databases:
        if (folder / name).is_file():
            copy = aside / "database"
            _copy_database(folder / name, copy)
            with copy.open("rb") as source:
                yield _add(tar, _BELOW + name, source, os.fstat(source.fileno()).st_size)
            copy.unlink()


def _copy_database(path: Path, copy: Path) -> None:
    try:
        with (
            contextlib.closing(_connected(path)) as source,
            contextlib.closing(sqlite3.connect(copy, isolation_level=None)) as target,
        ):
            source.backup(target)
            target.execute("PRAGMA journal_mode = DELETE")  # else a second file belongs to the copy
            _sound(target, path)
    except sqlite3.Error as failure:
        raise errors.StoreFailed(f"{path}: {failure}") from failure


def _connected(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"file:{quote(str(path.absolute()))}?mode=rw", uri=True, timeout=_BUSY_SECONDS)


def _sound(database: sqlite3.Connection, path: Path) -> None:
    (found,) = database.execute("PRAGMA quick_check(1)").fetchone()
    if found != "ok":
        raise errors.StoreFailed(f"{path} is damaged: {found}")


def _files(tar: tarfile.TarFile, folder: Path, contents: Contents, *, keys: bool) -> Iterator[Entry]:
    for path in _walked(folder):
        name = path.relative_to(folder).as_posix()
        if not contents.takes(name, keys=keys) or name in contents.databases:
            continue
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
        except FileNotFoundError:
            continue  # the program let go of it meanwhile
        with open(descriptor, "rb") as source:
            facts = os.fstat(source.fileno())
            yield _add(tar, _BELOW + name, source, facts.st_size, executable=bool(facts.st_mode & stat.S_IXUSR))


def _walked(folder: Path) -> Iterator[Path]:
    """Give every plain file below a folder, in order. Links are not followed, and what is no file is nothing to keep."""
    for path in sorted(folder.iterdir()):
        with contextlib.suppress(FileNotFoundError):
            mode = path.lstat().st_mode
            if stat.S_ISDIR(mode):
                yield from _walked(path)
            elif stat.S_ISREG(mode):
                yield path


def _add(tar: tarfile.TarFile, name: str, source: IO[bytes], size: int, *, executable: bool = False) -> Entry:
    facts = tarfile.TarInfo(name)
    facts.size = size
    facts.mode = 0o700 if executable else 0o600
    hashed = _Hashed(source)
    tar.addfile(facts, hashed)
    return Entry(name=name.removeprefix(_BELOW), bytes=size, sha256=hashed.sha256.hexdigest())


class _Hashed(io.RawIOBase):
    """Reads on behalf of tar, and remembers the digest of what it read."""

    def __init__(self, source: IO[bytes]) -> None:
        self._source = source
        self.sha256 = hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        content = self._source.read(size)
        self.sha256.update(content)
        return content


# ---- putting back


def _unpacked(opened: IO[bytes], aside: Path, contents: Contents) -> Manifest:
    found: list[Entry] = []
    with tarfile.open(fileobj=opened, mode="r:") as tar:
        for member in tar:
            source = tar.extractfile(member) if member.isreg() and not member.issparse() else None
            if source is None:
                raise Unsound(f"{member.name!r} in it is no plain file")
            if member.name == _MANIFEST:
                return _compared(_manifest(source, member), found, contents)
            if not member.name.startswith(_BELOW):
                raise Unsound(f"it holds a file named {member.name!r}")
            name = safe(member.name.removeprefix(_BELOW))
            found.append(_put(source, aside / name, name, executable=bool(member.mode & stat.S_IXUSR)))
    raise Unsound("its end is missing")


def _manifest(source: IO[bytes], member: tarfile.TarInfo) -> Manifest:
    if member.size > _MANIFEST_BYTES:
        raise Unsound("its list of files is too long")
    return Manifest.of_bytes(source.read())


def _compared(said: Manifest, found: list[Entry], contents: Contents) -> Manifest:
    if said.of != contents.of:
        raise errors.BadRequest(f"that is a backup of {said.of}, not of {contents.of}")
    if list(said.entries) != found:
        wrong = next(
            (one.name for one, other in zip(said.entries, found, strict=False) if one != other),
            "the number of its files",
        )
        raise Unsound(f"{wrong} is not what was written")
    if contents.databases[0] not in {one.name for one in found}:
        raise Unsound(f"{contents.databases[0]} is not in it")
    for one in found:
        if one.name not in contents.databases and not contents.takes(one.name, keys=True):
            raise Unsound(f"{one.name} has no place in a folder of {contents.of}")
    return said


def _put(source: IO[bytes], path: Path, name: str, *, executable: bool) -> Entry:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    digest, size = hashlib.sha256(), 0
    with open(
        os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o700 if executable else 0o600), "wb"
    ) as out:
        while part := source.read(_COPY_BYTES):
            digest.update(part)
            size += len(part)
            out.write(part)
        out.flush()
        os.fsync(out.fileno())
    return Entry(name=name, bytes=size, sha256=digest.hexdigest())


def _checked(aside: Path, contents: Contents, made: Manifest) -> None:
    for entry in made.entries:
        if entry.name in contents.databases:
            path = aside / entry.name
            try:
                with contextlib.closing(_connected(path)) as database:
                    _sound(database, path)
            except sqlite3.Error as failure:
                raise Unsound(f"{entry.name}: {failure}") from failure


def _synced(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
