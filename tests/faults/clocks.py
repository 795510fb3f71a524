"""The wall clocks of a laboratory's parts, set by Debian's `faketime`. Called by `laboratory` and `faults`."""

from __future__ import annotations

import ctypes.util
from pathlib import Path

from tests.faults.network import Part

_LIBRARIES = ("/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1", "/usr/lib/faketime/libfaketime.so.1")


class Clocks:
    """Whose clock can be set: a part's that was started with `environment` when it was wanted."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._wanted: set[Part] = set()

    def want(self, part: Part, *, wanted: bool) -> None:
        """Let the clock of a part be one that can be set, or its own again, from its next start on."""
        self.set(part, 0)
        if wanted:
            self._wanted.add(part)
        else:
            self._wanted.discard(part)

    def set(self, part: Part, seconds: int) -> None:
        """Let the wall clock of a part jump to so many seconds from the true time. It was started for that."""
        aside = self._folder / f"{part}.clock.new"
        aside.write_text(f"{seconds:+d}\n")
        aside.rename(self._folder / f"{part}.clock")

    def environment(self, part: Part) -> dict[str, str]:
        """Give what the process of a part is started with; empty for a clock of its own."""
        library = faketime()
        if part not in self._wanted or library is None:
            return {}
        return {
            "LD_PRELOAD": library,
            "FAKETIME_TIMESTAMP_FILE": str(self._folder / f"{part}.clock"),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            # With the library's own guess a Python of several threads stands still whenever two of them want to run.
            "FAKETIME_FORCE_MONOTONIC_FIX": "0",
        }


def faketime() -> str | None:
    """Find Debian's libfaketime; None when it is missing."""
    found = [path for path in _LIBRARIES if Path(path).exists()]
    return found[0] if found else ctypes.util.find_library("faketime")
