"""Which applications agents may have written: what the menu starts them from leads to where agents may write.

Called before one is opened, by whoever asks the person; looks at names only. docs/permissions.md, Where agents may write.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TypeAlias

from dispatch_host.desktop.desktop import Application
from dispatch_host.scope import Folder
from dispatch_host.scope.leading import code_in, paths_in
from dispatch_host.scope.theirs import is_theirs, where_agents_write

IsPlanted: TypeAlias = Callable[[Application, Sequence[Folder]], bool]


class Planted:
    """Tells the applications that agents may have written. Blocking."""

    def __init__(self, *, home: Path, agents_own: Callable[[], Sequence[Path]], environment: Mapping[str, str]) -> None:
        """`agents_own` gives the folders that external agents have for themselves; `environment` is the desktop's."""
        self._home = home
        self._agents_own = agents_own
        self._environment = environment

    def __call__(self, application: Application, folders: Sequence[Folder]) -> bool:
        """Tell whether agents may write to what it is started from, with these folders approved."""
        places = where_agents_write(folders, self._agents_own())
        if not places:
            return False
        program, *words = application.start
        found = shutil.which(program, path=self._environment.get("PATH", os.defpath))
        return any(is_theirs(path, places, home=self._home) for path in self._paths(found or program, words)) or bool(
            code_in(application.start)
        )

    def _paths(self, program: str, words: Sequence[str]) -> Iterator[Path]:
        yield self._home / program
        for word in words:
            # It starts in the home: where that is approved, each word would be a path in it, were it not for what is there.
            yield from filter(
                os.path.lexists, paths_in(word, cwd=self._home, home=self._home, variables=self._environment)
            )
