"""How many files and connections a process may have open. Called by the programs that listen, once, before they do."""

from __future__ import annotations

import sys

from dispatch.runtime.arrivals import TIMES

_BESIDE = 256
"""For what else is open: databases, devices over gRPC, what waits to be taken from the kernel."""


def make_room(*, connections: int, setting: str = "") -> None:
    """Raise the limit of open files to the most that the system grants.

    Raises ValueError when so many `connections` of browsers would leave nothing for the rest: then nobody could be let in, nor
    refused. `setting` is what the operator may lower, if anything.
    """
    if sys.platform == "win32":
        return
    import resource  # noqa: PLC0415 -- not there on Windows

    needed = TIMES * connections + _BESIDE
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return
    # macOS says infinity where it takes a number.
    most = max(soft, needed) if hard == resource.RLIM_INFINITY else hard
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
    if most < needed:
        raise ValueError(
            f"{connections} connections of browsers take {needed} open files, and this process may have {most}: raise that "
            "(ulimit -Hn, LimitNOFILE=)" + (f", or lower {setting}" if setting else "")
        )
