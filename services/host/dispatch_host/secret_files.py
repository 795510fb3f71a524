"""Which files hold secrets of the owner's by what the settings name: the model's key, those of external agents and of connectors.

Read from the files as they are, also where something else in them is a mistake: a secret is one before its settings are right.
Where a file is no TOML or JSON at all, whatever in it could name a file does.
Called by `owned`, for what is kept from agents. Knows where the settings lie and how they name files; not what they mean.
"""

from __future__ import annotations

import json
import os
import re
import stat
import threading
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

AGENTS, CONNECTORS = "agents.toml", "connectors.json"
KEY_VARIABLE = "DISPATCH_HOST_LLM_KEY_FILE"
_MOST_BYTES = 1024 * 1024
_IN_CONNECTORS = re.compile(r"\$\{file:([^}]+)\}")
# What could be a path, to the end of its line or its quotes: the mistake may be the quotation mark that is missing.
_COULD_BE = re.compile(r"""(?<![^\s"'=:,;\[{(])~?/[^"'\r\n}]*""")
_EXECUTABLE = 0o011  # by others: a secret that is one is for its owner alone

_Stamp: TypeAlias = tuple[int, int, int]


class SecretFiles:
    """The secret files of one home. Called for what they are now; reads the settings again when they changed."""

    def __init__(self, home: Path, *, environment: Mapping[str, str], owners_home: Path) -> None:
        """`home` is the host's, `owners_home` what `~` means, `environment` that of `run`."""
        self._settings: Sequence[tuple[Path, Callable[[bytes], Iterator[str]]]] = (
            (home / AGENTS, _of_agents),
            (home / CONNECTORS, _of_connectors),
        )
        self._owners_home = owners_home
        self._of_environment = [environment[KEY_VARIABLE]] if environment.get(KEY_VARIABLE) else []
        self._lock = threading.Lock()
        # Guarded by the lock.
        self._read: dict[Path, tuple[_Stamp, Sequence[str]]] = {}

    def __call__(self) -> Sequence[Path]:
        """Give the files that are named now. What is gone names what it named when it was there."""
        with self._lock:
            said = [*self._of_environment, *(one for file, names in self._settings for one in self._of(file, names))]
        return [self._path(one) for one in dict.fromkeys(said)]

    def _of(self, file: Path, names: Callable[[bytes], Iterator[str]]) -> Sequence[str]:
        _, known = self._read.get(file, (None, ()))
        try:
            facts = os.stat(file)
            stamp = facts.st_mtime_ns, facts.st_size, facts.st_ino
            if file in self._read and self._read[file][0] == stamp:
                return known
            with open(file, "rb") as source:
                content = source.read(_MOST_BYTES)
        except OSError:
            return known  # gone
        try:
            found = list(names(content))
        except (ValueError, RecursionError):
            # Written just now, or with a mistake in it: after a restart there is nothing else to go by. Not remembered: which of
            # these are files may change before the settings do.
            return [*known, *(one for one in _of_anything(content) if self._could_be_secret(one))]
        self._read[file] = stamp, found
        return found

    def _could_be_secret(self, said: str) -> bool:
        """Tell a file that could hold a secret from a folder and a program, which stay there for agents."""
        try:
            mode = os.stat(self._path(said)).st_mode
        except OSError:
            return False
        return stat.S_ISREG(mode) and not mode & _EXECUTABLE

    def _path(self, said: str) -> Path:
        return self._owners_home / said[2:] if said.startswith("~/") else Path(os.path.expanduser(said)).absolute()


def _of_agents(content: bytes) -> Iterator[str]:
    said = tomllib.loads(content.decode())
    yield from _texts([_table(said.get("llm")).get("key_file")])
    for agent in _table(said.get("acp")).values():
        yield from _texts(_table(_table(agent).get("secrets")).values())


def _of_connectors(content: bytes) -> Iterator[str]:
    inner = [json.loads(content)]
    while inner:
        one = inner.pop()
        if isinstance(one, dict | list):
            inner += one.values() if isinstance(one, dict) else one
        elif isinstance(one, str):
            yield from _texts(_IN_CONNECTORS.findall(one))


def _of_anything(content: bytes) -> Iterator[str]:
    text = content.decode(errors="surrogateescape").replace("\\/", "/")
    for one in _texts(_COULD_BE.findall(text)):
        # Without quotes it ends somewhere before the line does.
        yield from dict.fromkeys((one, one.strip(), re.split(r"[\s,;#\])]", one, maxsplit=1)[0]))


def _table(said: Any) -> Mapping[str, Any]:
    return said if isinstance(said, dict) else {}


def _texts(found: Iterable[Any]) -> Iterator[str]:
    return (one for one in found if isinstance(one, str) and one and "\0" not in one)
