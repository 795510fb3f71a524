"""How many pairs a relay holds, how fast it carries, what it uses: real relays, and thousands of pairs that are made by hand.

`python -m bench.pairs --pairs 2000 --relays 1 --rate 0.2 --seconds 60` prints a table and writes out/bench/pairs-*.json. With two
relays a pair's phone is on one and its host on the other; they need `--database FILE` and `--bus FILE` (docs/scale.md). Load and
relays share this computer: figures hold for it alone. Gives 1 when a command was left without an answer, or a pair was lost.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from bench.figures import Figures, Moments, compute, table
from bench.plan import Plan, shares
from bench.relays import RelayProcess, running
from tests.support.processes import Process
from tests.support.trust_service import TrustService

INTO = Path(__file__).resolve().parents[1] / "out" / "bench"
PATIENCE_SECONDS = 600.0
"""Beyond what the plan says, for a computer that is busy."""


class LoadFailed(Exception):
    """A load process ended before it had done its share; the text is its own last words."""


async def measure(plan: Plan, *, stores: Sequence[str] = ()) -> Figures:
    """Carry out a plan. `stores` are the relays' options for what they share. Raises LoadFailed."""
    with tempfile.TemporaryDirectory() as folder:
        async with (
            asyncio.timeout(plan.seconds + plan.idle_seconds + PATIENCE_SECONDS),
            TrustService() as trust,
            running(plan.relays, Path(folder), trust, stores=stores) as relays,
        ):
            return await _measured(plan, relays, trust)


async def _measured(plan: Plan, relays: list[RelayProcess], trust: TrustService) -> Figures:
    signer = trust.signers[0].private_bytes_raw().hex()
    loads: list[Process] = []
    started = [relay.used() for relay in relays]
    try:
        begun_at = time.perf_counter()
        for share in shares(plan, addresses=tuple(relay.address for relay in relays), signer=signer):
            loads.append(await Process.start("python", "-m", "bench.pair_load"))
            await loads[-1].say(share.told())
        await asyncio.gather(*(_heard(load, "attached") for load in loads))
        within = time.perf_counter() - begun_at
        attached = [relay.used() for relay in relays]
        await asyncio.sleep(plan.idle_seconds)
        begun = [relay.used() for relay in relays]
        for load in loads:
            await load.say("go")
        await asyncio.sleep(plan.seconds)
        ended = [relay.used() for relay in relays]
        tallies = await asyncio.gather(*(_heard(load, "done") for load in loads))
    finally:
        for load in loads:
            await load.stop()
    moments = Moments(started=started, attached=attached, begun=begun, ended=ended)
    return compute(plan, moments, tallies, attached_within_s=within)


async def _heard(load: Process, name: str) -> dict[str, Any]:
    async for event in load.stream():
        if event["event"] == name:
            return event
    raise LoadFailed(str(load))


def read(words: Sequence[str]) -> tuple[Plan, list[str]]:
    """Read the command line; gives the plan and the relays' options for their stores. Exits with 2 on what makes no sense."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.pairs", description="Hold pairs against real relays, and measure."
    )
    helped = {
        "pairs": "how many",
        "relays": "1 or 2",
        "rate": "commands a second and pair",
        "seconds": "how long commands are posted",
        "in_flight": "a closed loop instead, with so many commands of each pair under way",
        "idle_seconds": "how long all are silent before that",
        "sealed_bytes": "size of a message, bytes",
        "processes": "that make the load",
        "connections": "of each of them to each relay",
        "seed": "of what is random",
    }
    defaults = Plan(pairs=2_000)
    for one in fields(Plan):
        value = getattr(defaults, one.name)
        name = "--" + one.name.replace("_", "-")
        parser.add_argument(name, type=type(value), default=value, help=f"{helped[one.name]} ({value})")
    parser.add_argument("--database", help="file with the address of the database that relays share")
    parser.add_argument("--bus", help="file with the addresses of the bus between them")
    said = vars(parser.parse_args(words))
    stores = [word for name in ("database", "bus") if (file := said.pop(name)) for word in (f"--{name}", file)]
    plan = Plan(**said)
    if plan.relays not in {1, 2} or plan.pairs < plan.processes or plan.sealed_bytes < 32 or plan.idle_seconds <= 0:
        parser.error("1 or 2 relays, a pair for each process, 32 bytes a message, and a while of silence, at least")
    if plan.relays == 2 and len(stores) < 4:
        parser.error("two relays share --database FILE and --bus FILE")
    return plan, stores


def main(words: Sequence[str]) -> int:
    """Measure, print, write."""
    plan, stores = read(words)
    figures = asyncio.run(measure(plan, stores=stores))
    print(table(figures))
    INTO.mkdir(parents=True, exist_ok=True)
    path = INTO / f"pairs-{plan.pairs}-on-{plan.relays}.json"
    path.write_text(json.dumps(figures.told(), indent=2) + "\n")
    return 1 if figures.unanswered or figures.pairs_held < plan.pairs else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
