"""Reading and listing inside the approved folders, by descriptors only. Called by every tool; knows no tool.

Whatever a file name, a link or a race tries, it is met here: a file is opened beneath its folder's descriptor, is a
regular file or refused, and one that has another name outside the approved folders (a hard link) is refused too.
"""

from __future__ import annotations

import errno
import os
import stat
import unicodedata
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import BinaryIO, NamedTuple

from dispatch_host.scope.beneath import Beneath, best_beneath
from dispatch_host.scope.folder import Folder
from dispatch_host.scope.kept import Identity, KeptOut
from dispatch_host.scope.names import shown

_FILE = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY  # O_NONBLOCK: a FIFO without a writer must not hold the worker
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY
_THROUGH = getattr(os, "O_PATH", os.O_RDONLY) | os.O_DIRECTORY | os.O_CLOEXEC  # needs no leave to list it
_PATH_BYTES = 3000  # below PATH_MAX (4096, macOS 1024 per name): longer paths are opened in several steps
INBOX = "Attachments"
"""What a person reads for the folder of a thread's attachments."""


class Refusal(StrEnum):
    """Why the scope does not open a path."""

    OUTSIDE = "outside the approved folders"
    LINK = "a link, which is never followed"
    HARD_LINK = "a hard link whose other name is not in an approved folder"
    NOT_THERE = "not there"
    PIPE = "a pipe, not a file"
    SOCKET = "a socket, not a file"
    DEVICE = "a device, not a file"
    NOT_A_FILE = "not a regular file"
    UNREADABLE = "not readable"
    READ_ONLY = "in a folder that is approved for reading only"
    OWN_CODE = "part of this host's own code, which stays as it is"
    NOT_WRITABLE = "in a folder that this computer does not let anybody change"
    TAKEN = "already there"
    NOT_EMPTY = "not empty"
    CHANGED = "not what it was: somebody changed it meanwhile"
    OTHER_DISK = "on another disk"
    NO_SPACE = "too large for the space that is left on the disk"
    TOO_LARGE = "larger than what was shown"
    BAD_NAME = "called by a name that this computer does not take"


class Refused(Exception):
    """A path the scope does not open, and why."""

    def __init__(self, reason: Refusal, path: str) -> None:
        super().__init__(f"{shown(path)}: {reason}")
        self.reason = reason
        self.path = path


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
        self._blocked = tuple(_fold(path) for path in blocked)
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
        folded = _fold(path)
        return any(folded == blocked or folded.startswith(f"{blocked}/") for blocked in self._blocked)

    def keeps_out(self, facts: os.stat_result) -> bool:
        """Tell whether this is what is kept out, whatever its path is by now."""
        return (facts.st_dev, facts.st_ino) in self._kept

    def lies_in(self, places: Collection[Identity]) -> bool:
        """Tell whether this folder is one of these, or lies in one, by what they are and not by their names."""
        return _is_within(self._fd, places)

    def open(self, path: str, flags: int) -> int:
        """Open a path beneath this folder, and nothing that is kept out or lies in it."""
        if self.blocks(path):
            raise _leads_out(path)
        if not self._kept or path in ("", "."):
            return self._reach(path, flags)
        above, _, name = path.rpartition("/")
        parent = self._reach(above, _THROUGH) if above else os.dup(self._fd)
        try:
            self._guard(parent, path)
            fd = self._beneath.open(parent, name, flags)
        finally:
            os.close(parent)
        if self.keeps_out(os.fstat(fd)):
            os.close(fd)
            raise _leads_out(path)
        return fd

    def _guard(self, folder: int, path: str) -> None:
        """Climb from a folder to this one; raise OSError(EXDEV) when one on the way is kept out, or this one is not met.

        Upwards, from what was opened: where a folder is now is told by it alone, whoever renames what meanwhile.
        """
        here = folder
        try:
            while True:
                facts = os.fstat(here)
                if self.keeps_out(facts):
                    raise _leads_out(path)
                identity = facts.st_dev, facts.st_ino
                if identity == self.identity:
                    return
                above = os.open("..", _THROUGH, dir_fd=here)
                if here != folder:
                    os.close(here)
                here = above
                over = os.fstat(here)
                if (over.st_dev, over.st_ino) == identity:  # the top of the disk
                    raise _leads_out(path)
        finally:
            if here != folder:
                os.close(here)

    def _reach(self, path: str, flags: int) -> int:
        """Open a path, in steps where it is longer than the system takes at once."""
        if len(path) < _PATH_BYTES // 3:
            return self._beneath.open(self._fd, path, flags)
        steps = _steps(path)
        current = self._fd
        try:
            for step in steps[:-1]:
                onward = self._beneath.open(current, step, _DIRECTORY)
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
            fd = self.open(path, _FILE)
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
            fd = self.open(path, _DIRECTORY)
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


