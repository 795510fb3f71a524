"""What a message costs, counted: the same on every computer, held against a baseline. docs/benchmarks.md "It stays as cheap".

`python -m bench.counting --check` gives 1 when a count rose, 2 for what makes no sense or could not be counted.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from bench.counting.baseline import Counts, compare, report
from bench.counting.counter import CountFailed, count

BASELINE = Path(__file__).with_name("baseline.json")


def main(words: Sequence[str]) -> int:
    """Count, print, compare or write."""
    parser = argparse.ArgumentParser(prog="python -m bench.counting", description="Count what a message costs.")
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--check", action="store_true", help="fail when a count is higher than the baseline allows")
    what.add_argument("--write", action="store_true", help="take what is counted as the new baseline")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write what was counted into a file")
    said = parser.parse_args(words)
    try:
        now = count()
        before = None if said.write else Counts.read(BASELINE.read_text())
    except (CountFailed, OSError, ValueError) as failure:
        print(failure, file=sys.stderr)
        return 2
    if said.json is not None:
        said.json.write_text(json.dumps(asdict(now), indent=2) + "\n")
    compared = None if before is None else compare(now, before)
    print(report(now, compared))
    if said.write:
        if not now.instructions:
            print(f"no baseline without instructions: {now.uncounted}", file=sys.stderr)
            return 2
        BASELINE.write_text(now.text())
    return 1 if said.check and compared is not None and compared.failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
