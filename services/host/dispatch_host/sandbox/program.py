"""What is started, within which limits, and what comes of it. Values only; pure."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Protocol, TypeAlias

from dispatch_host.scope.folder import Folder

_MIB = 1024**2


@dataclass(frozen=True, slots=True)
class Program:
    """One program to start: its argument list, never a line for a shell, and the folder it starts in."""

    argv: Sequence[str] = field(repr=False)
    folder: Path = field(repr=False)  # absolute, in an approved folder
    own: Sequence[Folder] = field(default=(), repr=False)
    """What it needs beside the approved folders: where it is installed, where it keeps its settings."""
    variables: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Of its environment, beside what all programs have. May be secrets: they never become arguments."""
    sockets: bool = False
    """Whether it may make sockets that lie in folders, without the network, too: to speak through one that it was given."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one program and all that it starts may use."""

    seconds: float = 600.0
    memory_bytes: int = 4096 * _MIB
    """Of the whole tree, looked at a few times a second; of each process at once, by the kernel."""
    processes: int = 512
    """Threads count, too."""
    file_bytes: int = 4096 * _MIB  # of one file that it writes
    open_files: int = 1024  # of one process
    scratch_bytes: int = 256 * _MIB  # of its own /tmp and of its own home, each
    output_bytes: int = 64 * _MIB


@dataclass(frozen=True, slots=True)
class Output:
    """More of what the program wrote, standard output and standard error in the order in which it wrote them."""

    data: bytes = field(repr=False)


class Ended(StrEnum):
    """How a program came to its end."""

    EXITED = "exited"
    OUT_OF_TIME = "out of time"
    OUT_OF_MEMORY = "out of memory"
    TOO_MANY_PROCESSES = "too many processes"
    TOO_MUCH_OUTPUT = "too much output"
    NOT_STARTED = "not started"  # no such program, or the sandbox could not be made; its output says which
    LOST = "lost"  # whoever kept it died, and it with them


@dataclass(frozen=True, slots=True)
class Exit:
    """The last event. `code` is the program's own, 128 + n after signal n, and None where it has none."""

    ended: Ended
    code: int | None = None


ProgramEvent: TypeAlias = Output | Exit


class NoProgram(Exception):
    """A program that can't be started here: its folder is not within the given ones, or can't be opened."""


class Conversation(Protocol):
    """A program that is spoken to while it runs. One task writes, one task reads."""

    async def write(self, data: bytes) -> None:
        """Write to its standard input. Waits while it does not read. Raises BrokenPipeError when it has gone."""
        ...

    def end(self) -> None:
        """End its standard input, behind what was written."""
        ...

    async def read(self) -> bytes:
        """Give more of its standard output; nothing at its end, and when it was more than the limit."""
        ...

    async def exit(self) -> Exit:
        """Wait for the end of the program, and tell how it came."""
        ...

    @property
    def complaint(self) -> bytes:
        """Give the last 4 KiB of what it has written to standard error. May hold anything: for the person's eyes only."""
        ...


class Programs(Protocol):
    """A way to start programs."""

    def run(
        self, program: Program, *, folders: Sequence[Folder], network: bool, limits: Limits
    ) -> AsyncGenerator[ProgramEvent, None]:
        """Start the program and give its output as it comes; the last event, and only the last, is an Exit.

        Closing the generator kills the program with all that it started. Raises NoProgram.
        """
        ...

    def converse(
        self, program: Program, *, folders: Sequence[Folder], network: bool, limits: Limits
    ) -> AbstractAsyncContextManager[Conversation]:
        """Start the program and hold it to speak with it. Leaving kills it with all that it started. Raises NoProgram."""
        ...
