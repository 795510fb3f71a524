"""One approved folder held open: opening, describing and listing what is beneath it. Called by the scope, which makes it.

Whatever a link or a race tries, it is met here: a path is opened beneath its folder's descriptor, never through a link, and what is
kept out is told by what it is.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from dispatch_host.scope.beneath import Beneath
from dispatch_host.scope.climbing import THROUGH, is_within, upwards
from dispatch_host.scope.folder import Folder
from dispatch_host.scope.kept import Identity
from dispatch_host.scope.names import fold
from dispatch_host.scope.refusal import Refusal, Refused, leads_out, refusal_of, special

FILE = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY  # O_NONBLOCK: a FIFO without a writer must not hold the worker
DIRECTORY = os.O_RDONLY | os.O_DIRECTORY
_PATH_BYTES = 3000  # below PATH_MAX (4096, macOS 1024 per name): longer paths are opened in several steps


class Entry(NamedTuple):
    """One file or folder that a walk met. A named tuple because walks make hundreds of thousands."""

    root: Root
    path: str  # relative to the root, surrogateescape inside
    is_dir: bool
    size: int  # apparent size in bytes
    mtime_ns: int
    device: int
    inode: int
    links: int

    @property
    def name(self) -> str:
        return self.path.rpartition("/")[2]


@dataclass(slots=True)
class Tally:
    """What a walk met and what it had to leave out, so that an answer can say so."""

    files: int = 0
    folders: int = 0
    size: int = 0
    unreadable: int = 0  # folders that could not be listed
    links: int = 0
    special: int = 0  # FIFOs, sockets, devices
    vanished: int = 0
    on_entry: Callable[[int], None] | None = field(default=None, repr=False)  # called with the files seen so far
    on_passed: Callable[[Root, str, Refusal], None] | None = field(default=None, repr=False)  # links and special files


class Root:
    """An approved folder held open. Only a Scope makes one."""

    def __init__(
        self,
        folder: Folder,
        fd: int,
        beneath: Beneath,
        blocked: Sequence[str],
        kept: Collection[Identity] = frozenset(),
    ) -> None:
        self.folder = folder
        self.label = folder.path.name or str(folder.path)  # as it is: whoever writes it escapes it
        self._fd = fd
        self._beneath = beneath
        self._blocked = tuple(fold(path) for path in blocked)  # what is not there yet is known by its name alone
        self._kept = kept
        facts = os.fstat(fd)
        self.identity: Identity = (facts.st_dev, facts.st_ino)

    def close(self) -> None:
        os.close(self._fd)

    def absolute(self, path: str) -> str:
        """Name the absolute path of a relative one, for the memory of a thread; it is never opened by it."""
        return os.path.join(self.folder.path, path) if path else str(self.folder.path)

    def blocks(self, path: str) -> bool:
        """Tell whether a path belongs to what is kept out, whatever folder was approved."""
        folded = fold(path)
        return any(folded == blocked or folded.startswith(f"{blocked}/") for blocked in self._blocked)

    def keeps_out(self, facts: os.stat_result) -> bool:
        """Tell whether this is what is kept out, whatever its path is by now."""
        return (facts.st_dev, facts.st_ino) in self._kept

    def lies_in(self, places: Collection[Identity]) -> bool:
        """Tell whether this folder is one of these, or lies in one, by what they are and not by their names."""
        return is_within(self._fd, places)

    def open(self, path: str, flags: int) -> int:
        """Open a path beneath this folder, and nothing that is kept out or lies in it."""
        if self.blocks(path):
            raise leads_out(path)
        if not self._kept or path in ("", "."):
            return self._reach(path, flags)
        above, _, name = path.rpartition("/")
        parent = self._reach(above, THROUGH) if above else os.dup(self._fd)
        try:
            self._guard(parent, path)
            fd = self._beneath.open(parent, name, flags)
        finally:
            os.close(parent)
        if self.keeps_out(os.fstat(fd)):
            os.close(fd)
            raise leads_out(path)
        return fd

    def _guard(self, folder: int, path: str) -> None:
        """Climb from a folder to this one; raise OSError(EXDEV) when one on the way is kept out, or this one is not met.

        Upwards, from what was opened: where a folder is now is told by it alone, whoever renames what meanwhile.
        """
        for identity in upwards(folder):
            if identity in self._kept:
                break
            if identity == self.identity:
                return
        raise leads_out(path)

    def _reach(self, path: str, flags: int) -> int:
        """Open a path, in steps where it is longer than the system takes at once."""
        if len(path) < _PATH_BYTES // 3:
            return self._beneath.open(self._fd, path, flags)
        steps = _steps(path)
        current = self._fd
        try:
            for step in steps[:-1]:
                onward = self._beneath.open(current, step, DIRECTORY)
                if current != self._fd:
                    os.close(current)
                current = onward
            return self._beneath.open(current, steps[-1], flags)
        finally:
            if current != self._fd:
                os.close(current)

    def stat(self, path: str) -> Entry:
        """Describe one path; raise Refused when it is not there, or neither a file nor a folder."""
        try:
            fd = self.open(path, FILE)
        except OSError as error:
            raise Refused(refusal_of(error), self.absolute(path)) from error
        try:
            facts = os.fstat(fd)
        finally:
            os.close(fd)
        passed = special(facts)
        if passed is not None:
            raise Refused(passed, self.absolute(path))
        return _entry(self, path, facts)

    def list(self, path: str, tally: Tally) -> list[Entry]:
        """List the files and folders directly in one folder; what can't be listed is only counted."""
        try:
            fd = self.open(path, DIRECTORY)
        except OSError as error:
            if error.errno in (errno.ENOENT, errno.ELOOP, errno.ENOTDIR):
                tally.vanished += 1
            else:
                tally.unreadable += 1
            return []
        found: list[Entry] = []
        try:
            with os.scandir(fd) as entries:
                for item in entries:
                    inner = f"{path}/{item.name}" if path else item.name
                    try:
                        facts = item.stat(follow_symlinks=False)
                    except OSError:
                        tally.vanished += 1
                        continue
                    passed = Refusal.LINK if stat.S_ISLNK(facts.st_mode) else special(facts)
                    if passed is not None:
                        tally.links += passed is Refusal.LINK
                        tally.special += passed is not Refusal.LINK
                        if tally.on_passed is not None and not self.blocks(inner):
                            tally.on_passed(self, inner, passed)
                    elif not self.keeps_out(facts) and not (self._blocked and self.blocks(inner)):
                        found.append(_entry(self, inner, facts))
        except OSError:
            tally.unreadable += 1
        finally:
            os.close(fd)
        return found

    def walk(self, start: str, tally: Tally) -> Iterator[Entry]:
        """Give every file and folder below `start`, folder by folder, never through a link."""
        waiting = [start]
        seen: set[tuple[int, int]] = set()  # a folder mounted into itself must not be walked for ever
        while waiting:
            folder = waiting.pop()
            for entry in self.list(folder, tally):
                if entry.is_dir:
                    if (entry.device, entry.inode) in seen:
                        continue
                    seen.add((entry.device, entry.inode))
                    waiting.append(entry.path)
                    tally.folders += 1
                else:
                    tally.files += 1
                    tally.size += entry.size
                    if tally.on_entry is not None:
                        tally.on_entry(tally.files)
                yield entry


def _entry(root: Root, path: str, facts: os.stat_result) -> Entry:
    return Entry(
        root,
        path,
        stat.S_ISDIR(facts.st_mode),
        facts.st_size,
        facts.st_mtime_ns,
        facts.st_dev,
        facts.st_ino,
        facts.st_nlink,
    )


def _steps(path: str) -> list[str]:
    """Cut a relative path into pieces that the system takes."""
    steps: list[str] = []
    for part in path.split("/"):
        if steps and len(os.fsencode(steps[-1])) + len(os.fsencode(part)) < _PATH_BYTES:
            steps[-1] = f"{steps[-1]}/{part}"
        else:
            steps.append(part)
    return steps
