"""All that is kept out, as it is now: what is so for as long as the host runs, and the files that its settings name as secret.

A sequence, which is read anew at each use by whoever opens a scope or starts a program: settings change while the host runs.
What was kept out once stays it till it is deleted: also where it went, if its folder was renamed.
"""

from __future__ import annotations

import os
import stat
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import overload

from dispatch_host.scope.kept import Identity, KeptOut

_HELD = 256  # by descriptors, so that they are found wherever they are moved; more are known by what they are


class KeepOut(Sequence[KeptOut]):
    """What no agent may read, whatever is approved. One for each home."""

    def __init__(self, always: Sequence[Path], secrets: Callable[[], Sequence[Path]] = tuple) -> None:
        """`secrets` gives the files that are secret by the settings now, quickly; what is no file there is passed over."""
        self._secrets = secrets
        self._lock = threading.Lock()
        self._always = [KeptOut.hold(path) for path in always]
        # Guarded by the lock: asked from any thread.
        self._named: dict[tuple[Path, Identity], KeptOut] = {}

    def __len__(self) -> int:
        return len(self._now())

    def __iter__(self) -> Iterator[KeptOut]:
        return iter(self._now())

    @overload
    def __getitem__(self, index: int) -> KeptOut: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[KeptOut]: ...
    def __getitem__(self, index: int | slice) -> KeptOut | Sequence[KeptOut]:
        return self._now()[index]

    def _now(self) -> list[KeptOut]:
        with self._lock:
            for key, one in list(self._named.items()):
                if one.is_gone:  # nothing is left to read; and where a mount is to cover it, nothing is found
                    del self._named[key]
                    one.let_go()
            for said in self._secrets():
                self._keep(said)
            return [*self._always, *self._named.values()]

    def _keep(self, said: Path) -> None:
        try:
            path = said.resolve()
            facts = os.stat(path)
        except (OSError, RuntimeError, ValueError):
            return  # it is not there, and is kept out when it is
        key = path, (facts.st_dev, facts.st_ino)
        # A folder is no key file: one line too short in the settings must not close a home.
        if key not in self._named and stat.S_ISREG(facts.st_mode):
            self._named[key] = KeptOut.hold(path) if len(self._named) < _HELD else KeptOut(*key)


def lasting(keep_out: Sequence[Path | KeptOut]) -> Sequence[KeptOut]:
    """Give what can be kept over many uses: what looks anew each time as it is, and paths held from now on."""
    if isinstance(keep_out, KeepOut):
        return keep_out
    return [one if isinstance(one, KeptOut) else KeptOut.hold(one) for one in keep_out]
