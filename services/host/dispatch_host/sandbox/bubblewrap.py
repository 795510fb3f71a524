"""Programs in bubblewrap: opens the folders, writes the arguments, lets a keeper start it. The probe makes one."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping, Sequence
from contextlib import ExitStack, asynccontextmanager, contextmanager
from pathlib import Path

from dispatch_host.sandbox.arguments import View, arguments, places
from dispatch_host.sandbox.keeping import Start, converse, keep, keepers
from dispatch_host.sandbox.program import Conversation, Limits, NoProgram, Program, ProgramEvent
from dispatch_host.sandbox.view import opened
from dispatch_host.scope.folder import Folder
from dispatch_host.scope.keep_out import lasting
from dispatch_host.scope.kept import KeptOut
from dispatch_host.scope.own_code import own_code

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class Bubblewrap:
    """Starts programs in namespaces of their own. `probe` tells whether this computer lets it."""

    def __init__(
        self,
        executable: str,
        *,
        home: Path,
        keep_out: Sequence[Path | KeptOut] = (),
        only_read: Sequence[Path] | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        """`executable` is bubblewrap's path, `home` what `~` is to a program.

        `keep_out` are files and folders no program may see, whatever is approved: the host's own keys and journal. `only_read` is
        what none may change, the host's own code unless it is given. Of `environment` the keeper gets what Python needs to
        start, and the program nothing.
        """
        self.executable = executable
        self._home = home
        self._keep_out = lasting(keep_out)
        self._only_read = own_code() if only_read is None else only_read
        self._environment = keepers(environment or {})

    async def run(
        self, program: Program, *, folders: Sequence[Folder], network: bool, limits: Limits
    ) -> AsyncGenerator[ProgramEvent, None]:
        with self._start(program, folders, network, limits) as start:
            async with contextlib.aclosing(keep(start, environment=self._environment)) as events:
                async for event in events:
                    yield event

    @asynccontextmanager
    async def converse(
        self, program: Program, *, folders: Sequence[Folder], network: bool, limits: Limits
    ) -> AsyncIterator[Conversation]:
        with self._start(program, folders, network, limits) as start:
            async with converse(start, environment=self._environment) as conversation:
                yield conversation

    @contextmanager
    def _start(self, program: Program, folders: Sequence[Folder], network: bool, limits: Limits) -> Iterator[Start]:
        """Hold what it may see open, and write what is started. Raises NoProgram."""
        with ExitStack() as stack:
            seen, kept = [*folders, *program.own], [one.path for one in self._keep_out]
            view = stack.enter_context(opened(seen, keep_out=kept, only_read=self._only_read, home=self._home))
            check(program, view)
            descriptors = [bound.descriptor for bound in view.bound]
            variables = None
            if program.variables:
                variables = _written(program.variables, stack)
                descriptors.append(variables)
            words = arguments(view, program, network=network, limits=limits, variables=variables)
            yield Start(
                argv=(self.executable, *words),
                environment={},
                folder=program.folder,
                confined=True,
                limits=limits,
                descriptors=descriptors,
                sockets=network or program.sockets,
                places=places(view, limits),
            )


def _written(variables: Mapping[str, str], stack: ExitStack) -> int:
    """Write variables where only bubblewrap reads them: as arguments, everybody on this computer could."""
    descriptor = os.memfd_create("variables", os.MFD_CLOEXEC)
    stack.callback(os.close, descriptor)
    words = (word for name, value in variables.items() for word in ("--setenv", name, value))
    os.write(descriptor, b"".join(os.fsencode(word) + b"\0" for word in words))
    os.lseek(descriptor, 0, os.SEEK_SET)
    return descriptor


def check(program: Program, view: View) -> None:
    """See whether a program may start in its folder. Raises NoProgram."""
    if not program.argv or any("\0" in word for word in program.argv):
        raise NoProgram("there is nothing to start")
    if any(not _NAME.fullmatch(name) or "\0" in value for name, value in program.variables.items()):
        raise NoProgram("its environment can't be written")
    folder = program.folder
    if not folder.is_absolute() or ".." in folder.parts:
        raise NoProgram("the folder is no absolute path")
    if any(folder.is_relative_to(path) for path in (*view.hidden, *view.covered)):
        raise NoProgram("the folder is kept out")
    if not any(folder.is_relative_to(bound.path) for bound in view.bound):
        raise NoProgram("the folder is not in an approved one that programs may see")
