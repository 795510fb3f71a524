"""A real NATS server of the test's own, that can be killed and started again.

A test has one (`with NatsServer.running() as server`): it is there in a few hundredths of a second, and keeps nothing.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from dispatch.tls import KeyFiles

from tests.support.ports import address_to_come_back_to
from tests.support.waiting import DEADLINE_SECONDS

USER = "dispatch"


def program() -> str:
    """Find nats-server. Without one the test is skipped, or fails where servers are required."""
    found = shutil.which("nats-server") or shutil.which("nats-server", path="/usr/sbin:/usr/local/sbin")
    if found is not None:
        return found
    why = "NATS is not installed: no `nats-server` on the path"
    if os.environ.get("DISPATCH_REQUIRE_SERVERS") == "1":
        pytest.fail(why)
    pytest.skip(why)


class NatsServer:
    """A server on loopback. Its address stays the same when it comes back."""

    def __init__(self, folder: Path, *, tls: KeyFiles | None = None, callers: Path | None = None) -> None:
        self.folder = folder
        self.host, _, port = address_to_come_back_to().rpartition(":")
        self.port = int(port)
        self.password = secrets.token_hex(16)
        self._program = program()
        self._tls = tls
        self._callers = callers
        self._process: subprocess.Popen[bytes] | None = None

    @classmethod
    @contextlib.contextmanager
    def running(cls, *, tls: KeyFiles | None = None, callers: Path | None = None) -> Iterator[NatsServer]:
        """Make one and run it, with `tls` over TLS; stopped and gone at the end. `callers` is whose certificates it wants."""
        with tempfile.TemporaryDirectory(prefix="nats-") as name:
            server = cls(Path(name), tls=tls, callers=callers)
            try:
                server.start()
                yield server
            finally:
                server.kill()

    @property
    def url(self) -> str:
        """The address with user and password."""
        return f"{'nats' if self._tls is None else 'tls'}://{USER}:{self.password}@{self.host}:{self.port}"

    def address_file(self, path: Path) -> Path:
        """Write the address into a file that only its user may read, as `--bus` wants it."""
        path.touch(mode=0o600)
        path.write_text(self.url + "\n")
        return path

    def start(self) -> None:
        """Run it, and wait until it answers."""
        assert self._process is None, "it runs already"
        settings = self.folder / "settings"
        settings.touch(mode=0o600)
        settings.write_text(self._settings())
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [self._program, "-c", str(settings)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        deadline = time.monotonic() + DEADLINE_SECONDS
        while not self._answers():
            assert self._process.poll() is None, f"nats-server ended: {self._said()}"
            assert time.monotonic() < deadline, f"nats-server does not begin: {self._said()}"
            time.sleep(0.02)

    def revive(self) -> None:
        """Start it if it does not run: what a test leaves behind that failed while it was away."""
        if self._process is None or self._process.poll() is not None:
            self._process = None
            self.start()

    def kill(self) -> None:
        """End it at once. Does nothing where it does not run."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait(DEADLINE_SECONDS)

    def freeze(self) -> None:
        """Let it stand still: it is there and says nothing."""
        self._running.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        self._running.send_signal(signal.SIGCONT)

    @property
    def _running(self) -> subprocess.Popen[bytes]:
        assert self._process is not None
        return self._process

    def _settings(self) -> str:
        lines = [
            f"listen: {self.host}:{self.port}",
            f'authorization {{ user: {USER}, password: "{self.password}" }}',
        ]
        if self._tls is not None:
            verified = "" if self._callers is None else f', ca_file: "{self._callers}", verify: true'
            lines.append(f'tls {{ cert_file: "{self._tls.certificate}", key_file: "{self._tls.key}"{verified} }}')
        return "\n".join(lines) + "\n"

    def _answers(self) -> bool:
        with contextlib.suppress(OSError), socket.create_connection((self.host, self.port), timeout=1) as probe:
            return probe.recv(4) == b"INFO"
        return False

    def _said(self) -> str:
        return (self.folder / "log").read_text(errors="replace")[-2_000:]
