"""How cost grows, and what a relay holds: docs/growth.md says what is measured, and how.

`python -m bench.growth --json FILE` measures on real processes and writes figures. With `--only`, the other parts of a file that is
there stay as they are. Gives 1 when a part failed, 2 for what makes no sense, 130 when it was stopped.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

# Before anything imports grpc: it sets what grpc reads then.
import dispatch  # noqa: F401
import uvloop

from bench.costs.computer import computer
from bench.growth import accounts, crowds, idle, threads
from bench.growth.figures import Growth, Taken
from bench.growth.plan import FULL, PARTS, QUICK, GrowthPlan
from bench.pairs import LoadFailed

STOPPED = 130
"""The exit code of what was stopped by a signal."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What the command line asks for."""

    plan: GrowthPlan
    parts: Sequence[str]
    into: Path | None = None


def read(words: Sequence[str]) -> Order:
    """Read the command line. Exits with 2 on what makes no sense."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.growth", description="Measure how cost grows with streams, pairs, rows and hosts."
    )
    parser.add_argument(
        "--quick", action="store_true", help="small numbers and short turns: minutes, not a quarter of an hour"
    )
    parser.add_argument(
        "--only", action="append", default=[], choices=PARTS, metavar="PART", help=f"this part: {', '.join(PARTS)}"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures into a file")
    said = parser.parse_args(words)
    parts = [part for part in PARTS if not said.only or part in said.only]
    return Order(plan=QUICK if said.quick else FULL, parts=parts, into=said.json)


async def carry_out(order: Order, before: Growth) -> tuple[Growth, list[str]]:
    """Measure what is asked for; gives it in place of what was there before, and why parts failed."""
    growth, failed = before, []
    for part in order.parts:
        on = computer()
        with tempfile.TemporaryDirectory() as folder:
            try:
                growth = await _part(part, order.plan, Path(folder), growth, on=on)
            except (LoadFailed, TimeoutError, OSError) as failure:
                failed.append(f"{part}: {failure!r}")
                _say(failed[-1])
    return growth, failed


async def _part(part: str, plan: GrowthPlan, folder: Path, growth: Growth, *, on: dict[str, object]) -> Growth:
    note = ""
    match part:
        case "idle":
            idle_figures, note = await idle.measure(plan, folder, say=_say)
            shared = await idle.measure_shared(plan, folder / "shared", say=_say)
            growth = replace(growth, idle=idle_figures, shared=shared)
        case "pairs":
            growth = replace(growth, pairs=await crowds.measure(plan, say=_say))
        case "thread":
            growth = replace(growth, thread=await threads.measure(plan, folder, say=_say))
        case _:
            growth = replace(growth, hosts=await accounts.measure(plan, folder, say=_say))
    return replace(growth, taken={**growth.taken, part: Taken(computer=on, note=note)})


async def _until_stopped(order: Order, before: Growth) -> tuple[Growth, list[str]]:
    """Measure; SIGTERM ends it as Ctrl-C does, so that no server is left running."""
    task = asyncio.current_task()
    if task is not None:
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    return await carry_out(order, before)


def measured_before(order: Order) -> Growth:
    """Give what stays of the file: all of it when only some parts are measured, and nothing otherwise. Raises ValueError."""
    if order.into is None or not order.into.exists() or len(order.parts) == len(PARTS):
        return Growth()
    return Growth.read(json.loads(order.into.read_text()))


def _say(what: str) -> None:
    print(what, file=sys.stderr, flush=True)


def main(words: Sequence[str]) -> int:
    """Measure, write."""
    order = read(words)
    try:
        growth, failed = uvloop.run(_until_stopped(order, measured_before(order)))
    except (KeyboardInterrupt, asyncio.CancelledError):
        return STOPPED
    text = json.dumps(growth.told(), indent=1) + "\n"
    if order.into is None:
        print(text, end="")
    else:
        order.into.parent.mkdir(parents=True, exist_ok=True)
        order.into.write_text(text)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
