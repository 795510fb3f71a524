"""Whether a connector's program is the owner's own: what it is started from lies nowhere where agents may write.

It runs outside of the sandbox, or has secrets. What an agent wrote, as a change that a person said yes to, would be started as
the owner, or get them, with the next use. Called before each start, and when permissions change. docs/connectors.md.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from dispatch_host.connectors.definition import ByProgram
from dispatch_host.scope.leading import code_in, paths_in
from dispatch_host.scope.theirs import is_theirs

HAS_CODE = " has code"
"""Stands behind the key of a word that is refused for nothing but that."""


def not_the_owners(
    how: ByProgram, places: Sequence[Path], *, home: Path, environment: Mapping[str, str]
) -> Sequence[str]:
    """Name the keys by which a program leads to where agents may write; none for one that is the owner's own.

    `environment` is the host's, `home` what a path in the file begins from. Every word that could be a path counts as one: which
    of them a program takes its code from, nobody but the program knows. Code among the words counts as leading everywhere,
    unless the owner says that it does not.
    """
    named = dict.fromkeys(key for key, path in _paths(how, home, environment) if is_theirs(path, places, home=home))
    code = code_in((how.command, *how.args)) if places and not how.ours else ()
    return [*named, *(f"{f'args[{place - 1}]' if place else 'command'}{HAS_CODE}" for place in code)]


def _paths(how: ByProgram, home: Path, environment: Mapping[str, str]) -> Iterator[tuple[str, Path]]:
    cwd = home / how.cwd.removeprefix("~/")
    env = {name: template.filled_openly(environment) for name, template in how.env.items()}
    variables = {**environment, **env}
    path = variables.get("PATH", os.defpath)
    yield "cwd", cwd
    found = how.command if "/" in how.command else shutil.which(how.command, path=path)
    if found is not None:
        yield "command", cwd / found
    words = [(f"args[{index}]", word) for index, word in enumerate(how.args)]
    for key, word in (*words, *((f"env.{name}", value) for name, value in env.items())):
        for one in paths_in(word, cwd=cwd, home=home, variables=variables):
            yield key, one
    for folder in path.split(os.pathsep):
        # A program that it starts, and it by itself, is looked for in each.
        yield "PATH", cwd / folder / "program"
