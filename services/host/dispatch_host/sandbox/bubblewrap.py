"""Programs in bubblewrap: opens the folders, writes the arguments, lets a keeper start it. The app makes one."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator, Mapping, Sequence
from pathlib import Path

from dispatch_host.sandbox.arguments import View, arguments
from dispatch_host.sandbox.keeping import Start, keep, keepers
from dispatch_host.sandbox.program import Limits, NoProgram, Program, ProgramEvent
from dispatch_host.sandbox.view import opened
from dispatch_host.scope.folder import Folder
from dispatch_host.scope.kept import KeptOut


class Bubblewrap:
    """Starts programs in namespaces of their own. `probe` tells whether this computer lets it."""

    confined = True

    def __init__(
        self,
        executable: str,
        *,
        home: Path,
        keep_out: Sequence[Path] = (),
        environment: Mapping[str, str] | None = None,
    ) -> None:
        """`executable` is bubblewrap's path, `home` what `~` is to a program.

        `keep_out` are folders no program may see, whatever is approved: the host's own keys and journal. Of `environment` the
        keeper gets what Python needs to start, and the program nothing.
        """
        self.executable = executable
        self._home = home
        self._keep_out = [KeptOut.hold(path) for path in keep_out]
        self._environment = keepers(environment or {})

    async def run(
        self, program: Program, *, folders: Sequence[Folder], network: bool, limits: Limits
    ) -> AsyncGenerator[ProgramEvent, None]:
        with opened(folders, keep_out=[one.path for one in self._keep_out], home=self._home) as view:
            check(program, view)
            start = Start(
                argv=(self.executable, *arguments(view, program, network=network, limits=limits)),
                environment={},
                folder=program.folder,
                confined=True,
                limits=limits,
                descriptors=[bound.descriptor for bound in view.bound],
            )
            async with contextlib.aclosing(keep(start, environment=self._environment)) as events:
                async for event in events:
                    yield event


def check(program: Program, view: View) -> None:
    """See whether a program may start in its folder. Raises NoProgram."""
    if not program.argv or any("\0" in word for word in program.argv):
        raise NoProgram("there is nothing to start")
    folder = program.folder
    if not folder.is_absolute() or ".." in folder.parts:
        raise NoProgram("the folder is no absolute path")
    if any(folder.is_relative_to(path) for path in view.hidden):
        raise NoProgram("the folder is kept out")
    if not any(folder.is_relative_to(bound.path) for bound in view.bound):
        raise NoProgram("the folder is not in an approved one that programs may see")
