"""Whether a connector's program is the owner's own: what it is started from lies nowhere where agents may write.

It runs outside of the sandbox and has secrets. What an agent wrote, as a change that a person said yes to, would be started as
the owner with the next use. Called before each start, and when permissions change. docs/connectors.md.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from dispatch_host.connectors.definition import ByProgram
from dispatch_host.scope.theirs import agents_may_write_to, lies_where_agents_write

_PIECES = re.compile(r"[=:,;]")  # --from=/a, /a:/b, file:///a


def not_the_owners(
    how: ByProgram, places: Sequence[Path], *, home: Path, environment: Mapping[str, str]
) -> Sequence[str]:
    """Name the keys by which a program leads to where agents may write; none for one that is the owner's own.

    `environment` is the host's, `home` what a path in the file begins from. Every word that could be a path counts as one: which
    of them a program takes its code from, nobody but the program knows.
    """
    named = dict.fromkeys(key for key, path in _paths(how, home, environment) if _is_theirs(path, places, home=home))
    return list(named)


def _is_theirs(path: Path, places: Sequence[Path], *, home: Path) -> bool:
    # What is above the whole home says nothing of what in it is meant.
    return (lies_where_agents_write if home.is_relative_to(path) else agents_may_write_to)(path, places)


def _paths(how: ByProgram, home: Path, environment: Mapping[str, str]) -> Iterator[tuple[str, Path]]:
    cwd = home / how.cwd.removeprefix("~/")
    env = {name: template.filled_openly(environment) for name, template in how.env.items()}
    path = env.get("PATH", environment.get("PATH", os.defpath))
    yield "cwd", cwd
    found = how.command if "/" in how.command else shutil.which(how.command, path=path)
    if found is not None:
        yield "command", cwd / found
    for index, word in enumerate(how.args):
        before = how.args[index - 1] if index else ""
        for one in _in_word(word.split(".")[0] if before == "-m" else word, cwd, home):
            yield f"args[{index}]", one
    for name, value in env.items():
        for one in _in_word(value, cwd, home):
            yield f"env.{name}", one
    for folder in path.split(os.pathsep):
        # A program that it starts, and it by itself, is looked for in each.
        yield "PATH", cwd / folder / "program"


def _in_word(word: str, cwd: Path, home: Path) -> Iterator[Path]:
    for piece in dict.fromkeys((word, *_PIECES.split(word))):
        if piece and "\0" not in piece:
            said = re.sub(r"^/+", "/", piece)
            yield home / said[2:] if said.startswith("~/") else cwd / said
