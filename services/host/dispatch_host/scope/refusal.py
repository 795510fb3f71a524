"""Why a path is not opened or changed: one list of reasons, and what of the system's errors and kinds of files is which."""

from __future__ import annotations

import errno
import os
import stat
from enum import StrEnum

from dispatch_host.scope.names import shown


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


def leads_out(path: str) -> OSError:
    """Make the error of a path that leads out of its folder, or to what is kept out."""
    return OSError(errno.EXDEV, os.strerror(errno.EXDEV), path)
