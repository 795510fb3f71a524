"""Changing what is in the approved folders, by descriptors only: the one way to write, move or remove a file.

Called by `changes` to carry out what a person approved. Every path is absolute and is looked up beneath the innermost
approved folder it lies in, which must be approved for writing; its last part is used beneath the folder's descriptor and
never followed. Nothing is overwritten: a name that is taken is refused. Knows no plan and no agent.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO, NamedTuple

from dispatch_host.scope.kept import KeptOut
from dispatch_host.scope.own_code import holds_any, own_code
from dispatch_host.scope.refusal import Refusal, Refused, refusal_of, special
from dispatch_host.scope.renaming import Rename, best_rename
from dispatch_host.scope.root import Root
from dispatch_host.scope.scope import Scope

_FOLDER = os.O_RDONLY | os.O_DIRECTORY
_NEW = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_BLOCK_BYTES = 1024 * 1024
_OWNER_ONLY = 0o600  # a copy of something private must not be less private; its owner may widen it
_WHY = {
    errno.EEXIST: Refusal.TAKEN,
    errno.ENOTEMPTY: Refusal.NOT_EMPTY,
    errno.EXDEV: Refusal.OTHER_DISK,
    errno.ENOSPC: Refusal.NO_SPACE,
    errno.EDQUOT: Refusal.NO_SPACE,
    errno.EFBIG: Refusal.TOO_LARGE,
    errno.EACCES: Refusal.NOT_WRITABLE,
    errno.EPERM: Refusal.NOT_WRITABLE,
    errno.EROFS: Refusal.NOT_WRITABLE,
    errno.ENAMETOOLONG: Refusal.BAD_NAME,
}


class Facts(NamedTuple):
    """By what a file is known again: another inode, size or time is another file, or a file that somebody changed."""

    size: int
    mtime_ns: int
    inode: int

    @classmethod
    def of(cls, found: os.stat_result) -> Facts:
        """Take them from what the system says."""
        return cls(found.st_size, found.st_mtime_ns, found.st_ino)


class Hands:
    """Changes files within a scope. Holds nothing open but the scope."""

    def __init__(self, scope: Scope, *, rename: Rename | None = None, only_read: Sequence[Path] | None = None) -> None:
        """`only_read` is what nobody changes here, whatever is approved: the host's own code unless it is given."""
        self._scope = scope
        self._only_read = own_code() if only_read is None else only_read
        self._code = frozenset(one.identity for one in map(KeptOut.at, self._only_read) if one.identity is not None)
        self._in_code = frozenset(root.identity for root in scope.roots if root.lies_in(self._code))
        self._rename = rename or best_rename()

    def facts(self, path: str) -> Facts:
        """Describe a regular file that may be changed; raise Refused for anything else."""
        with self._parent(path) as (folder, name):
            return self._facts(folder, name, path)

    def is_free(self, path: str) -> bool:
        """Tell whether nothing has this name, not even a link that leads nowhere. Raise Refused where nothing may be made."""
        with self._parent(path) as (folder, name):
            try:
                os.stat(name, dir_fd=folder, follow_symlinks=False)
            except OSError as error:
                if error.errno == errno.ENOENT:
                    return True
                raise Refused(_why(error), path) from error
            return False

    def make_folder(self, path: str) -> None:
        """Make one folder whose parent is there; raise Refused."""
        with self._parent(path) as (folder, name), _told(path):
            os.mkdir(name, 0o777, dir_fd=folder)

    def remove_folder(self, path: str) -> None:
        """Remove a folder that is empty; raise Refused."""
        with self._parent(path) as (folder, name), _told(path):
            os.rmdir(name, dir_fd=folder)

    def move(self, source: str, target: str, expected: Facts) -> None:
        """Give a file another name or another folder; raise Refused when it is not the one expected, or the name is taken."""
        with self._parent(source) as (old_folder, old), self._parent(target) as (new_folder, new):
            if self._facts(old_folder, old, source) != expected:
                raise Refused(Refusal.CHANGED, source)
            with _told(target):
                self._rename(old_folder, old, new_folder, new)
            try:
                moved = self._facts(new_folder, new, target)
            except Refused:
                moved = None
            if moved != expected:
                # Swapped between the look and the rename. Whatever it is, it was here, and here it goes back.
                with contextlib.suppress(OSError):
                    self._rename(new_folder, new, old_folder, old)
                raise Refused(Refusal.CHANGED, source)

    @contextlib.contextmanager
    def create(self, path: str, *, permissions_of: str | None = None) -> Iterator[BinaryIO]:
        """Make a new file, written to the disk at the end of the block; take it away again when the block fails.

        It is its owner's alone, or as open as the file that it will stand in for.
        """
        mode = _OWNER_ONLY if permissions_of is None else self._permissions(permissions_of)
        with self._parent(path) as (folder, name):
            with _told(path):
                made = os.open(name, _NEW, _OWNER_ONLY, dir_fd=folder)
            inode = os.fstat(made).st_ino
            try:
                with _told(path), open(made, "w+b") as file:
                    yield file
                    file.flush()
                    if mode != _OWNER_ONLY:
                        os.fchmod(file.fileno(), mode)
                    os.fsync(file.fileno())
            except BaseException:
                with contextlib.suppress(OSError):
                    if os.stat(name, dir_fd=folder, follow_symlinks=False).st_ino == inode:
                        os.unlink(name, dir_fd=folder)
                raise

    def remove(self, path: str, expected: Facts, aside: str) -> None:
        """Remove a file that is the one expected; raise Refused. `aside` is a free name beside it.

        It is moved aside first and looked at there: what a race puts in its place is never removed.
        """
        aside_path = os.path.join(os.path.dirname(path), aside)
        self.move(path, aside_path, expected)
        with self._parent(aside_path) as (folder, name), _told(path):
            os.unlink(name, dir_fd=folder)

    def is_folder(self, path: str) -> bool:
        """Tell whether a folder that may be changed is there; raise Refused where nothing may be changed."""
        with self._parent(path) as (folder, name):
            try:
                found = os.stat(name, dir_fd=folder, follow_symlinks=False)
            except FileNotFoundError:
                return False
            return stat.S_ISDIR(found.st_mode)

    def move_out(self, path: str, expected: Facts, away: int, kept: str, aside: str) -> None:
        """Take a file away into the open folder `away`, out of anybody’s reach, as `kept`; raise Refused. `aside` is a free name
        beside it.

        To another disk it is copied, and the original goes when the copy is on that disk: bytes, time and permissions stay,
        what else a file system knows of a file does not.
        """
        with self._parent(path) as (folder, name):
            if self._facts(folder, name, path) != expected:
                raise Refused(Refusal.CHANGED, path)
            try:
                self._rename(folder, name, away, kept)
            except OSError as error:
                if error.errno != errno.EXDEV:
                    raise Refused(_why(error), path) from error
                self._copy_out(path, expected, away, kept, aside)
                return
            try:
                moved = self._facts(away, kept, path)
            except Refused:
                moved = None
            if moved != expected:  # swapped meanwhile: here it goes back
                with contextlib.suppress(OSError):
                    self._rename(away, kept, folder, name)
                raise Refused(Refusal.CHANGED, path)

    def move_in(self, away: int, kept: str, path: str, aside: str) -> None:
        """Bring back what `move_out` took; raise Refused, TAKEN too. `aside` is a free name beside the path.

        From another disk it is copied, and stays where it was kept, too.
        """
        with self._parent(path) as (folder, name):
            try:
                self._rename(away, kept, folder, name)
            except OSError as error:
                if error.errno != errno.EXDEV:
                    raise Refused(_why(error), path) from error
            else:
                return
            with _told(path):
                _copy(away, kept, folder, aside)
                try:
                    self._rename(folder, aside, folder, name)
                except OSError:
                    os.unlink(aside, dir_fd=folder)
                    raise
                os.fsync(folder)

    def _copy_out(self, path: str, expected: Facts, away: int, kept: str, aside: str) -> None:
        located = self._scope.locate(path)
        if located is None:
            raise Refused(Refusal.OUTSIDE, path)
        with self._scope.open_file(*located) as file, _told(path):
            if Facts.of(os.fstat(file.fileno())) != expected:
                raise Refused(Refusal.CHANGED, path)
            _copy_into(file.fileno(), away, f"{kept}.part")
        with _told(path):
            os.rename(f"{kept}.part", kept, src_dir_fd=away, dst_dir_fd=away)
            os.fsync(away)
        self.remove(path, expected, aside)

    def settle(self, path: str) -> None:
        """Write the names in the folder of a path to the disk. Not every file system can; then it is as safe as it gets."""
        with contextlib.suppress(Refused, OSError), self._parent(path) as (folder, _):
            os.fsync(folder)

    def room(self, path: str) -> int:
        """Tell how many bytes the disk of a path's folder has room for; raise Refused."""
        with self._parent(path) as (folder, _), _told(path):
            disk = os.fstatvfs(folder)
            return disk.f_bavail * disk.f_frsize

    def device(self, path: str) -> int:
        """Tell on which disk a path's folder is, for files do not move between disks; raise Refused."""
        with self._parent(path) as (folder, _):
            return os.fstat(folder).st_dev

    def may(self, path: str) -> bool:
        """Tell whether a path lies where things may be changed."""
        try:
            self._allowed(path)
        except Refused:
            return False
        return True

    def _allowed(self, path: str) -> tuple[Root, str, str]:
        """Give the approved folder, the folder in it and the name; raise Refused."""
        located = self._scope.locate(path) if os.path.normpath(path) == path else None
        if located is None:
            raise Refused(Refusal.OUTSIDE, path)
        root, relative = located
        if root.blocks(relative):
            raise Refused(Refusal.OUTSIDE, path)
        if root is self._scope.inbox or not root.folder.writable:
            raise Refused(Refusal.READ_ONLY, path)
        if holds_any(Path(path), self._only_read):
            raise Refused(Refusal.OWN_CODE, path)
        folder, _, name = relative.rpartition("/")
        if not name:
            raise Refused(Refusal.OUTSIDE, path)  # an approved folder itself stays where it is
        if name in (".", "..") or "\0" in name or len(os.fsencode(name)) > 255:
            raise Refused(Refusal.BAD_NAME, path)
        return root, folder, name

    @contextlib.contextmanager
    def _parent(self, path: str) -> Iterator[tuple[int, str]]:
        """Hold the folder of a path open, and give the last part of its name."""
        root, folder, name = self._allowed(path)
        try:
            fd = root.open(folder, _FOLDER)
        except OSError as error:
            raise Refused(refusal_of(error), path) from error
        try:
            self._look_around(fd, name, root, path)
            yield fd, name
        finally:
            os.close(fd)

    def _look_around(self, folder: int, name: str, root: Root, path: str) -> None:
        """Judge where a path has led by what is there: a name may be written in many ways. Raises Refused."""
        innermost, passed = self._scope.met(folder, root)
        if innermost is self._scope.inbox or not innermost.folder.writable:
            raise Refused(Refusal.READ_ONLY, path)
        if root.identity in self._in_code or not self._code.isdisjoint(passed):
            raise Refused(Refusal.OWN_CODE, path)
        try:
            facts = os.stat(name, dir_fd=folder, follow_symlinks=False)
        except OSError:
            return
        if root.keeps_out(facts) or self._scope.is_approved(facts):
            raise Refused(Refusal.OUTSIDE, path)
        if (facts.st_dev, facts.st_ino) in self._code:
            raise Refused(Refusal.OWN_CODE, path)

    def _permissions(self, path: str) -> int:
        with self._parent(path) as (folder, name), _told(path):
            return os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode & 0o777

    def _facts(self, folder: int, name: str, path: str) -> Facts:
        try:
            found = os.stat(name, dir_fd=folder, follow_symlinks=False)
        except OSError as error:
            raise Refused(refusal_of(error), path) from error
        if stat.S_ISLNK(found.st_mode):
            raise Refused(Refusal.LINK, path)
        if not stat.S_ISREG(found.st_mode):
            raise Refused(special(found) or Refusal.NOT_A_FILE, path)
        return Facts.of(found)


def _copy(from_fd: int, old: str, to_fd: int, new: str) -> None:
    file = os.open(old, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=from_fd)
    try:
        _copy_into(file, to_fd, new)
    finally:
        os.close(file)


def _copy_into(file: int, to_fd: int, new: str) -> None:
    """Write a file anew, with its time and permissions, on the disk when this returns. Raises OSError."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(new, dir_fd=to_fd)  # of an attempt that was cut off
    facts = os.fstat(file)
    with open(os.open(new, _NEW, _OWNER_ONLY, dir_fd=to_fd), "wb") as made, open(os.dup(file), "rb") as source:
        shutil.copyfileobj(source, made, _BLOCK_BYTES)
        made.flush()
        os.fchmod(made.fileno(), facts.st_mode & 0o777)
        os.utime(made.fileno(), ns=(facts.st_atime_ns, facts.st_mtime_ns))
        os.fsync(made.fileno())


@contextlib.contextmanager
def _told(path: str) -> Iterator[None]:
    """Say as a Refusal what the system refuses."""
    try:
        yield
    except OSError as error:
        raise Refused(_why(error), path) from error


def _why(error: OSError) -> Refusal:
    return _WHY.get(error.errno or 0) or refusal_of(error)
