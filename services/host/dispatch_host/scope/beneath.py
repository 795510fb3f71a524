"""Opening a path beneath a folder's descriptor so that nothing leads out of it: no `..`, no link, no race.

Two implementations of one rule, which one conformance function tests: the kernel's openat2 where it is there, and one
component at a time with O_NOFOLLOW elsewhere. Links are not followed at all, also those that stay inside: then a path
says where a file is, the same on every system. Knows nothing of who asks; called by the scope, and by the sandbox for
what a program may see.
"""

from __future__ import annotations

import ctypes
import errno
import os
from functools import cache
from typing import Protocol

_SYS_OPENAT2 = 437  # the same number on every architecture that got the call in Linux 5.6
_RESOLVE_NO_MAGICLINKS = 0x02
_RESOLVE_NO_SYMLINKS = 0x04
_RESOLVE_BENEATH = 0x08
# A folder that is only passed through needs no read permission where the system can say so.
_THROUGH = getattr(os, "O_PATH", os.O_RDONLY) | os.O_DIRECTORY | os.O_CLOEXEC | os.O_NOFOLLOW
_TRIES = 16  # EAGAIN: a rename elsewhere raced the look-up; the kernel asks to try again


class Beneath(Protocol):
    """Opens `path`, relative to the folder `dir_fd`, and never anything outside that folder."""

    name: str

    def open(self, dir_fd: int, path: str, flags: int) -> int:
        """Return a descriptor; raise OSError: EXDEV for what leads out, ELOOP for a link, else as open(2)."""
        ...


def components(path: str) -> list[str]:
    """Split a relative path; raise OSError(EXDEV) for an absolute one or one with `..`, ENOENT for what can't exist."""
    if path.startswith("/"):
        raise OSError(errno.EXDEV, os.strerror(errno.EXDEV), path)
    if "\0" in path:
        raise OSError(errno.ENOENT, os.strerror(errno.ENOENT), path)
    parts = [part for part in path.split("/") if part not in ("", ".")]
    if ".." in parts:
        raise OSError(errno.EXDEV, os.strerror(errno.EXDEV), path)
    return parts


class _OpenHow(ctypes.Structure):
    """struct open_how of openat2(2)."""

    _fields_ = (("flags", ctypes.c_uint64), ("mode", ctypes.c_uint64), ("resolve", ctypes.c_uint64))


class OpenAt2:
    """The kernel resolves the whole path at once and refuses to leave the folder or to follow a link."""

    name = "openat2"

    def __init__(self) -> None:
        self._syscall = ctypes.CDLL(None, use_errno=True).syscall
        self._syscall.restype = ctypes.c_long

    def open(self, dir_fd: int, path: str, flags: int) -> int:
        relative = os.fsencode("/".join(components(path)) or ".")
        how = _OpenHow(flags | os.O_CLOEXEC, 0, _RESOLVE_BENEATH | _RESOLVE_NO_MAGICLINKS | _RESOLVE_NO_SYMLINKS)
        for _ in range(_TRIES):
            fd = self._syscall(
                ctypes.c_long(_SYS_OPENAT2),
                ctypes.c_int(dir_fd),
                ctypes.c_char_p(relative),
                ctypes.byref(how),
                ctypes.c_size_t(ctypes.sizeof(how)),
            )
            if fd >= 0:
                return int(fd)
            code = ctypes.get_errno()
            if code not in (errno.EAGAIN, errno.EINTR):
                break
        raise OSError(code, os.strerror(code), path)


class ComponentWalk:
    """Opens each component by its parent's descriptor, without following: what a race swaps in is a link, and refused."""

    name = "component walk"

    def open(self, dir_fd: int, path: str, flags: int) -> int:
        parts = components(path)
        flags |= os.O_CLOEXEC | os.O_NOFOLLOW
        if not parts:
            return os.open(".", flags, dir_fd=dir_fd)
        current = dir_fd
        try:
            for part in parts[:-1]:
                onward = self._step(current, part, _THROUGH)
                if current != dir_fd:
                    os.close(current)
                current = onward
            return self._step(current, parts[-1], flags)
        finally:
            if current != dir_fd:
                os.close(current)

    @staticmethod
    def _step(dir_fd: int, part: str, flags: int) -> int:
        try:
            return os.open(part, flags, dir_fd=dir_fd)
        except NotADirectoryError:
            # With O_DIRECTORY Linux says ENOTDIR for a link, where openat2 says ELOOP: tell them apart for the answer.
            if _is_link(dir_fd, part):
                raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), part) from None
            raise


def _is_link(dir_fd: int, part: str) -> bool:
    try:
        os.readlink(part, dir_fd=dir_fd)
    except OSError:
        return False
    return True


@cache  # a fact about the kernel, not a permission: probed once for the process
def best_beneath() -> Beneath:
    """Probe for openat2 and return it, or the fallback where the kernel lacks it or a sandbox forbids it."""
    try:
        kernel = OpenAt2()
        fd = os.open("/", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.close(kernel.open(fd, ".", os.O_RDONLY | os.O_DIRECTORY))
        finally:
            os.close(fd)
    except (OSError, AttributeError):
        return ComponentWalk()
    return kernel
