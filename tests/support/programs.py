"""Programs to start in the sandbox, and hostile ones among them: Python that says what it reached."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dispatch_host.sandbox.program import Ended, Exit, Limits, Output, Program, Programs
from dispatch_host.scope import Folder

PYTHON = ("python3", "-I", "-c")


@dataclass(frozen=True, slots=True)
class Played:
    """What a program wrote, and how it ended."""

    output: str
    exit: Exit

    @property
    def said(self) -> Any:
        """Give what it printed as JSON. Fails with its output, if it broke."""
        assert self.exit == Exit(Ended.EXITED, 0), self
        return json.loads(self.output)


class Stage:
    """Starts programs in one folder, with a home beside it that nobody approved."""

    def __init__(self, programs: Programs, root: Path) -> None:
        self.programs = programs
        self.root = root
        self.home = root / "home"
        self.folder = self.home / "code"
        self.folder.mkdir(parents=True, exist_ok=True)
        self.secret = self.home / "secret.txt"
        self.secret.write_text("the secret")

    async def plays(
        self,
        *argv: str,
        folders: Sequence[Folder] | None = None,
        at: Path | None = None,
        network: bool = False,
        limits: Limits | None = None,
        **more: Any,
    ) -> Played:
        """Run a program to its end. What else is given is of the Program."""
        running = self.programs.run(
            Program(argv, at or self.folder, **more),
            folders=[Folder(self.folder, writable=True)] if folders is None else folders,
            network=network,
            limits=limits or Limits(),
        )
        output = b""
        async with aclosing(running) as events:
            async for event in events:
                if isinstance(event, Exit):
                    return Played(output.decode(errors="replace"), event)
                output += event.data
        raise AssertionError("it never ended")

    async def says(
        self,
        code: str,
        *words: str,
        folders: Sequence[Folder] | None = None,
        network: bool = False,
        limits: Limits | None = None,
        **more: Any,
    ) -> Any:
        """Run Python that prints JSON, and give what it said. `reached` is there for it: what a call gave, or its error."""
        played = await self.plays(
            *PYTHON, REACHED + code, *words, folders=folders, network=network, limits=limits, **more
        )
        return played.said


REACHED = """\
import ctypes, errno, json, os, socket, sys
def reached(call, *given):
    try:
        return str(call(*given))
    except OSError as error:
        return errno.errorcode.get(error.errno, str(error))
def say(*what):
    print(json.dumps(what[0] if len(what) == 1 else what))
def kernel(number, *given):
    libc = ctypes.CDLL(None, use_errno=True)
    return "reached" if libc.syscall(number, *given) >= 0 else errno.errorcode[ctypes.get_errno()]
"""


async def first_output(events: Any) -> str:
    """Wait for the first that a program writes."""
    event = await anext(events)
    assert isinstance(event, Output), event
    return event.data.decode()
