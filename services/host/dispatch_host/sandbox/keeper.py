"""The process between the host and one program: starts it within its limits, watches it, and leaves nothing of it.

Started by keeping.py, in a session of its own. It reads one JSON line and writes one when all is over. The end of its standard
input is the order to kill: the host closes it to cancel, and the kernel does when the host dies. It is the reaper of whatever
the program leaves behind (PR_SET_CHILD_SUBREAPER), so a process that makes a session of its own does not get away.

Bubblewrap alone does not promise that: what it starts outlives it when it dies before that has set PR_SET_PDEATHSIG. So the
program waits at a latch, a byte that only the keeper writes, and should the keeper be killed before, it waits for ever: a pipe
that its reader holds open for writing never ends.

Runs alone: standard library only, nothing of the host.
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import select
import signal
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from dispatch_host.sandbox import kernel
from dispatch_host.sandbox.using import below, used

_LOOK_SECONDS = 0.2  # between two looks at what the tree uses
_KILLED_LOOK_SECONDS = 0.01
_STATUS_BYTES = 64 * 1024  # bubblewrap says less than one hundred
_NICE = 10  # of the program: whoever looks after it comes first


@dataclass(slots=True)
class _Kept:
    """What is known of the program's tree."""

    first: int  # the process that this one started: bubblewrap, or the program itself
    status: int | None = None  # where bubblewrap tells of the program
    latch: int | None = None
    said: bytes = b""
    exit_status: int | None = None  # of `first`, as waitpid gives it
    kept_in_memory: Mapping[str, int] = field(
        default_factory=dict
    )  # folders, as the program sees them, with their sizes

    def child(self) -> int | None:
        """Give the first process in the sandbox, when bubblewrap has named it."""
        return next((word["child-pid"] for word in self.heard() if "child-pid" in word), None)

    def places(self) -> dict[str, int]:
        """Give the ways to the program's folders in memory; none before there is a process that could have them."""
        child = self.child() if self.latch is None else None
        return (
            {} if child is None else {f"/proc/{child}/root{path}": size for path, size in self.kept_in_memory.items()}
        )

    def heard(self) -> list[dict[str, Any]]:
        """Read bubblewrap's words so far; a line that is not whole is none."""
        found = []
        for line in self.said.splitlines():
            with contextlib.suppress(ValueError):
                found.append(json.loads(line))
        return found


def main() -> int:
    """Keep one program from its start to the end of the last thing it started."""
    source = sys.stdin.buffer
    request = json.loads(source.readline())
    kernel.reap_orphans()
    woken = _wake_on_children()
    kept = _start(request)
    try:
        ended = _watch(kept, request["limits"], source.fileno(), woken)
    finally:
        _kill_all(kept)
    answer = {"ended": ended, "code": _code(kept, confined=request["confined"])}
    sys.stdout.write(json.dumps(answer) + "\n")
    return 0


def _wake_on_children() -> int:
    """Give a descriptor that can be read when a child has ended."""
    reading, writing = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    return reading


def _start(request: Mapping[str, Any]) -> _Kept:
    """Fork and become the program, or bubblewrap with the descriptors that only the two of us share."""
    argv: list[str] = request["argv"]
    passed: list[int] = request["descriptors"]
    kept = _Kept(first=-1, kept_in_memory=request["places"])
    if request["confined"]:
        kept.status, status = os.pipe()
        closed, kept.latch = os.pipe()
        latch = os.open(f"/proc/self/fd/{closed}", os.O_RDWR)  # its reader holds it open for writing: it never ends
        os.close(closed)
        passed = [*passed, status, latch]
        argv = [argv[0], "--json-status-fd", str(status), "--block-fd", str(latch), *argv[1:]]
        if (rules := kernel.seccomp_rules(sockets=request["sockets"])) is not None:
            passed.append(rules)
            argv[1:1] = ["--seccomp", str(rules)]
    here = os.getpid()
    kept.first = os.fork()
    if kept.first == 0:
        _become(argv, request, passed, keeper=here)
    for descriptor in {*passed, request["output"], request["errors"], request["input"]} - {None}:
        os.close(descriptor)
    return kept


