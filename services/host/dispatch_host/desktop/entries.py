"""The menu of a Linux desktop: which applications there are, and how each is started, by the Desktop Entry Specification.

`parse` is pure; `applications` reads the folders. A person's own entries count before the system's, as the menu has it.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from dispatch_host.desktop.desktop import Application

_MOST_BYTES = 256 * 1024
_MOST_ENTRIES = 2000
_CODES = frozenset("fFuUdDnNickvm")  # what would stand for a file, an icon, a name: nothing is given


def folders(environment: Mapping[str, str]) -> Sequence[Path]:
    """List where entries are, the first counts."""
    home = environment.get("XDG_DATA_HOME") or os.path.join(environment.get("HOME", "/"), ".local/share")
    shared = environment.get("XDG_DATA_DIRS") or "/usr/local/share:/usr/share"
    return [Path(path) / "applications" for path in (home, *shared.split(":")) if path.startswith("/")]


def applications(where: Sequence[Path], *, path: str) -> list[Application]:
    """Read all entries. `path` is where programs are looked for. Blocking."""
    found: dict[str, Application | None] = {}
    for folder in where:
        for entry in _entries(folder):
            if entry.name not in found and len(found) < _MOST_ENTRIES:
                found[entry.name] = _read(entry, path)
    return sorted((one for one in found.values() if one is not None), key=lambda one: one.name.casefold())


def parse(text: str) -> Application | None:
    """Read an entry; None for one that is hidden, no application, or for a terminal."""
    said: dict[str, str] = {}
    group = ""
    for line in text.splitlines():
        if line.startswith("["):
            group = line.strip()
        elif group == "[Desktop Entry]" and "=" in line and not line.startswith("#"):
            name, _, value = line.partition("=")
            said.setdefault(name.strip(), value.strip())
    if said.get("Type") != "Application" or any(
        said.get(name) == "true" for name in ("Hidden", "NoDisplay", "Terminal")
    ):
        return None
    start = _start(said.get("Exec", ""))
    if not start or not said.get("Name"):
        return None
    return Application(said["Name"][:100], start, said.get("StartupWMClass", "")[:100])


def _start(line: str) -> tuple[str, ...]:
    """Take an Exec line apart, without what stands for files. Empty for one that can't be read."""
    try:
        words = shlex.split(line)
    except ValueError:
        return ()
    start = []
    for word in words:
        if len(word) == 2 and word[0] == "%" and word[1] in _CODES:
            continue
        start.append(word.replace("%%", "%"))
    return tuple(start)


def _entries(folder: Path) -> Iterator[Path]:
    with contextlib.suppress(OSError):
        yield from sorted(path for path in folder.iterdir() if path.suffix == ".desktop")


def _read(entry: Path, path: str) -> Application | None:
    try:
        with entry.open("rb") as file:
            application = parse(file.read(_MOST_BYTES).decode(errors="replace"))
    except OSError:
        return None
    if application is None or shutil.which(application.start[0], path=path) is None:
        return None
    return application
