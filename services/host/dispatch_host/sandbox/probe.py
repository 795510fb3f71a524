"""Whether this computer can confine programs: found by confining one.

Called by the terminal when the first program is to start, and until there is a sandbox at each; and by doctor.
"""

from __future__ import annotations

import contextlib
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from dispatch_host.sandbox.bubblewrap import Bubblewrap
from dispatch_host.sandbox.program import Exit, Limits, NoProgram, Output, Program, Programs
from dispatch_host.scope.folder import Folder
from dispatch_host.scope.kept import KeptOut

# Not the PATH of whoever starts the host: a folder of theirs could have another bwrap in it.
_SYSTEM_PATH = "/usr/local/bin:/usr/bin:/bin:/run/current-system/sw/bin"
_SYSTEM = Path("/usr")
_ANYTHING = Program(("/bin/sh", "-c", ":"), _SYSTEM)
_SECONDS = 20.0
_SAID_CHARACTERS = 200
# What bubblewrap says, and what it means for a person.
_MEANS = (
    ("namespace", "This system lets nobody make user namespaces, which bubblewrap needs."),
    ("setting up uid map", "This system lets nobody make user namespaces, which bubblewrap needs."),
    ("Unknown option", "The bubblewrap that is installed is too old: it can't bind an opened folder."),
)


@dataclass(frozen=True, slots=True)
class Found:
    """What the probe found: a way to start programs, or why there is none."""

    programs: Programs | None
    why: str = ""
    advice: str = ""


async def probe(
    *,
    home: Path,
    keep_out: Sequence[Path | KeptOut] = (),
    environment: Mapping[str, str] | None = None,
    path: str = _SYSTEM_PATH,
    platform: str = sys.platform,
) -> Found:
    """Confine a program that does nothing. The arguments are Bubblewrap's; `path` is where bwrap is looked for."""
    if platform != "linux":
        return Found(None, "There is no sandbox for this system yet.")
    executable = shutil.which("bwrap", path=path)
    if executable is None:
        return Found(
            None,
            "bubblewrap is not installed.",
            "Install it (the package is called bubblewrap).",
        )
    programs = Bubblewrap(executable, home=home, keep_out=keep_out, environment=environment)
    said = b""
    try:
        running = programs.run(_ANYTHING, folders=[Folder(_SYSTEM)], network=False, limits=Limits(seconds=_SECONDS))
        async with contextlib.aclosing(running) as events:
            async for event in events:
                if isinstance(event, Output):
                    said = (said + event.data)[:_SAID_CHARACTERS]
                if isinstance(event, Exit) and event.code == 0:
                    return Found(programs)
    except (NoProgram, OSError) as failure:
        said = str(failure).encode()
    words = said.decode(errors="replace").strip()
    means = next(
        (meaning for sign, meaning in _MEANS if sign in words), f"bubblewrap can't confine programs here: {words}"
    )
    return Found(None, means, "See docs/permissions.md, the sandbox.")
