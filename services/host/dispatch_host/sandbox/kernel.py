"""What Python's library does not have of Linux: a few calls by number, each for one thing a program must not reach.

Called by keeper.py between fork and exec. All but `die_with_parent` and `reap_orphans` are second lines of defence: a kernel
that lacks one goes without it.
"""

from __future__ import annotations

import ctypes
import os
import platform
from typing import cast

from dispatch_host.sandbox import seccomp

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_PR_SET_NO_NEW_PRIVS = 38
_SIGKILL = 9
_KEYCTL = {"x86_64": 250, "aarch64": 219}
_KEYCTL_JOIN_SESSION_KEYRING = 1
_LANDLOCK_CREATE_RULESET = 444  # the same numbers on every architecture
_LANDLOCK_RESTRICT_SELF = 446
_LANDLOCK_CREATE_RULESET_VERSION = 1
_LANDLOCK_ABI_WITH_SCOPES = 6  # Linux 6.12
_LANDLOCK_SCOPE_ABSTRACT_UNIX_SOCKET = 1


class _Ruleset(ctypes.Structure):
    """struct landlock_ruleset_attr of ABI 6."""

    _fields_ = (("handled_fs", ctypes.c_uint64), ("handled_net", ctypes.c_uint64), ("scoped", ctypes.c_uint64))


def reap_orphans() -> None:
    """Become the parent of every descendant that loses its own. Raises OSError where the system has no such thing."""
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def die_with_parent() -> None:
    """Have the kernel kill this process when the thread that made it ends. The caller looks whether it has already."""
    _prctl(_PR_SET_PDEATHSIG, _SIGKILL)


def forget_keys() -> None:
    """Leave the kernel's session keyring of the person, which a new namespace does not take away."""
    number = _KEYCTL.get(platform.machine())
    if number is not None:
        _call(number, _KEYCTL_JOIN_SESSION_KEYRING, None)


def keep_from_abstract_sockets() -> bool:
    """Keep this process from abstract sockets of others; gives whether the kernel can.

    They belong to the network: a program that may use it could speak to the desktop's bus and to container engines.
    """
    if not can_scope_sockets():
        return False
    _prctl(_PR_SET_NO_NEW_PRIVS, 1)
    rules = _Ruleset(0, 0, _LANDLOCK_SCOPE_ABSTRACT_UNIX_SOCKET)
    ruleset = _call(_LANDLOCK_CREATE_RULESET, ctypes.byref(rules), ctypes.sizeof(rules), 0)
    if ruleset < 0:
        return False
    try:
        return _call(_LANDLOCK_RESTRICT_SELF, ruleset, 0) == 0
    finally:
        os.close(ruleset)


def can_scope_sockets() -> bool:
    """Tell whether Landlock of this kernel knows abstract sockets."""
    return _call(_LANDLOCK_CREATE_RULESET, None, 0, _LANDLOCK_CREATE_RULESET_VERSION) >= _LANDLOCK_ABI_WITH_SCOPES


def seccomp_rules(*, sockets: bool) -> int | None:
    """Give a descriptor with the filter for bubblewrap; None where there is none for this architecture."""
    rules = seccomp.rules(platform.machine(), sockets=sockets)
    if rules is None:
        return None
    descriptor = os.memfd_create("seccomp", 0)
    os.write(descriptor, rules)
    os.lseek(descriptor, 0, os.SEEK_SET)
    return descriptor


def _prctl(option: int, value: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(option, ctypes.c_ulong(value), 0, 0, 0) != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))


def _call(number: int, *arguments: object) -> int:
    syscall = ctypes.CDLL(None, use_errno=True).syscall
    syscall.restype = ctypes.c_long
    return cast(int, syscall(ctypes.c_long(number), *arguments))
