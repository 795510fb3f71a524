"""What the processes below one use: how many they are, and how much memory is theirs. Called by keeper.py a few times a second.

Stops counting where it is more than the limit: whoever makes thousands of processes must not keep the keeper busy with them.
Standard library only, as the keeper.
"""

from __future__ import annotations

import contextlib
import os
import resource
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

_PAGE_BYTES = resource.getpagesize()
_BLOCK_BYTES = 512  # of st_blocks
_OPEN_LOOKED_AT = 20_000  # descriptors, in one look
_MEMFD = "/memfd:"


@dataclass(slots=True)
class _Used:
    """What was counted so far."""

    threads: int = 0
    memory_bytes: int = 0
    memfds: set[int] = field(default_factory=set)  # inodes of those that were counted
    left: int = _OPEN_LOOKED_AT


def used(
    root: int, *, most_threads: float, most_bytes: float, places: Mapping[str, int] | None = None
) -> tuple[int, int]:
    """Count the threads below a process, and their memory in bytes. `places` are ways to folders in memory, and their sizes.

    Memory that several share counts once: should a first look, which counts it for each of them, find too much, a slower
    one divides it.
    """
    counting = _Used(memory_bytes=sum(_kept_in(place, size) for place, size in (places or {}).items()))
    beside = counting.memory_bytes
    for pid in below(root):
        counting.threads += _threads(pid)
        counting.memory_bytes += _resident(pid)
        beside += (kept := _memfds(pid, counting))
        counting.memory_bytes += kept
        if counting.threads > most_threads:
            return counting.threads, 0
        if counting.memory_bytes > most_bytes:
            break
    if counting.memory_bytes > most_bytes:
        return counting.threads, _proportional(root, beside, most_bytes)
    return counting.threads, counting.memory_bytes


def below(root: int) -> Iterator[int]:
    """Give every process that descends from one, the nearer ones first."""
    waiting = [root]
    while waiting:
        pid = waiting.pop(0)
        with contextlib.suppress(OSError):
            for thread in os.listdir(f"/proc/{pid}/task"):
                with contextlib.suppress(OSError), open(f"/proc/{pid}/task/{thread}/children") as children:
                    for child in map(int, children.read().split()):
                        waiting.append(child)
                        yield child


def _threads(pid: int) -> int:
    with contextlib.suppress(OSError):
        return len(os.listdir(f"/proc/{pid}/task"))
    return 0


def _resident(pid: int) -> int:
    """Give what is in memory and in no file on a disk: its own, and what it shares."""
    facts = _facts(f"/proc/{pid}/status", ("RssAnon", "RssShmem"))
    if facts is not None:
        return facts
    with contextlib.suppress(OSError, ValueError), open(f"/proc/{pid}/statm") as file:  # before Linux 4.5
        _, resident, shared, *_ = map(int, file.read().split())
        return (resident - shared) * _PAGE_BYTES
    return 0


def _proportional(root: int, beside: int, most_bytes: float) -> int:
    total = beside
    for pid in below(root):
        share = _facts(f"/proc/{pid}/smaps_rollup", ("Pss_Anon", "Pss_Shmem"))
        total += _resident(pid) if share is None else share
        if total > most_bytes:
            break
    return total


def _facts(path: str, names: Sequence[str]) -> int | None:
    """Add up lines of the kind `Name: 12 kB`; None where one of them is missing."""
    with contextlib.suppress(OSError, ValueError, IndexError), open(path) as file:
        found = [int(line.split()[1]) * 1024 for line in file if line.split(":", 1)[0] in names]
        return sum(found) if len(found) == len(names) else None
    return None


def _memfds(pid: int, counting: _Used) -> int:
    """Give the size of the files in memory that a process has open and that have no name, each counted once."""
    total = 0
    with contextlib.suppress(OSError):
        for name in os.listdir(f"/proc/{pid}/fd"):
            if counting.left <= 0:
                break
            counting.left -= 1
            with contextlib.suppress(OSError):
                path = f"/proc/{pid}/fd/{name}"
                if os.readlink(path).startswith(_MEMFD) and (facts := os.stat(path)).st_ino not in counting.memfds:
                    counting.memfds.add(facts.st_ino)
                    total += facts.st_blocks * _BLOCK_BYTES
    return total


def _kept_in(place: str, size: int) -> int:
    """Give what is in a folder in memory. While the sandbox is made the way leads to the computer's own folder: that is larger."""
    with contextlib.suppress(OSError):
        disk = os.statvfs(place)
        if disk.f_blocks * disk.f_frsize <= size + _PAGE_BYTES:
            return (disk.f_blocks - disk.f_bfree) * disk.f_frsize
    return 0
