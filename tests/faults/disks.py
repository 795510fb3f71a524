"""The disks of a laboratory: one for each part, which can be filled, made read-only and spoilt.

A disk is a tmpfs where one can be mounted, otherwise a folder. Knows of a part no more than where it keeps what it must not
lose. Called by `laboratory` and `faults`.
"""

from __future__ import annotations

import contextlib
import os
import resource
import shutil
import sqlite3
import subprocess
from pathlib import Path

from tests.faults.network import Part

DISK_BYTES = 24 * 1024 * 1024
_PAGE = 4096
_STORES = {Part.PAIRING: "pairing.db", Part.RELAY: "relay.sqlite3", Part.HOST: "journal.db", Part.PHONE: "phone.db"}
_FOLDERS = {Part.PHONE: "pocket", Part.HOST: "desk", Part.RELAY: "relay", Part.PAIRING: "pairing"}


class Disks:
    """The disks in a folder. `make` makes them, `close` gives them back."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._mounted: list[Path] = []
        self._spoiled: dict[Part, bytes] = {}

    def make(self) -> None:
        """Give each part an empty disk."""
        for part in _FOLDERS:
            self.of(part).mkdir()
            if cannot_mount() is None:
                words = ["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES},mode=700", "tmpfs", str(self.of(part))]
                subprocess.run(words, check=True)
                self._mounted.append(self.of(part))

    def close(self) -> None:
        """Give them back, also those that a process still holds."""
        for disk in self._mounted:
            subprocess.run(["umount", "--lazy", str(disk)], check=False)

    def of(self, part: Part) -> Path:
        """Give the folder that is a part's disk."""
        return self._folder / _FOLDERS[part]

    def store(self, part: Part) -> Path:
        """Give the database of a part."""
        return self.of(part) / _STORES[part]

    def fill(self, part: Part) -> None:
        """Leave no free byte on a part's disk."""
        with contextlib.suppress(OSError), (self.of(part) / "filler").open("wb", buffering=0) as filler:
            for size in (1024 * 1024, _PAGE):
                with contextlib.suppress(OSError):
                    while filler.write(bytes(size)) == size:
                        pass

    def make_room(self, part: Part) -> None:
        """Free the disk again."""
        (self.of(part) / "filler").unlink(missing_ok=True)

    def remount(self, part: Part, *, writable: bool) -> None:
        """Make the disk of a part that is down read-only, or writable again."""
        options = "remount,rw" if writable else "remount,ro"
        subprocess.run(["mount", "-o", options, str(self.of(part))], check=True)

    def spoil(self, part: Part) -> None:
        """Overwrite the first page of a part's store. The part is down."""
        store = self.store(part)
        with contextlib.closing(sqlite3.connect(store)) as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        with store.open("r+b") as file:
            self._spoiled[part] = file.read(_PAGE)
            file.seek(100)  # behind the header: it still looks like a database
            file.write(b"\xa5" * (_PAGE - 100))

    def restore(self, part: Part) -> None:
        """Put the page back as it was."""
        page = self._spoiled.pop(part, None)
        if page is not None:
            with self.store(part).open("r+b") as file:
                file.write(page)


def let_write(pid: int, *, may: bool) -> None:
    """Fail every write of a running process to a file, or let them succeed again."""
    _, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (hard if may else 0, hard))


def cannot_mount() -> str | None:
    """Say why no disk of its own can be made for a part; None when it can."""
    if os.geteuid() != 0 or shutil.which("mount") is None:
        return "a disk of its own is a tmpfs, which takes root (or unshare) to mount"
    return None
