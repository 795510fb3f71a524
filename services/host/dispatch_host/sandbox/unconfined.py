"""Programs without a sandbox, for an owner who accepted it in so many words. Same limits, same end; nothing keeps them in.

A program of this kind is whoever runs the host: it reads the host's home, uses the network and everything else of that user.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from dispatch_host.sandbox.arguments import environment as program_environment
from dispatch_host.sandbox.bubblewrap import check
from dispatch_host.sandbox.keeping import Start, converse, keep, keepers
from dispatch_host.sandbox.program import Conversation, Limits, Program, ProgramEvent
from dispatch_host.sandbox.view import opened
from dispatch_host.scope.folder import Folder
from dispatch_host.scope.keep_out import lasting
from dispatch_host.scope.kept import KeptOut


class Unconfined:
    """Starts programs as they are. Only the folder they start in is checked."""

    def __init__(
        self, *, home: Path, keep_out: Sequence[Path | KeptOut] = (), environment: Mapping[str, str] | None = None
    ) -> None:
        """The arguments are Bubblewrap's."""
        self._home = home
        self._keep_out = lasting(keep_out)
        self._environment = keepers(environment or {})

    async def run(
        self, program: Program, *, folders: Sequence[Folder], network: bool, limits: Limits
    ) -> AsyncGenerator[ProgramEvent, None]:
        del network  # there is nothing here that could withhold it
        start = self._start(program, folders, limits)
        async with contextlib.aclosing(keep(start, environment=self._environment)) as events:
            async for event in events:
                yield event

    @asynccontextmanager
    async def converse(
        self, program: Program, *, folders: Sequence[Folder], network: bool, limits: Limits
    ) -> AsyncIterator[Conversation]:
        del network
        start = self._start(program, folders, limits)
        async with converse(start, environment=self._environment) as conversation:
            yield conversation

    def _start(self, program: Program, folders: Sequence[Folder], limits: Limits) -> Start:
        """Write what is started. Raises NoProgram."""
        with opened(folders, keep_out=[one.path for one in self._keep_out], home=self._home) as view:
            check(program, view)
        return Start(
            argv=program.argv,
            environment={**program_environment(self._home), **program.variables},
            folder=program.folder,
            confined=False,
            limits=limits,
        )
