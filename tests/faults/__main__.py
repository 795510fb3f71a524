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
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from functools import partial
from pathlib import Path

from tests.faults.cells import BY_NAME, CELLS, Cell
from tests.faults.clocks import faketime
from tests.faults.disks import cannot_mount
from tests.faults.laboratory import Laboratory, laboratory
from tests.faults.report import Report
from tests.faults.soak import soak
from tests.faults.trial import Result, Trial, close_books

LOGS = Path("out/faults")
"""Where the processes' words are kept of a cell that failed."""
Build = Callable[[], AbstractAsyncContextManager[Laboratory]]
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
    build = partial(laboratory, lease_ms=words.lease_ms)
    asyncio.run(run(chosen, report, build, slots=words.slots, seed=seed))
    return report.end()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument(
        "--cell", action="append", default=[], help="run this cell only; may be repeated; * matches anything"
    )
    parser.add_argument("--full", action="store_true", help="run the whole product")
    parser.add_argument("--list", action="store_true", help="name all cells")
    parser.add_argument("--slots", type=int, default=_slots(), help="laboratories side by side")
    parser.add_argument("--seed", type=int, help="the order of the cells and the ids of their tasks")
    parser.add_argument("--lease-ms", type=int, default=1_500, help="the short lease")
    parser.add_argument("--soak", type=float, metavar="MINUTES", help="a long random run instead")
    return parser


def _slots() -> int:
    """Give as many laboratories as this computer can serve: each is four processes on short leases, and waits most of the time."""
    return min(4, (os.cpu_count() or 1) * 3 // 2)


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


async def run(cells: Sequence[Cell], report: Report, build: Build, *, slots: int, seed: int) -> None:
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
            group.create_task(_slot(waiting, report, build, seed=seed))
    for cell in waiting:
        report.ran(Result(cell, wrong=["there was no laboratory for it"]), [])


async def _slot(waiting: list[Cell], report: Report, build: Build, *, seed: int) -> None:
    """Build one laboratory after the other, until there are no more cells, or none can be built any more."""
    while waiting:
        before: list[str] = []
        try:
            async with build() as lab:
                await _cells(lab, waiting, report, before, seed=seed)
        except Exception as failure:
            report.books([f"a laboratory broke off: {type(failure).__name__} {failure}"], before)
            if not before:
                return


async def _cells(lab: Laboratory, waiting: list[Cell], report: Report, before: list[str], *, seed: int) -> None:
    """Run cells in one laboratory, until there are no more or one fails: what that left behind is nobody else's trouble."""
    while waiting and len(before) < _CELLS_OF_A_LABORATORY:
        cell = waiting.pop()
        result = await Trial(lab, cell, random.Random(f"{seed}-{cell.name}")).run()
        if result.to_repeat:
            first, result = result, await Trial(lab, cell, random.Random(f"{seed}-{cell.name}-again")).run()
            result.after(first)
        if result.wrong:
            lab.keep_logs(LOGS / cell.name)
        lab.forget_logs()
        report.ran(result, before)
        before.append(cell.name)
        if result.wrong:
            return
    wrong = await close_books(lab, random.Random(seed))
    if wrong:
        lab.keep_logs(LOGS / "books")
    report.books(wrong, before)


if __name__ == "__main__":
    sys.exit(main())
