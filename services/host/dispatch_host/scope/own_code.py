"""Where the host's own code lies: what is started from there runs outside of every sandbox, so no agent may change it.

It may lie in an approved folder: a checkout, or a home in which the host was installed. Called by the sandbox and by `Hands`.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path

import dispatch

import dispatch_host


@cache  # a fact about this process: its own code is not looked for elsewhere later on
def own_code() -> tuple[Path, ...]:
    """List what Python loads this host from, each existing place once, without what lies in another of them."""
    found = dict.fromkeys(path for path in _places() if path.exists() and path != Path("/"))
    return tuple(path for path in found if not any(path != one and path.is_relative_to(one) for one in found))


def _places() -> Iterator[Path]:
    for package in (dispatch_host, dispatch):
        yield Path(str(package.__file__)).resolve().parent
    # With .pth files and PYTHONPATH; an empty one is the folder that one happens to be in.
    for said in (sys.prefix, sys.base_prefix, sys.executable, *filter(None, sys.path)):
        yield Path(said).absolute()
        yield Path(said).resolve()


def holds_any(path: Path, places: Sequence[Path]) -> bool:
    """Tell whether a path is one of these places, lies in one, or has one in it."""
    return any(path.is_relative_to(one) or one.is_relative_to(path) for one in places)
