"""The system calls that no program in the sandbox needs, as a filter for the kernel. Pure.

A second line of defence for most: what is listed works on the kernel as a whole and knows no namespaces, has been a way out of
them, or types into a terminal. The only line for two things that a mount can't keep: sockets that lie in a folder, and files
that would be setuid outside of the sandbox. bubblewrap loads it last (--seccomp).
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence

_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06  # classic BPF: ld abs, jeq, jge, jset, ret
ALLOW, _ERROR = 0x7FFF0000, 0x00050000
EPERM, ENOSYS, EAFNOSUPPORT = _ERROR | 1, _ERROR | 38, _ERROR | 97
_NUMBER, _ARCHITECTURE, _ARGUMENTS = 0, 4, 16  # offsets in struct seccomp_data
_FORM = "<HBBI"  # struct sock_filter
_X32 = 0x40000000  # the other numbers of x86_64

REFUSED = {  # each with its number on x86_64 and on aarch64
    "add_key": (248, 217),
    "request_key": (249, 218),
    "keyctl": (250, 219),
    "bpf": (321, 280),
    "perf_event_open": (298, 241),
    "userfaultfd": (323, 282),
    "io_uring_setup": (425, 425),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
    "kexec_load": (246, 104),
    "kexec_file_load": (320, 294),
    "init_module": (175, 105),
    "finit_module": (313, 273),
    "delete_module": (176, 106),
    "mount": (165, 40),
    "umount2": (166, 39),
    "pivot_root": (155, 41),
    "open_tree": (428, 428),
    "move_mount": (429, 429),
    "fsopen": (430, 430),
    "fsmount": (432, 432),
    "mount_setattr": (442, 442),
    "setns": (308, 268),
    "open_by_handle_at": (304, 265),
    "acct": (163, 89),
    "quotactl": (179, 60),
    "swapon": (167, 224),
    "swapoff": (168, 225),
    "reboot": (169, 142),
    "syslog": (103, 116),
}
_IOCTL = (16, 29)
TYPED = {"TIOCSTI": 0x5412, "TIOCLINUX": 0x541C}
_SOCKET, _SOCKETPAIR = (41, 198), (53, 199)
AF_UNIX = 1
FAMILIES = {"AF_INET": 2, "AF_INET6": 10, "AF_NETLINK": 16}
"""Those that a network namespace keeps apart. Others (AF_VSOCK, AF_ALG, AF_BLUETOOTH) reach past it, or into the kernel."""
_SETS_IDS = 0o6000  # S_ISUID, S_ISGID
_MAKES = 0o100 | 0o20000000  # O_CREAT, O_TMPFILE: without these an open's mode is whatever the register had
MODES = {  # each with its numbers, 0 where there is none, and where its mode is among the arguments
    "chmod": (90, 0, 1),
    "fchmod": (91, 52, 1),
    "fchmodat": (268, 53, 2),
    "fchmodat2": (452, 452, 2),
    "mknod": (133, 0, 1),
    "mknodat": (259, 33, 2),
    "creat": (85, 0, 1),
}
OPENS = {"open": (2, 0, 1), "openat": (257, 56, 2)}  # each with where its flags are; the mode follows
UNSEEN = {"openat2": (437, 437)}  # its mode is in memory: programs do without it where the kernel lacks it
_MACHINES = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}


def rules(machine: str, *, sockets: bool) -> bytes | None:
    """Write the filter for an architecture, as the kernel reads it; None for one whose numbers are not here.

    Without `sockets` a program makes no socket of AF_UNIX but pairs: it could not be told which of them lie in a folder that it
    sees, made by somebody outside, and a folder that is read-only does not keep it from connecting.
    """
    if machine not in _MACHINES:
        return None
    column, architecture = _MACHINES[machine]
    families = [*FAMILIES.values(), *([AF_UNIX] if sockets else [])]
    steps = [
        _step(_LOAD, _ARCHITECTURE),
        _jump(_EQUAL, architecture, yes=1),
        _step(_RETURN, ENOSYS),
        _step(_LOAD, _NUMBER),
    ]
    if machine == "x86_64":
        steps += [_jump(_AT_LEAST, _X32, no=1), _step(_RETURN, ENOSYS)]
    for numbers in REFUSED.values():
        steps += _of(numbers[column], [_step(_RETURN, EPERM)])
    for numbers in UNSEEN.values():
        steps += _of(numbers[column], [_step(_RETURN, ENOSYS)])
    steps += _of(_IOCTL[column], [_argument(1), *_refused(TYPED.values()), _step(_RETURN, ALLOW)])
    steps += _of(_SOCKET[column], [_argument(0), *_allowed(families, otherwise=EAFNOSUPPORT)])
    steps += _of(_SOCKETPAIR[column], [_argument(0), *_allowed([AF_UNIX], otherwise=EAFNOSUPPORT)])
    for *calls, mode in MODES.values():
        steps += _of(calls[column], _mode(mode))
    for *calls, flags in OPENS.values():
        makes = [_argument(flags), _jump(_ANY_BIT, _MAKES, yes=1), _step(_RETURN, ALLOW)]
        steps += _of(calls[column], [*makes, *_mode(flags + 1)])
    return b"".join([*steps, _step(_RETURN, ALLOW)])


def _of(number: int, then: Sequence[bytes]) -> list[bytes]:
    """Write what happens to one call: it ends the filter for it, and is passed over by all others."""
    return [_jump(_EQUAL, number, no=len(then)), *then] if number else []


def _mode(at: int) -> list[bytes]:
    """Write the end of a call with a mode: setuid and setgid are refused."""
    return [_argument(at), _jump(_ANY_BIT, _SETS_IDS, no=1), _step(_RETURN, EPERM), _step(_RETURN, ALLOW)]


def _refused(values: Iterable[int]) -> list[bytes]:
    return [step for value in values for step in (_jump(_EQUAL, value, no=1), _step(_RETURN, EPERM))]


def _allowed(values: Iterable[int], *, otherwise: int) -> list[bytes]:
    found = [step for value in values for step in (_jump(_EQUAL, value, no=1), _step(_RETURN, ALLOW))]
    return [*found, _step(_RETURN, otherwise)]


def _argument(at: int) -> bytes:
    """Load the low half of an argument: the kernel takes 32 bits of each that is looked at, and both machines are little-endian."""
    return _step(_LOAD, _ARGUMENTS + 8 * at)


def _step(code: int, value: int) -> bytes:
    return struct.pack(_FORM, code, 0, 0, value)


def _jump(code: int, value: int, *, yes: int = 0, no: int = 0) -> bytes:
    """Compare, and pass over so many steps."""
    return struct.pack(_FORM, code, yes, no, value)
