"""Reads the owner's own external agents from `agents.toml` in the host's home. docs/external-agents.md has the form.

Every mistake is a sentence with its place; what is sound is taken all the same. No value of a secret is read here.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dispatch_host.agents.acp.presets import Preset

FILE = "agents.toml"
_MOST_BYTES = 256 * 1024
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,31}")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}")
_KEYS = {"title", "command", "read", "write", "network", "variables", "secrets"}


@dataclass(frozen=True, slots=True)
class Own:
    """What the file has."""

    presets: Sequence[Preset] = ()
    mistakes: Mapping[str, str] = field(default_factory=dict)
    """Of each agent that can't be used, what is wrong; under an empty name, of the file as a whole."""


def read_own(path: Path) -> Own:
    """Read the file; one that is not there has none."""
    try:
        with open(path, "rb") as file:
            data = file.read(_MOST_BYTES + 1)
        if len(data) > _MOST_BYTES:
            return Own(mistakes={"": f"{FILE} is longer than 256 KiB."})
        said = tomllib.loads(data.decode())
    except FileNotFoundError:
        return Own()
    except OSError as failure:
        return Own(mistakes={"": f"{FILE} can't be read: {failure.strerror}."})
    except (ValueError, RecursionError) as mistake:
        return Own(mistakes={"": f"{FILE} is no TOML: {mistake}."})
    tables = said.get("acp", {})
    if not isinstance(tables, dict):
        return Own(mistakes={"": f"{FILE}: acp is no table; write [acp.NAME]."})
    presets: list[Preset] = []
    mistakes: dict[str, str] = {}
    for name, table in tables.items():
        found = _preset(name, table)
        if isinstance(found, Preset):
            presets.append(found)
        else:
            mistakes[name if _NAME.fullmatch(name) else ""] = f"{FILE}, [acp.{name}]: {found}."
    return Own(presets, mistakes)


def _preset(name: str, table: Any) -> Preset | str:
    """Make one preset, or say what is wrong as the end of a sentence."""
    if not _NAME.fullmatch(name):
        return "a name is at most 32 of a-z, 0-9 and -"
    if not isinstance(table, dict):
        return "it is no table"
    if unknown := sorted(set(table) - _KEYS):
        return f"nobody knows {', '.join(unknown)}"
    title, command, network = table.get("title", name), table.get("command"), table.get("network", True)
    if not isinstance(title, str) or not title.isprintable() or not 0 < len(title) <= 80:
        return "title is a short text"
    if not _are_texts(command) or not command or not command[0]:
        return 'command is a list of texts, as in ["/opt/mine/agent", "--acp"]'
    if not isinstance(network, bool):
        return "network is true or false"
    read, write, variables = (table.get(key, []) for key in ("read", "write", "variables"))
    if not _are_texts(read) or not _are_texts(write) or not all(_is_path(path) for path in (*read, *write)):
        return "read and write are lists of folders, each beginning with / or ~/"
    if not _are_texts(variables) or not all(_VARIABLE.fullmatch(one) for one in variables):
        return "variables is a list of their names"
    secrets = table.get("secrets", {})
    if not isinstance(secrets, dict) or not all(
        _VARIABLE.fullmatch(one) and isinstance(path, str) and _is_path(path) for one, path in secrets.items()
    ):
        return "secrets has a file for each variable, beginning with / or ~/"
    return Preset(
        name=name,
        title=title,
        command=tuple(command),
        read=tuple(read),
        write=tuple(write),
        network=network,
        variables=tuple(variables),
        secrets=secrets,
    )


def _are_texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(one, str) and "\0" not in one for one in value)


def _is_path(text: str) -> bool:
    return text.startswith(("/", "~/")) and "\0" not in text and ".." not in text.split("/")
