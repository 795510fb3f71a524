"""What the laboratory prints: a line a cell as it ends, then the matrix, the figures, and how to run each failure again."""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Sequence

from tests.faults.cells import PHASES, Cell, Phase
from tests.faults.laboratory import now
from tests.faults.network import Part
from tests.faults.timing import Knew, bound_seconds
from tests.faults.trial import Result

_PASS, _FAIL, _NO_SUCH, _NOT_RUN, _LEFT_OUT = "pass", "FAIL", "-", "n/r", "."

SHORT_WITHIN_SECONDS = 15 * 60
"""Of the short matrix, on two processors with nothing else to do."""


class Report:
    """Takes results and prints."""

    def __init__(self, *, seed: int, lease_ms: int, full: bool) -> None:
        self._seed = seed
        self._lease_ms = lease_ms
        self._full = full
        self._began = now()
        self._marks: dict[str, str] = {}
        self._results: list[Result] = []
        self._none: dict[str, list[Cell]] = defaultdict(list)
        self._not_run: dict[str, list[Cell]] = defaultdict(list)
        self._books: list[str] = []
        print(
            f"{'the whole matrix' if full else 'the matrix'}, seed {seed}, a short lease is {lease_ms} ms", flush=True
        )

    def no_such(self, cell: Cell) -> None:
        """Note that there is no such cell."""
        self._marks[cell.name] = _NO_SUCH
        self._none[cell.no_such or ""].append(cell)

    def not_run(self, cell: Cell, why: str) -> None:
        """Note that this computer can't run it."""
        self._marks[cell.name] = _NOT_RUN
        self._not_run[why].append(cell)

    def ran(self, result: Result, before: Sequence[str]) -> None:
        """Note what came of a cell, and say it. `before` are the cells that ran in the same laboratory."""
        self._results.append(result)
        mark = self._marks[result.cell.name] = _FAIL if result.wrong else _PASS
        timing = result.timing
        knew = "" if timing is None or timing.seconds is None else f"  known after {timing.leases:.1f} leases"
        if result.knew is Knew.NOT_JUDGED and timing is not None:
            knew += f": not judged, the laboratory stood still for {timing.stood_still_seconds * 1000:.0f} ms"
        if result.at_first is not None:
            knew += f"  at first {' '.join(result.at_first)}"
        print(
            f"{mark}  {result.cell.name:<28} {' '.join(result.end):<28} {result.took_seconds:5.1f} s{knew}", flush=True
        )
        for one in result.wrong:
            print(f"      {one}")
        if result.wrong:
            print(f"      the phone said: {', '.join(result.story)}")
            print(f"      before it, in the same laboratory: {', '.join(before) or 'nothing'}")
            print(f"      again: {self.again(result.cell)}", flush=True)

    def books(self, wrong: Sequence[str], cells: Sequence[str]) -> None:
        """Note what was wrong when the books of a laboratory with these cells were closed."""
        self._books += wrong
        for one in wrong:
            print(f"FAIL  books: {one}")
        if wrong:
            print(f"      the cells were: {', '.join(cells)}", flush=True)

    def again(self, cell: Cell) -> str:
        """Give the command that runs exactly this cell."""
        return f"make faults CELL={cell.name} SEED={self._seed}"

    def end(self) -> int:
        """Print the matrix and the count; gives the exit code."""
        for part in Part:
            self._table(part)
        self._times()
        for title, cells in (("no such cell", self._none), ("NOT RUN", self._not_run)):
            for why, some in cells.items():
                print(f"{title} ({len(some)}): {why}: {', '.join(cell.name for cell in some)}")
        failed = [result for result in self._results if result.wrong]
        for result in failed:
            print(f"failed: {result.cell.name}: {result.wrong[0]}\n        again: {self.again(result.cell)}")
        bad = len(failed) + len(self._books)
        took = now() - self._began
        if not self._full and took > SHORT_WITHIN_SECONDS:
            print(f"this took longer than the {SHORT_WITHIN_SECONDS / 60:.0f} minutes that the short matrix is to take")
        passed, not_run = len(self._results) - len(failed), sum(len(some) for some in self._not_run.values())
        print(f"{passed} passed, {bad} failed, {not_run} skipped in {took:.2f}s")
        return 1 if bad else 0

    def _table(self, part: Part) -> None:
        rows: dict[str, list[str]] = {}
        for name, mark in self._marks.items():
            of, _, rest = name.partition("-")
            if of == part:
                fault, _, phase = rest.rpartition("-")
                rows.setdefault(fault, [_LEFT_OUT] * len(PHASES))[list(PHASES).index(Phase(phase))] = mark
        if rows:
            print(f"\n{part:<12}" + "".join(f"{phase:>9}" for phase in PHASES))
            for fault in sorted(rows):
                print(f"{fault:<12}" + "".join(f"{mark:>9}" for mark in rows[fault]))

    def _times(self) -> None:
        known = [r.timing.leases for r in self._results if r.timing is not None and r.timing.seconds is not None]
        if known:
            bound = bound_seconds(self._lease_ms) * 1000 / self._lease_ms
            print(f"\ntime to know, in leases of {self._lease_ms} ms: median {statistics.median(known):.1f},", end=" ")
            print(f"longest {max(known):.1f}; the bound is {bound:.1f} (two leases and a second)")
        if unjudged := [result.cell.name for result in self._results if result.knew is Knew.NOT_JUDGED]:
            print(f"not judged ({len(unjudged)}), as this computer was too busy to tell: {', '.join(unjudged)}")
