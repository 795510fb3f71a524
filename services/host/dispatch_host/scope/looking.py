"""What a person should know of a folder before programs get it: looked for when it is approved, and said then.

Called by the commands that approve folders. A look and no promise: what comes later is not seen, and it ends after so many entries.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path

from dispatch_host.scope.names import shown
from dispatch_host.scope.own_code import holds_any

_LOOKED_AT = 20_000  # entries
_TOLD = 3
_HOLDS_CODE = "It holds the code of this host itself: that stays as it is for agents and for programs in the sandbox."


def warnings_of(path: Path, *, writable: bool, code: Sequence[Path], most: int = _LOOKED_AT) -> Iterator[str]:
    """Give what to say about a folder; `code` is the host's own."""
    if writable and holds_any(path, code):
        yield _HOLDS_CODE
    sockets = sockets_in(path, most=most)
    if sockets:
        named = ", ".join(shown(os.path.relpath(one, path)) for one in sockets[:_TOLD])
        more = f" and {len(sockets) - _TOLD} more" if len(sockets) > _TOLD else ""
        yield (
            f"It holds sockets ({named}{more}): with the permission network, programs may speak to whoever listens on them, "
            "such as a container engine or an agent of keys."
        )


def sockets_in(path: Path, *, most: int = _LOOKED_AT) -> list[Path]:
    """List the sockets in a folder, the upper ones first, among so many entries. Follows no link."""
    found: list[Path] = []
    waiting = [path]
    for folder in waiting:
        try:
            entries = os.scandir(folder)
        except OSError:
            continue
        with entries:
            for entry in entries:
                if (most := most - 1) < 0:
                    return found
                try:
                    mode = entry.stat(follow_symlinks=False).st_mode
                except OSError:
                    continue
                if stat.S_ISSOCK(mode):
                    found.append(Path(entry.path))
                elif stat.S_ISDIR(mode):
                    waiting.append(Path(entry.path))
    return found
