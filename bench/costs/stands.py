"""Writes how the relay stands to its targets into docs/benchmarks.md, from what `python -m bench --json` wrote.

`python -m bench.costs.stands RUN.json ... docs/benchmarks` puts together what the runs have measured of each target, the first that
has counts, keeps that in docs/benchmarks/figures.json, and writes the table of the page beside that folder. Nobody copies figures
by hand. Gives 2 for files that are not what they should be.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.costs.targets import Verdict
from bench.markdown import spliced, table

FIGURES = "figures.json"
BLOCK = "stands"
SAME = ("cores", "python", "grpcio")
"""What runs have in common that are put together."""


def together(runs: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Put runs together: of each target what the first run says that measured it.

    Raises KeyError for no run's JSON, ValueError for runs of different computers.
    """
    about = runs[0]["computer"]
    if any(run["computer"][one] != about[one] for run in runs for one in SAME):
        raise ValueError(f"runs that differ in one of {', '.join(SAME)} are not put together")
    rows: dict[str, Mapping[str, Any]] = {}
    for run in runs:
        for row in run["targets"]:
            if rows.get(row["what"], {"value": None})["value"] is None:
                rows[row["what"]] = row
    return {"computer": about, "targets": list(rows.values())}


def stands(kept: Mapping[str, Any]) -> str:
    """Write the table."""
    about = kept["computer"]
    taken = (
        f"{about['cores']} cores that the load shared, load {about['load_before']:.1f} before it began,"
        f" Python {about['python']}, grpcio {about['grpcio']}."
    )
    return f"{taken}\n\n{targets(kept['targets'])}"


def targets(told: Sequence[Mapping[str, Any]]) -> str:
    """Write a table of targets, each as it is in JSON."""
    return table(("what", "must", "aim", "is", "verdict"), [_row(row) for row in told])


def _row(row: Mapping[str, Any]) -> Sequence[str]:
    sign = "≥" if row["at_least"] else "≤"
    bounds = ["" if bound is None else f"{sign} {bound:g}" for bound in (row["must"], row["aim"])]
    verdict = f"**{row['verdict']}**" if row["verdict"] == Verdict.SHORTFALL.value else row["verdict"]
    return row["what"], *bounds, "–" if row["value"] is None else f"{row['value']:.2f}", verdict


def main(words: Sequence[str]) -> int:
    """Read runs, write figures and page."""
    if len(words) < 2:
        print(__doc__, file=sys.stderr)
        return 2
    folder = Path(words[-1])
    page = folder.with_suffix(".md")
    try:
        kept = together([json.loads(Path(word).read_text()) for word in words[:-1]])
        written = spliced(page.read_text(), {BLOCK: stands(kept)})
    except (OSError, ValueError, KeyError) as failure:
        print(f"{type(failure).__name__}: {failure}", file=sys.stderr)
        return 2
    folder.mkdir(exist_ok=True)
    (folder / FIGURES).write_text(json.dumps(kept, indent=1) + "\n")
    page.write_text(written)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