class Scope:
    """The approved folders of one task, held open. Use it as a context manager."""

    def __init__(
        self,
        folders: Sequence[Folder],
        *,
        keep_out: Sequence[Path | KeptOut] = (),
        inbox: Path | None = None,
        beneath: Beneath | None = None,
    ) -> None:
        """Open every folder that is there. `keep_out` is what no task may read: the host's own keys. Where it is only a path,
        what is there now is meant.

        `inbox` is where the attachments of the task's thread are: the one place in what is kept out that it may read.
        """
        self.folders = tuple(folders)
        self.roots: list[Root] = []
        self.missing: list[tuple[Folder, Refusal]] = []
        self._beneath = beneath or best_beneath()
        self._names: Counter[tuple[int, int]] | None = None
        kept = [KeptOut.at(one) if isinstance(one, Path) else one for one in keep_out]
        top = os.open("/", _DIRECTORY | os.O_CLOEXEC)
        try:
            for folder in folders:
                self._hold(top, folder, kept)
            self.inbox = None if inbox is None else self._hold_inbox(top, inbox)
        finally:
            os.close(top)
        self._label()

    def __enter__(self) -> Scope:
        return self

    def __exit__(self, *_: object) -> None:
        for root in self._all:
            root.close()
        self.roots, self.inbox = [], None

    @property
    def _all(self) -> list[Root]:
        return self.roots if self.inbox is None else [*self.roots, self.inbox]

    @property
    def outermost(self) -> list[Root]:
        """The folders that lie in no other, so that a walk over all meets every file once."""
        paths = {root.folder.path for root in self.roots}
        return [root for root in self.roots if not paths.intersection(root.folder.path.parents)]

    def open_file(self, root: Root, path: str, *, buffering: int = -1) -> BinaryIO:
        """Open a regular file for reading; raise Refused. Never blocks, never follows, never leaves the folder."""
        try:
            fd = root.open(path, _FILE)
        except OSError as error:
            raise Refused(refusal_of(error), root.absolute(path)) from error
        refusal = self._judge(os.fstat(fd))
        if refusal is not None:
            os.close(fd)
            raise Refused(refusal, root.absolute(path))
        return open(fd, "rb", buffering=buffering)

    def locate(self, absolute: str) -> tuple[Root, str] | None:
        """Find the approved folder an absolute path lies in (the innermost), and the path relative to it."""
        path = Path(os.path.normpath(absolute))
        holding = [root for root in self._all if path == root.folder.path or root.folder.path in path.parents]
        if not holding:
            return None
        root = max(holding, key=lambda candidate: len(candidate.folder.path.parts))
        relative = os.fspath(path.relative_to(root.folder.path))
        return root, "" if relative == "." else relative

    def met(self, folder: int, root: Root) -> tuple[Root, list[Identity]]:
        """Give the innermost approved folder that an open folder of `root` lies in, and all that was passed on the way up there.

        By what they are: a disk that does not tell upper from lower case, or one form of a letter from another, has more names
        for a folder than the one that was approved.
        """
        approved: dict[Identity, Root] = {}
        for one in self._all:
            approved.setdefault(one.identity, one)
        innermost, passed = None, []
        for identity in _upwards(folder):
            passed.append(identity)
            innermost = innermost or approved.get(identity)
            if identity == root.identity:
                break
        return (root if innermost is None or innermost.identity == root.identity else innermost), passed

    def is_approved(self, facts: os.stat_result) -> bool:
        """Tell whether this is an approved folder itself, by whatever name."""
        return any(one.identity == (facts.st_dev, facts.st_ino) for one in self._all)

    def _judge(self, facts: os.stat_result) -> Refusal | None:
        """Judge what was opened, by its descriptor: whatever a race swapped in is seen here."""
        if not stat.S_ISREG(facts.st_mode):
            return special(facts) or Refusal.NOT_A_FILE
        if facts.st_nlink > 1 and self._names_inside(facts) < facts.st_nlink:
            return Refusal.HARD_LINK
        return None

    def _names_inside(self, facts: os.stat_result) -> int:
        """Count the names of one inode in the approved folders. Walked once, when the first hard link is met."""
        if self._names is None:
            self._names = Counter(
                (entry.device, entry.inode)
                for root in self.outermost
                for entry in root.walk("", Tally())
                if entry.links > 1 and not entry.is_dir
            )
        return self._names[(facts.st_dev, facts.st_ino)]

    def _hold(self, top: int, folder: Folder, keep_out: Sequence[KeptOut]) -> None:
        paths = [one.path for one in keep_out]
        kept = frozenset(one.identity for one in keep_out if one.identity is not None)
        try:
            if any(path == folder.path or path in folder.path.parents for path in paths):
                raise _leads_out(str(folder.path))
            fd = self._beneath.open(top, str(folder.path).lstrip("/"), _DIRECTORY)
        except OSError as error:
            self.missing.append((folder, refusal_of(error)))
            return
        if _is_within(fd, kept):
            os.close(fd)
            self.missing.append((folder, Refusal.OUTSIDE))
            return
        blocked = [os.fspath(path.relative_to(folder.path)) for path in paths if folder.path in path.parents]
        self.roots.append(Root(folder, fd, self._beneath, blocked, kept))

    def _hold_inbox(self, top: int, inbox: Path) -> Root | None:
        try:
            fd = self._beneath.open(top, str(inbox).lstrip("/"), _DIRECTORY)
        except OSError:
            return None
        root = Root(Folder(inbox), fd, self._beneath, ())
        root.label = INBOX
        return root

    def _label(self) -> None:
        """Tell folders of the same name apart by their whole path."""
        names = Counter(root.label for root in self.roots)
        for root in self.roots:
            if names[root.label] > 1:
                root.label = str(root.folder.path)


