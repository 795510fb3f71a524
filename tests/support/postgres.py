"""A real PostgreSQL of the test's own, in a temporary folder, that can be killed and started again.

A module or a session has one (`with PostgresServer.running() as server`), each test a database of its own in it
(`await server.new_database()`). Nothing of it is synced to the disk: what is killed is the server, not the computer.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import pwd
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest

from tests.support.ports import address_to_come_back_to
from tests.support.waiting import DEADLINE_SECONDS

USER = "dispatch"
_INSTALLED = Path("/usr/lib/postgresql")
"""Where Debian puts the programs of each version; they are not on the path."""
_QUIET = (
    *("-c", "fsync=off", "-c", "full_page_writes=off", "-c", "shared_buffers=16MB", "-c", "max_connections=200"),
    *("-c", "autovacuum=off", "-c", "logging_collector=off", "-c", "log_destination=stderr"),
)


def programs() -> Path:
    """Find the folder of initdb and postgres. Without one the test is skipped, or fails where servers are required."""
    versions = sorted(_INSTALLED.glob("*/bin/postgres"), key=lambda path: int(path.parts[-3]), reverse=True)
    found = shutil.which("postgres") or next((str(path) for path in versions), None)
    if found is not None:
        return Path(found).resolve().parent
    why = "PostgreSQL is not installed: no `postgres` on the path, none in /usr/lib/postgresql"
    if os.environ.get("DISPATCH_REQUIRE_SERVERS") == "1":
        pytest.fail(why)
    pytest.skip(why)


def _unprivileged() -> int | None:
    """Give the user that the server runs as, None for ours: PostgreSQL does not run as root."""
    if os.getuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name).pw_uid
    raise AssertionError("neither a user postgres nor nobody")


class PostgresServer:
    """A server on loopback. Its address stays the same when it comes back."""

    def __init__(self, folder: Path, bin_folder: Path) -> None:
        self.folder = folder
        self.host, _, port = address_to_come_back_to().rpartition(":")
        self.port = int(port)
        self.password = secrets.token_hex(16)
        self._bin = bin_folder
        self._uid = _unprivileged()
        self._process: subprocess.Popen[bytes] | None = None
        self._numbers = itertools.count(1)

    @classmethod
    @contextlib.contextmanager
    def running(cls) -> Iterator[PostgresServer]:
        """Make one and run it; stopped and gone at the end."""
        bin_folder = programs()
        # Not in pytest's folders, which no other user may enter; and a socket's path must be short.
        with tempfile.TemporaryDirectory(prefix="pg-", ignore_cleanup_errors=True) as name:
            server = cls(Path(name), bin_folder)
            server._make()
            try:
                server.start()
                yield server
            finally:
                server.kill()

    def _make(self) -> None:
        secret = self.folder / "password"
        secret.touch(mode=0o600)
        secret.write_text(self.password)
        if self._uid is not None:
            for path in (self.folder, secret):
                os.chown(path, self._uid, -1)
        done = subprocess.run(
            [
                *(str(self._bin / "initdb"), "--pgdata", str(self.folder / "data"), "--username", USER),
                *("--auth=scram-sha-256", f"--pwfile={secret}", "--no-sync", "--encoding=UTF8", "--no-locale"),
            ],
            capture_output=True,
            check=False,
            user=self._uid,
            cwd=self.folder,
            timeout=DEADLINE_SECONDS * 2,
        )
        assert done.returncode == 0, done.stderr.decode()

    # ---- its life

    def start(self) -> None:
        """Run it, and wait until it lets somebody in; one that ends before is begun again, as a service manager does."""
        assert self._process is None, "it runs already"
        deadline = time.monotonic() + DEADLINE_SECONDS
        process = self._begin()
        while not self._ready(process):
            if time.monotonic() > deadline:
                process.kill()
                raise AssertionError(f"postgres does not begin: {self._said()}")
            time.sleep(0.02)
            if process.poll() is not None:
                process = self._begin()
        self._process = process

    def revive(self) -> None:
        """Start it if it does not run: what a test leaves behind that failed while it was away."""
        if self._process is None or self._process.poll() is not None:
            self._process = None
            self.start()

    def _begin(self) -> subprocess.Popen[bytes]:
        with (self.folder / "log").open("ab") as log:
            return subprocess.Popen(
                [
                    *(str(self._bin / "postgres"), "-D", str(self.folder / "data"), "-p", str(self.port)),
                    *("-c", f"listen_addresses={self.host}", "-c", f"unix_socket_directories={self.folder}", *_QUIET),
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                user=self._uid,
                cwd=self.folder,
                start_new_session=True,
            )

    def _ready(self, process: subprocess.Popen[bytes]) -> bool:
        with contextlib.suppress(OSError):
            lines = (self.folder / "data" / "postmaster.pid").read_text().splitlines()
            # The eighth line is how it is, and the first whose word it is: one that was killed leaves the file.
            return len(lines) >= 8 and lines[0] == str(process.pid) and lines[7].strip() == "ready"
        return False

    def _said(self) -> str:
        return (self.folder / "log").read_text(errors="replace")[-2_000:]

    def stop(self) -> None:
        """End it in order: sessions are cut, what was committed is written down."""
        self._end(signal.SIGINT)

    def kill(self) -> None:
        """End it at once, as a crash does: the next start has to recover. Does nothing where it does not run."""
        self._end(signal.SIGQUIT)

    def _end(self, how: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.send_signal(how)
            process.wait(DEADLINE_SECONDS)

    # ---- databases

    def address(self, database: str) -> str:
        """Give the address of a database, with its password."""
        return f"postgresql://{USER}:{self.password}@{self.host}:{self.port}/{database}"

    def address_file(self, database: str, path: Path) -> Path:
        """Write the address into a file that only its user may read, as `--database` wants it."""
        path.touch(mode=0o600)
        path.write_text(self.address(database) + "\n")
        return path

    async def new_database(self, *, template: str = "template1") -> str:
        """Make a database and give its name. `template` is one that nobody is connected to: all in it is in the new one."""
        name = f"t{next(self._numbers)}"
        db = await asyncpg.connect(self.address("postgres"))
        try:
            await db.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
        finally:
            await db.close()
        return name

    async def cut(self, database: str, *, where: str = "true") -> int:
        """End sessions of a database from the server's side, and give how many: `where` picks rows of pg_stat_activity."""
        db = await asyncpg.connect(self.address("postgres"))
        try:
            cut: int = await db.fetchval(
                f"SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = $1 AND ({where})",  # noqa: S608 -- the test's own words
                database,
            )
        finally:
            await db.close()
        return cut

    def dump(self, database: str, file: Path) -> None:
        """Write a backup of a database, also while it is used: as docs/backup.md tells operators to."""
        self._tool("pg_dump", "--format=custom", f"--file={file}", database)

    async def restore(self, file: Path) -> str:
        """Put a backup into an empty database, and give the name of that."""
        name = await self.new_database()
        await asyncio.to_thread(self._tool, "pg_restore", "--exit-on-error", f"--dbname={name}", str(file))
        return name

    def _tool(self, program: str, *words: str) -> None:
        place = ("--host", self.host, "--port", str(self.port), "--username", USER, "--no-password")
        done = subprocess.run(
            [str(self._bin / program), *place, *words],
            env={**os.environ, "PGPASSWORD": self.password},
            capture_output=True,
            check=False,
            timeout=DEADLINE_SECONDS,
        )
        assert done.returncode == 0, done.stderr.decode()
