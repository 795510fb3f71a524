"""Finds the program of an external agent on this computer, and what it is made of: all that is given to it to read.

Looks at files; synchronous and quick. Called when agents are listed, and when a task starts.
"""

from __future__ import annotations

import os
import shlex
import shutil
import stat
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from dispatch_host.agents.acp.presets import Preset
from dispatch_host.sandbox.arguments import SYSTEM
from dispatch_host.scope import Folder

_SYSTEM_PATH = "/usr/local/bin:/usr/bin:/bin"
_HEAD_BYTES = 512
_SECRET_BYTES = 64 * 1024


class NotInstalled(Exception):
    """The program, or something that it needs, is not on this computer. The message is a sentence for its owner."""


@dataclass(frozen=True, slots=True)
class Ready:
    """What is started, and what it gets beside the approved folders."""

    argv: tuple[str, ...] = field(repr=False)
    own: Sequence[Folder] = field(repr=False)
    variables: Mapping[str, str] = field(repr=False)


def find(preset: Preset, *, home: Path, environment: Mapping[str, str]) -> Ready:
    """Find a preset's program. `environment` is the host's; `home` the owner's. Raises NotInstalled."""
    path = os.pathsep.join((environment.get("PATH", _SYSTEM_PATH), str(home / ".local" / "bin")))
    word, *rest = preset.command
    found = shutil.which(_expanded(word, home), path=path)
    if found is None:
        raise NotInstalled(f"{preset.title} is not installed: there is no program {word!r} in PATH or ~/.local/bin.")
    argv, parts = _resolved(Path(found), path)
    given = [_within_reach(part, home) for part in parts]
    own = [Folder(part) for part in given if part is not None]
    own += [Folder(Path(_expanded(said, home)).resolve()) for said in preset.read]
    own += [Folder(path, writable=True) for path in changes(preset, home=home)]
    variables = {name: environment[name] for name in preset.variables if name in environment}
    variables |= {name: _expanded(value, home) for name, value in preset.fixed.items()}
    variables |= {name: _secret(said, name, home, preset.title) for name, said in preset.secrets.items()}
    return Ready((*argv, *rest), own, variables)


def changes(preset: Preset, *, home: Path) -> Sequence[Path]:
    """Give the folders that an agent has for itself, to change, whether it is installed or not."""
    return [Path(_expanded(said, home)).resolve() for said in preset.write]


def _expanded(said: str, home: Path) -> str:
    return str(home / said[2:]) if said.startswith("~/") else said


def _resolved(program: Path, path: str) -> tuple[tuple[str, ...], Iterator[Path]]:
    """Follow the links of a program and of its interpreter. Gives how it is started and the folders that it lies in.

    Links lead out of folders that the sandbox has, and `env` would look for the interpreter in a PATH that is not the owner's.
    """
    real = program if _in_environment(program) else program.resolve()
    words = _interpreter(real)
    if not words:
        return (str(real),), _folders([real])
    if Path(words[0]).name == "env":
        words = [word for word in words[1:] if word != "-S"]
        found = shutil.which(words[0], path=path) if words else None
        if found is None:
            raise NotInstalled(
                f"{program.name} needs {words[0] if words else 'an interpreter'!r}, which is not in PATH."
            )
        words[0] = found
    interpreter = Path(words[0])
    if not _in_environment(interpreter):
        interpreter = interpreter.resolve()
    return (str(interpreter), *words[1:], str(real)), _folders([interpreter, real])


def _interpreter(program: Path) -> list[str]:
    """Read the words after `#!`; none for what is no script."""
    try:
        with open(program, "rb") as file:
            head = file.read(_HEAD_BYTES)
    except OSError:
        return []
    line = head.split(b"\n", 1)[0]
    if not line.startswith(b"#!"):
        return []
    try:
        return shlex.split(line[2:].decode())
    except ValueError:
        return []


def _in_environment(program: Path) -> bool:
    """Tell whether it is of a Python environment, which is found by the path that it is started by."""
    return (program.parent.parent / "pyvenv.cfg").is_file()


def _folders(programs: Sequence[Path]) -> Iterator[Path]:
    for program in programs:
        yield _folder(program)
        if _in_environment(program):
            yield program.resolve().parent.parent


def _folder(program: Path) -> Path:
    """Give the folder that has all of a program: of a package its `node_modules` as a whole, else where the file lies."""
    if _in_environment(program):
        return program.parent.parent
    parts = program.parts
    if "node_modules" in parts:
        return Path(*parts[: parts.index("node_modules") + 1])
    return program.parent


def _within_reach(folder: Path, home: Path) -> Path | None:
    """Give the folder if it is to be given: not what every program has, and not a home, or what has one in it."""
    if any(folder.is_relative_to(system) for system in SYSTEM) or home.is_relative_to(folder):
        return None
    return folder


def _secret(said: str, name: str, home: Path, title: str) -> str:
    """Read a secret from the first line of its file, which only its owner may read. Raises NotInstalled."""
    try:
        descriptor = os.open(_expanded(said, home), os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)
        with open(descriptor, "rb") as file:
            facts = os.fstat(descriptor)
            if not stat.S_ISREG(facts.st_mode) or facts.st_uid not in (0, os.geteuid()):
                raise NotInstalled(f"{title} needs {name}, and what is named for it is no file of yours.")
            if facts.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
                raise NotInstalled(f"{title} needs {name}, and the file of it can be read by others: chmod 600 it.")
            value = file.readline(_SECRET_BYTES).decode().strip()
    except (OSError, ValueError):
        raise NotInstalled(f"{title} needs {name}, and the file of it can't be read.") from None
    if not value or "\0" in value:
        raise NotInstalled(f"{title} needs {name}, and the file of it has no value in its first line.")
    return value
