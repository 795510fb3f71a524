"""The process in which one file is summarised: `python -m bench.trials.summariser assistant FILE`, or duckdb. Started by `summary`.

Prints the peak of its memory: of what was started, Linux counts that of whoever started it, too, unless the process asks itself.
"""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from pathlib import Path


def assistant(path: Path) -> None:
    """Do what a worker of the host does with the words. Raises SystemExit when the file was not summarised."""
    from dispatch_host.agents.agent import Result  # noqa: PLC0415 -- each process loads one of both
    from dispatch_host.agents.builtin import program  # noqa: PLC0415
    from dispatch_host.agents.builtin.request import Request  # noqa: PLC0415
    from dispatch_host.scope import Folder  # noqa: PLC0415

    folder = path.parent.resolve()
    request = Request(f"summarise {path.name}", [Folder(folder)], (), datetime.now(UTC), str(folder))
    event = program.run(request, lambda _event: None).event
    if not isinstance(event, Result):
        raise SystemExit(event.text)


def duckdb(path: Path) -> None:
    """Have duckdb summarise it, as it is set up by itself, and take all that it found."""
    import duckdb as engine  # noqa: PLC0415

    engine.execute("SUMMARIZE SELECT * FROM read_csv_auto(?)", [str(path)]).fetchall()


def peak_kib() -> int:
    """Give the most memory that this process has had."""
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(status["VmHWM"].split()[0])


def main(by: str, path: str) -> None:
    """Summarise, and print the peak."""
    {"assistant": assistant, "duckdb": duckdb}[by](Path(path))
    print(json.dumps({"peak_kib": peak_kib()}))


if __name__ == "__main__":
    main(*sys.argv[1:])
