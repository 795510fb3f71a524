"""The fault laboratory's command: `python -m tests.faults`, which `make faults`, `make faults-full` and `make soak` call.

Prints the matrix, for each cell that failed what was wrong and the command that runs exactly it, and ends with a count.
"""

from __future__ import annotations

import argparse
import asyncio
import fnmatch
import os
import random
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.faults.cells import BY_NAME, CELLS, Cell
from tests.faults.laboratory import Laboratory, cannot_mount, faketime, laboratory
from tests.faults.report import Report
from tests.faults.soak import soak
from tests.faults.trial import Trial, close_books

LOGS = Path("out/faults")
"""Where the processes' words are kept of a cell that failed."""
_UNSHARED = "DISPATCH_FAULTS_UNSHARED"
_CELLS_OF_A_LABORATORY = 25
"""So many cells share a laboratory before its books are closed and another one is built."""


def main() -> int:
    words = _parser().parse_args()
    _own_mounts()
    if words.list:
        for cell in CELLS:
            print(cell.name, "" if cell.no_such is None else f"({cell.no_such})")
        return 0
    seed = words.seed if words.seed is not None else random.SystemRandom().randrange(10**6)
    if words.soak is not None:
        return asyncio.run(soak(minutes=words.soak, seed=seed, lease_ms=words.lease_ms))
    chosen = _chosen(words)
    if not chosen:
        print("no such cell; `python -m tests.faults --list` names them", file=sys.stderr)
        return 2
    report = Report(seed=seed, lease_ms=words.lease_ms, full=words.full)
    asyncio.run(_run(chosen, report, slots=words.slots, seed=seed, lease_ms=words.lease_ms))
    return report.end()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument(
        "--cell", action="append", default=[], help="run this cell only; may be repeated; * matches anything"
    )
    parser.add_argument("--full", action="store_true", help="run the whole product")
    parser.add_argument("--list", action="store_true", help="name all cells")
    parser.add_argument("--slots", type=int, default=4, help="laboratories side by side")
    parser.add_argument("--seed", type=int, help="the order of the cells and the ids of their tasks")
    parser.add_argument("--lease-ms", type=int, default=1_500, help="the short lease")
    parser.add_argument("--soak", type=float, metavar="MINUTES", help="a long random run instead")
    return parser


def _chosen(words: argparse.Namespace) -> list[Cell]:
    if not words.cell:
        return [cell for cell in CELLS if words.full or cell.in_short]
    return [cell for name, cell in BY_NAME.items() if any(fnmatch.fnmatchcase(name, one) for one in words.cell)]


def _own_mounts() -> None:
    """Go on in a mount namespace of our own, so that no disk of ours outlives us, however we end."""
    unshare = shutil.which("unshare")
    if os.environ.get(_UNSHARED) or unshare is None:
        return
    words = [unshare, "--mount", "--propagation", "private"]
    if os.geteuid() != 0:
        words += ["--user", "--map-root-user"]
    if subprocess.run([*words, "true"], capture_output=True, check=False).returncode == 0:
        os.environ[_UNSHARED] = "1"
        os.execv(unshare, [*words, sys.executable, "-m", "tests.faults", *sys.argv[1:]])  # noqa: S606 -- is what is meant


def cannot(cell: Cell) -> str | None:
    """Say why this computer can't run a cell; None when it can."""
    if cell.fault.needs_disk and (why := cannot_mount()) is not None:
        return why
    if cell.fault.needs_faketime and faketime() is None:
        return "clocks are set by Debian's faketime, which is not installed"
    return None


async def _run(cells: Sequence[Cell], report: Report, *, slots: int, seed: int, lease_ms: int) -> None:
    """Run cells, so many laboratories side by side; each takes the next when it is free."""
    waiting: list[Cell] = []
    for cell in cells:
        if cell.no_such is not None:
            report.no_such(cell)
        elif (why := cannot(cell)) is not None:
            report.not_run(cell, why)
        else:
            waiting.append(cell)
    random.Random(seed).shuffle(waiting)
    waiting.reverse()
    async with asyncio.TaskGroup() as group:
        for _ in range(min(slots, len(waiting))):
            group.create_task(_slot(waiting, report, seed=seed, lease_ms=lease_ms))


async def _slot(waiting: list[Cell], report: Report, *, seed: int, lease_ms: int) -> None:
    while waiting:
        async with laboratory(lease_ms=lease_ms) as lab:
            await _cells(lab, waiting, report, seed=seed)


async def _cells(lab: Laboratory, waiting: list[Cell], report: Report, *, seed: int) -> None:
    """Run cells in one laboratory, until there are no more or one fails: what that left behind is nobody else's trouble."""
    before: list[str] = []
    for _ in range(_CELLS_OF_A_LABORATORY):
        if not waiting:
            break
        cell = waiting.pop()
        result = await Trial(lab, cell, random.Random(f"{seed}-{cell.name}")).run()
        if result.wrong:
            lab.keep_logs(LOGS / cell.name)
        lab.forget_logs()
        report.ran(result, before)
        before.append(cell.name)
        if result.wrong:
            return
    report.books(await close_books(lab, random.Random(seed)), before)


if __name__ == "__main__":
    sys.exit(main())
