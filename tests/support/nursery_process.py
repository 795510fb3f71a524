"""The process of a nursery: imports one program, and forks it whenever the tests ask. Begun by `nursery`, as a program.

It imports what its program imports, and nothing of the tests: whatever it has, each process that it forks has, too.
"""

from __future__ import annotations

import array
import contextlib
import gc
import importlib
import json
import os
import select
import signal
import socket
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

_TRACES = (
    "opentelemetry.exporter.otlp.proto.http.trace_exporter",
    "opentelemetry.sdk.resources",
    "opentelemetry.sdk.trace",
)
"""With which a process tells of its traces, in the half second that its end may wait for that."""

_ALL = ("importlib.resources.readers", "zoneinfo")
"""What is imported late by libraries."""

IMPORTS: Mapping[str, Sequence[str]] = {
    "dispatch-pairing": (*_ALL, "aiosqlite", "dispatch.runtime.descriptors", "dispatch_pairing.app", "uvloop"),
    "dispatch-relay": (*_ALL, *_TRACES, "dispatch.runtime.descriptors", "dispatch_relay.app", "uvloop"),
    "dispatch-host": (
        *_ALL,
        *_TRACES,
        "dispatch_host.account_commands",
        "dispatch_host.agents.builtin.driver",
        "dispatch_host.app",
        "dispatch_host.control_client",
        "dispatch_host.front",
        "dispatch_host.known_agents",
        "dispatch_host.pair_command",
        "dispatch_host.settings",
        "tzlocal",
        "uvloop",
        "wakepy",
    ),
    "dispatch-phone": (
        *_ALL,
        *_TRACES,
        "dispatch.device.pairing_client",
        "mobile_sim.account",
        "mobile_sim.asking",
        "mobile_sim.desk",
        "mobile_sim.front",
        "mobile_sim.meeting",
        "mobile_sim.model_question",
        "mobile_sim.notifying",
        "mobile_sim.phone",
        "mobile_sim.proving",
        "mobile_sim.saying.sayer",
        "mobile_sim.screen",
    ),
}
"""By program what its command line imports only when it is needed."""

MAINS: Mapping[str, str] = {
    "dispatch-pairing": "dispatch_pairing.__main__",
    "dispatch-relay": "dispatch_relay.__main__",
    "dispatch-host": "dispatch_host.__main__",
    "dispatch-phone": "mobile_sim.__main__",
}

HEAD_BYTES = 8
"""Bytes before a request: its length."""
FDS = 4
"""Standard input, output and error of the child, and where its end is told."""


def _serve(channel: socket.socket, kept: Mapping[str, str]) -> Sequence[str]:
    """Fork for each request, tell of each end; returns in a child, with its words, and in the nursery never."""
    ends: dict[int, int] = {}
    wake_read, wake_write = os.pipe()
    for fd in (wake_read, wake_write):
        os.set_blocking(fd, False)
    signal.set_wakeup_fd(wake_write, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    looked_at = select.poll()  # select() knows no numbers above 1,023
    for fd in (channel.fileno(), wake_read):
        looked_at.register(fd, select.POLLIN)
    while True:
        ready = [fd for fd, _ in looked_at.poll()]
        if wake_read in ready:
            with contextlib.suppress(BlockingIOError):
                os.read(wake_read, 4096)
            _reap(ends)
        if channel.fileno() not in ready:
            continue
        head, fds = _head(channel)
        request = json.loads(_exactly(channel, int.from_bytes(head, "big")))
        begun_read, begun_write = os.pipe()
        pid = os.fork()
        if not pid:
            os.setsid()
            for fd in (begun_read, begun_write):
                os.close(fd)  # from now on it can be sent a signal
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            for fd in (wake_read, wake_write, fds[-1], *ends.values()):
                os.close(fd)
            channel.close()
            _become(request, fds[:-1], kept)
            return [str(word) for word in request["argv"]]
        ends[pid] = fds[-1]
        for fd in (*fds[:-1], begun_write):
            os.close(fd)
        os.read(begun_read, 1)
        os.close(begun_read)
        channel.sendall(pid.to_bytes(HEAD_BYTES, "big"))


def _head(channel: socket.socket) -> tuple[bytes, list[int]]:
    data, ancillary, _, _ = channel.recvmsg(HEAD_BYTES, socket.CMSG_SPACE(FDS * array.array("i").itemsize))
    if len(data) != HEAD_BYTES:
        os._exit(0)  # the tests are over
    fds = array.array("i")
    for _, _, values in ancillary:
        fds.frombytes(values[: len(values) - len(values) % fds.itemsize])
    return data, list(fds)


def _exactly(channel: socket.socket, count: int) -> bytes:
    found = b""
    while len(found) < count:
        found += channel.recv(count - len(found))
    return found


def _reap(ends: dict[int, int]) -> None:
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if not pid:
            return
        fd = ends.pop(pid)
        with contextlib.suppress(BrokenPipeError):
            os.write(fd, str(os.waitstatus_to_exitcode(status)).encode())
        os.close(fd)


def _become(request: Mapping[str, object], fds: Sequence[int], kept: Mapping[str, str]) -> None:
    """Be, in a child, what an executed program would be."""
    for number, fd in enumerate(fds):
        os.dup2(fd, number)
        os.close(fd)
    # Python looked at what stood there when it began; it has to look again.
    sys.stdin = sys.__stdin__ = open(0, closefd=False)  # type: ignore[misc] # noqa: SIM115 -- a number, for good
    sys.stdout = sys.__stdout__ = open(1, "w", closefd=False)  # type: ignore[misc] # noqa: SIM115
    sys.stderr = sys.__stderr__ = open(2, "w", buffering=1, errors="backslashreplace", closefd=False)  # type: ignore[misc] # noqa: SIM115
    os.environ.clear()
    environment = request["env"]
    os.environ.update({**kept, **environment} if isinstance(environment, dict) else kept)
    os.chdir(str(request["cwd"]))
    tempfile.tempdir = None
    signal.signal(signal.SIGINT, signal.default_int_handler)


def main() -> None:
    """Import a program, and fork it whenever it is asked for: `python -m tests.support.nursery_process PROGRAM FD`."""
    program, fd = sys.argv[1], int(sys.argv[2])
    before = dict(os.environ)
    if program == "dispatch-phone":
        os.environ.setdefault("GRPC_VERBOSITY", "NONE")  # as its `main` does, before grpc is there
    start = importlib.import_module(MAINS[program]).main
    for name in IMPORTS[program]:
        importlib.import_module(name)
    # What importing has set stays set: it is read when gRPC is first used.
    kept = {name: value for name, value in os.environ.items() if before.get(name) != value}
    gc.collect()
    gc.freeze()
    sys.path[0] = str(Path(sys.executable).parent)  # where the script of an executed program lies
    words = _serve(socket.socket(fileno=fd), kept)
    sys.argv = list(words)
    own = sys.modules["__main__"]
    own.__package__, own.__spec__, own.__file__ = None, None, words[0]  # from which a command line has its name
    start()


if __name__ == "__main__":
    main()
