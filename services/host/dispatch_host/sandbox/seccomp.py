"""The system calls that no program in the sandbox needs, as a filter for the kernel. Pure.

A second line of defence: what is listed works on the kernel as a whole and knows no namespaces, has been a way out of them, or
types into a terminal. bubblewrap loads it last (--seccomp).
"""

from __future__ import annotations

import struct

_LOAD, _EQUAL, _AT_LEAST, _RETURN = 0x20, 0x15, 0x35, 0x06  # classic BPF: ld abs, jeq, jge, ret
_ALLOW, _EPERM, _ENOSYS = 0x7FFF0000, 0x00050001, 0x00050026
_NUMBER, _ARCHITECTURE, _SECOND_ARGUMENT = (
    0,
    4,
    24,
)  # offsets in struct seccomp_data; the low half, both are little-endian
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
_MACHINES = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}


def rules(machine: str) -> bytes | None:
    """Write the filter for an architecture, as the kernel reads it; None for one whose numbers are not here."""
    if machine not in _MACHINES:
        return None
    column, architecture = _MACHINES[machine]
    head = [_step(_LOAD, _ARCHITECTURE), _jump("other", architecture), _step(_LOAD, _NUMBER)]
    if machine == "x86_64":
        head.append(_jump("x32", _X32))
    calls = [_jump("refused", numbers[column]) for numbers in REFUSED.values()]
    typing = [_jump("rest", _IOCTL[column]), _step(_LOAD, _SECOND_ARGUMENT)]
    typing += [_jump("refused", request) for request in TYPED.values()]
    steps = [*head, *calls, *typing]
    written = [_written(step, left=len(steps) - at - 1) for at, step in enumerate(steps)]
    ends = [struct.pack(_FORM, _RETURN, 0, 0, value) for value in (_ALLOW, _EPERM, _ENOSYS)]
    return b"".join([*written, *ends])


def _step(code: int, value: int) -> tuple[str, int, int]:
    return "", code, value


def _jump(name: str, value: int) -> tuple[str, int, int]:
    return name, 0, value


def _written(step: tuple[str, int, int], *, left: int) -> bytes:
    """Write one step. `left` steps follow it before the three ends: allow, EPERM, ENOSYS; a jump counts from the next one."""
    name, code, value = step
    match name:
        case "other":  # not this architecture
            return struct.pack(_FORM, _EQUAL, 0, left + 2, value)
        case "x32":
            return struct.pack(_FORM, _AT_LEAST, left + 2, 0, value)
        case "refused":
            return struct.pack(_FORM, _EQUAL, left + 1, 0, value)
        case "rest":  # not a call whose arguments matter
            return struct.pack(_FORM, _EQUAL, 0, left, value)
        case _:
            return struct.pack(_FORM, code, 0, 0, value)
