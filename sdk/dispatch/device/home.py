"""The folder in which all state of one device lives, and the lock that makes one process its owner."""

from __future__ import annotations

import contextlib
import hashlib
import os
import socket
import stat
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import platformdirs

from dispatch import errors
from dispatch.storing import storing

# A Unix socket's path must fit into 108 bytes, on some systems 104.
_SOCKET_PATH_BYTES = 100
_LOOK_AGAIN_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class Home:
    """One device's folder, readable by its owner only."""

    path: Path
    passphrase_file: Path | None = None
    """What opens its sealed keys."""
    keyring_service: str = ""
    """The name of its secrets in the operating system's keyring; empty for a home that was named: it never goes there."""

    @classmethod
    def at(cls, given: str | None, *, app: str, passphrase_file: Path | None = None) -> Home:
        """Find the home: the given folder (`--home`, DISPATCH_HOME), or the platform's place for `app`. Creates nothing."""
        path = Path(given).expanduser().absolute() if given else Path(platformdirs.user_data_dir(app, False))
        return cls(path, passphrase_file, "" if given else app)

    def create(self) -> None:
        """Make the folder, or close it to others. Raises StoreFailed."""
        with storing(self.path):
            self.path.mkdir(parents=True, exist_ok=True, mode=0o700)
            self.path.chmod(0o700)

    def __truediv__(self, name: str) -> Path:
        return self.path / name

    def socket(self) -> Path:
        """Give the path of the owner's socket. Stands elsewhere when the home's own path is too long for a socket."""
        inside = self.path / "control.sock"
        if len(os.fsencode(inside)) <= _SOCKET_PATH_BYTES:
            return inside
        digest = hashlib.sha256(os.fsencode(self.path)).hexdigest()[:16]
        name = f"dispatch-{os.getuid()}/{digest}.sock"
        # The temporary folder may be deep itself; /tmp is the last resort on every Unix.
        bases = (Path(tempfile.gettempdir()), Path("/tmp"))  # noqa: S108 -- checked below to be ours alone
        outside = next((base / name for base in bases if len(os.fsencode(base / name)) <= _SOCKET_PATH_BYTES), None)
        if outside is None:
            raise errors.StoreFailed(f"{self.path} is too long a path for a socket")
        _make_private(outside.parent)
        return outside

    @contextlib.contextmanager
    def owned(self, *, patience_seconds: float = 0.0) -> Iterator[None]:
        """Own the home for as long as the context lasts. Raises HomeInUse when another process does.

        One that serves at the socket stays, so that is said at once; a command is over soon, and is waited for this long.
        """
        import fcntl  # noqa: PLC0415 -- not on every platform; only owning needs it

        self.create()
        with storing(self.path):
            descriptor = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            until = time.monotonic() + patience_seconds
            while True:
                try:
                    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    if time.monotonic() >= until or self.is_served():
                        raise errors.HomeInUse(str(self.path)) from None
                time.sleep(_LOOK_AGAIN_SECONDS)
            yield
        finally:
            os.close(descriptor)

    def is_served(self) -> bool:
        """Tell whether somebody answers at the socket; one that was killed leaves a file there and does not."""
        with socket.socket(socket.AF_UNIX) as caller, contextlib.suppress(OSError):
            caller.settimeout(_LOOK_AGAIN_SECONDS)
            caller.connect(str(self.socket()))
            return True
        return False


def _make_private(folder: Path) -> None:
    with storing(folder):
        folder.mkdir(mode=0o700, exist_ok=True)
        found = folder.lstat()
    if found.st_uid != os.getuid() or found.st_mode & 0o077 or not stat.S_ISDIR(found.st_mode):
        raise errors.StoreFailed(f"{folder} is not ours alone")


def read_private(path: Path) -> bytes | None:
    """Read a file that only its owner can read; None when there is none. Raises StoreFailed."""
    with storing(path):
        try:
            mode = path.stat().st_mode
            content = path.read_bytes()
        except FileNotFoundError:
            return None
    if mode & 0o077:
        raise errors.StoreFailed(f"{path} can be read by others: chmod 600 it, then unpair and pair again")
    return content


def write_private(path: Path, content: bytes) -> None:
    """Write a file that only its owner can read: aside, to the disk, then renamed. Raises StoreFailed."""
    aside = path.with_name(f".{path.name}.new")
    with storing(path):
        descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            os.fchmod(descriptor, 0o600)
            view = memoryview(content)
            while view:
                view = view[os.write(descriptor, view) :]
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        aside.replace(path)
        folder = os.open(path.parent, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