def _become(argv: list[str], request: Mapping[str, Any], passed: list[int], *, keeper: int) -> None:
    """Turn this fresh process into the program. Never returns."""
    try:
        kernel.die_with_parent()
        if os.getppid() != keeper:
            os._exit(1)
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        os.setsid()
        source = request["input"]
        os.dup2(os.open("/dev/null", os.O_RDONLY) if source is None else source, 0)
        os.dup2(request["output"], 1)
        os.dup2(request["errors"], 2)
        os.nice(_NICE)
        _limit(request["limits"])
        if request["confined"]:
            kernel.forget_keys()
            kernel.keep_from_abstract_sockets()
        else:
            os.chdir(request["folder"])
        for descriptor in _open_descriptors():
            if descriptor > 2 and descriptor not in passed:
                with contextlib.suppress(OSError):  # the one that the list was read by
                    os.close(descriptor)
        for descriptor in passed:
            os.set_inheritable(descriptor, True)
        # Not even bubblewrap gets the host's environment: it would be in /proc/1/environ, for the program to read.
        os.execvpe(argv[0], argv, request["environment"])  # noqa: S606 -- starting a program is what this is for
    except OSError as failure:
        os.write(2, f"{argv[0]}: {os.strerror(failure.errno or 0)}\n".encode(errors="replace"))
    finally:
        os._exit(127)


def _limit(limits: Mapping[str, float]) -> None:
    """Set what the kernel keeps for each process by itself."""
    for kind, most in (
        (resource.RLIMIT_CORE, 0),  # a core file would hold what was read
        (resource.RLIMIT_DATA, limits["memory_bytes"]),  # not RLIMIT_AS: much reserves far more than it uses
        (resource.RLIMIT_FSIZE, limits["file_bytes"]),
        (resource.RLIMIT_NOFILE, limits["open_files"]),
        (resource.RLIMIT_CPU, limits["seconds"] + 1),
    ):
        _, hard = resource.getrlimit(kind)
        value = int(most) if hard == resource.RLIM_INFINITY else min(int(most), hard)
        resource.setrlimit(kind, (value, value))
    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w") as score:
        score.write("500")  # before anything of the person's own


def _watch(kept: _Kept, limits: Mapping[str, float], order: int, woken: int) -> str:
    """Wait for the end of the first process, the order to kill, or a limit; gives which it was."""
    deadline = time.monotonic() + limits["seconds"]
    waiting = select.poll()
    for descriptor in (order, woken, kept.status):
        if descriptor is not None:
            waiting.register(descriptor, select.POLLIN)
    while True:
        for descriptor, _ in waiting.poll(_LOOK_SECONDS * 1000):
            if descriptor == order and not os.read(order, 4096):
                return "cancelled"
            if descriptor == woken:
                os.read(woken, 4096)
            if descriptor == kept.status and not _hear(kept, limits):
                waiting.unregister(descriptor)
        _reap(kept)
        if kept.exit_status is not None:
            return "exited"
        if time.monotonic() > deadline:
            return "out of time"
        processes, memory = used(
            os.getpid(), most_threads=limits["processes"], most_bytes=limits["memory_bytes"], places=kept.places()
        )
        if processes > limits["processes"]:
            return "too many processes"
        if memory > limits["memory_bytes"]:
            return "out of memory"


def _hear(kept: _Kept, limits: Mapping[str, float]) -> bool:
    """Read bubblewrap's words. Lift the latch when it has named its child, with the limit on processes in it.

    Set from outside and only now: by then it is in a user namespace of its own, whose processes alone are counted.
    """
    assert kept.status is not None  # noqa: S101  called for its words
    data = os.read(kept.status, 4096)
    kept.said = (kept.said + data)[:_STATUS_BYTES]
    child = kept.child()
    if child is not None and kept.latch is not None:
        most = int(limits["processes"])
        with contextlib.suppress(ProcessLookupError):
            resource.prlimit(child, resource.RLIMIT_NPROC, (most, most))
        os.write(kept.latch, b"!")
        os.close(kept.latch)
        kept.latch = None
    return bool(data)


def _reap(kept: _Kept) -> bool:
    """Take whatever has ended. Gives whether anything is left to wait for."""
    try:
        while (ended := os.waitpid(-1, os.WNOHANG))[0] != 0:
            if ended[0] == kept.first:
                kept.exit_status = ended[1]
    except ChildProcessError:
        return False
    return True


def _kill_all(kept: _Kept) -> None:
    """Kill the whole tree until nothing is left of it. What it leaves on its way becomes this process's child."""
    while True:
        for pid in below(os.getpid()):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        if not _reap(kept):
            break
        time.sleep(_KILLED_LOOK_SECONDS)
    if kept.status is not None:
        while len(kept.said) < _STATUS_BYTES and (data := os.read(kept.status, 4096)):
            kept.said += data


def _code(kept: _Kept, *, confined: bool) -> int | None:
    """Give the program's own exit code. Bubblewrap tells none where the program never began."""
    if confined:
        return next((word["exit-code"] for word in kept.heard() if "exit-code" in word), None)
    if kept.exit_status is None:
        return None
    code = os.waitstatus_to_exitcode(kept.exit_status)
    return code if code >= 0 else 128 - code


def _open_descriptors() -> list[int]:
    return [int(name) for name in os.listdir("/proc/self/fd")]


if __name__ == "__main__":
    sys.exit(main())
