"""What processes have used, as Linux counts it. Read by everything in `bench` that names CPU or memory of a server."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from bench.figures import Used

_TICKS = os.sysconf("SC_CLK_TCK")


def used_by(pids: Iterable[int]) -> Used:
    """Add up what processes have used until now, all their threads in it. Raises FileNotFoundError when one has ended."""
    cpu_seconds, resident_kib = 0.0, 0
    for pid in pids:
        folder = Path("/proc") / str(pid)
        # Behind the name, which stands in brackets and may hold blanks: the 12th and 13th field are user and system time.
        times = (folder / "stat").read_text().rpartition(")")[2].split()[11:13]
        status = dict(line.split(":", 1) for line in (folder / "status").read_text().splitlines())
        if "VmRSS" not in status:
            raise FileNotFoundError(f"process {pid} has ended")
        cpu_seconds += sum(map(int, times)) / _TICKS
        resident_kib += int(status["VmRSS"].split()[0])
    return Used(cpu_seconds, resident_kib)