def _leads_out(path: str) -> OSError:
    return OSError(errno.EXDEV, os.strerror(errno.EXDEV), path)


def _is_within(folder: int, kept: Collection[Identity]) -> bool:
    """Tell whether an open folder is one of these, or lies in one."""
    return any(identity in kept for identity in _upwards(folder))


def _upwards(folder: int) -> Iterator[Identity]:
    """Give what an open folder is, what it lies in, and so on to the top."""
    here, identity = os.dup(folder), None
    try:
        while True:
            facts = os.fstat(here)
            if (facts.st_dev, facts.st_ino) == identity:
                return
            identity = facts.st_dev, facts.st_ino
            yield identity
            above = os.open("..", _THROUGH, dir_fd=here)
            os.close(here)
            here = above
    finally:
        os.close(here)


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


def special(facts: os.stat_result) -> Refusal | None:
    """Say what is neither a file nor a folder."""
    kind = stat.S_IFMT(facts.st_mode)
    if kind in (stat.S_IFREG, stat.S_IFDIR):
        return None
    known = {
        stat.S_IFIFO: Refusal.PIPE,
        stat.S_IFSOCK: Refusal.SOCKET,
        stat.S_IFCHR: Refusal.DEVICE,
        stat.S_IFBLK: Refusal.DEVICE,
    }
    return known.get(kind, Refusal.NOT_A_FILE)


def refusal_of(error: OSError) -> Refusal:
    """Say why the system did not open a path."""
    return {
        errno.EXDEV: Refusal.OUTSIDE,
        errno.ELOOP: Refusal.LINK,
        errno.ENOENT: Refusal.NOT_THERE,
        errno.ENOTDIR: Refusal.NOT_THERE,
        errno.ENAMETOOLONG: Refusal.NOT_THERE,
        errno.ENXIO: Refusal.NOT_A_FILE,
        errno.EOPNOTSUPP: Refusal.NOT_A_FILE,
    }.get(error.errno or 0, Refusal.UNREADABLE)


def _steps(path: str) -> list[str]:
    """Cut a relative path into pieces that the system takes."""
    steps: list[str] = []
    for part in path.split("/"):
        if steps and len(os.fsencode(steps[-1])) + len(os.fsencode(part)) < _PATH_BYTES:
            steps[-1] = f"{steps[-1]}/{part}"
        else:
            steps.append(part)
    return steps


def _fold(path: str) -> str:
    """Write alike what some disk takes for one name: of what is kept out and not there yet, the name is all that is known."""
    return (
        path.lower() if path.isascii() else unicodedata.normalize("NFC", unicodedata.normalize("NFD", path).casefold())
    )
