"""What goes into an archive, and the archive. The listing is taken when it is planned, and again when it is packed."""

from __future__ import annotations

import hashlib
import json
import os
import stat
import zipfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import BinaryIO

from dispatch_host.scope import Entry, Refusal, Refused, Root, Scope, Tally, shown

MOST_FILES = 100_000
_BLOCK_BYTES = 1024 * 1024
_ABOUT_ENTRY_BYTES = 512
_OLDEST = datetime(1980, 1, 1, tzinfo=UTC)  # the format knows no earlier time, and none after 2107
_NEWEST = datetime(2107, 12, 31, tzinfo=UTC)


class TooMany(Exception):
    """More files than one archive takes."""


@dataclass(slots=True)
class Packing:
    """The files and folders of an archive, with their names in it."""

    entries: list[tuple[str, Entry]] = field(default_factory=list)
    left_out: int = 0  # files that the scope does not open
    files: int = 0
    size: int = 0
    most_bytes: int = 0  # of the archive: what can't be packed smaller is stored, and each name stands there twice
    listing: str = ""

    @classmethod
    def of(cls, scope: Scope, sources: Sequence[str], base: str) -> Packing:
        """List what is in some files and folders; raise Refused, TooMany. Names in the archive begin at `base`."""
        packing = cls()
        whole = hashlib.sha256()
        for entry in _entries(scope, sources):
            if entry.is_dir:
                name = f"{_name(entry, base)}/"
            elif not _opens(scope, entry):
                packing.left_out += 1
                continue
            else:
                name = _name(entry, base)
                packing.files += 1
                packing.size += entry.size
                if packing.files > MOST_FILES:
                    raise TooMany
            packing.entries.append((name, entry))
        packing.entries.sort(key=lambda pair: pair[0])
        for name, entry in packing.entries:
            facts = [] if entry.is_dir else [entry.size, entry.mtime_ns, entry.inode]
            whole.update(json.dumps([name, *facts]).encode("ascii") + b"\n")
            packing.most_bytes += _ABOUT_ENTRY_BYTES + 2 * len(name.encode(errors="replace"))
        packing.most_bytes += packing.size + packing.size // 1000
        packing.listing = whole.hexdigest()
        return packing


def _entries(scope: Scope, sources: Sequence[str]) -> Iterator[Entry]:
    for source in sources:
        located = scope.locate(source)
        if located is None:
            raise Refused(Refusal.OUTSIDE, source)
        root, path = located
        first = root.stat(path)
        if path:
            yield first
        if first.is_dir:
            yield from root.walk(path, Tally())


def _opens(scope: Scope, entry: Entry) -> bool:
    try:
        scope.open_file(entry.root, entry.path).close()
    except Refused:
        return False
    return True


def _name(entry: Entry, base: str) -> str:
    """Give a file's name in the archive. What is no UTF-8 can't stand there and is escaped."""
    name = os.path.relpath(entry.root.absolute(entry.path), base)
    return name if name.isascii() or _encodes(name) else shown(name)


def _encodes(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def pack(packing: Packing, scope: Scope, target: BinaryIO, tell: Callable[[int, int, str], None]) -> None:
    """Write the archive. Raises Refused for a file that is not what was listed."""
    done = 0
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, allowZip64=True) as archive:
        for name, entry in packing.entries:
            about = zipfile.ZipInfo(name, _time(entry))
            if entry.is_dir:
                about.external_attr = (stat.S_IFDIR | 0o755) << 16 | 0x10
                archive.writestr(about, b"")
                continue
            about.compress_type = zipfile.ZIP_DEFLATED
            about.external_attr = (stat.S_IFREG | 0o644) << 16
            about.file_size = entry.size
            with _file(scope, entry.root, entry) as file, archive.open(about, "w") as into:
                left = entry.size
                while left and (block := file.read(min(_BLOCK_BYTES, left))):
                    into.write(block)
                    left -= len(block)
                    done += len(block)
                    tell(done, packing.size, "bytes")
                if left or os.fstat(file.fileno()).st_mtime_ns != entry.mtime_ns:
                    raise Refused(Refusal.CHANGED, entry.root.absolute(entry.path))


def _file(scope: Scope, root: Root, entry: Entry) -> BinaryIO:
    file = scope.open_file(root, entry.path)
    facts = os.fstat(file.fileno())
    if (facts.st_size, facts.st_mtime_ns, facts.st_ino) != (entry.size, entry.mtime_ns, entry.inode):
        file.close()
        raise Refused(Refusal.CHANGED, root.absolute(entry.path))
    return file


def _time(entry: Entry) -> tuple[int, int, int, int, int, int]:
    try:
        when = datetime.fromtimestamp(entry.mtime_ns / 1e9, UTC)
    except (OverflowError, ValueError, OSError):
        when = _OLDEST
    when = min(max(when, _OLDEST), _NEWEST)
    return when.year, when.month, when.day, when.hour, when.minute, when.second
