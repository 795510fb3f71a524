"""Trial `summary`: a CSV summarised by the built-in assistant, and by duckdb's SUMMARIZE, each in a process of its own."""

from __future__ import annotations

import asyncio
import csv
import importlib.util
import json
import statistics
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from random import Random

from bench.subjects.subject import Lost, Missing
from bench.trials.trial import Reading, Trial, TrialPlan, ratio_of, readings

NAME = "summary"
LAST_WORDS_BYTES = 500


def written(path: Path, size: int, *, rng: Random) -> None:
    """Write a CSV of that size, about, as a shop has one: numbers, days, names, amounts and remarks."""
    with path.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(("id", "day", "customer", "quantity", "price", "note"))
        number = 0
        while file.tell() < size:
            for _ in range(1_000):
                number += 1
                day = f"2026-{rng.randrange(1, 13):02}-{rng.randrange(1, 29):02}"
                customer, note = f"customer {rng.randrange(10_000)}", "x" * rng.randrange(30)
                rows.writerow((number, day, customer, rng.randrange(50), f"{rng.randrange(100_000) / 100:.2f}", note))


async def _summarised(by: str, path: Path) -> tuple[float, float]:
    """Summarise a file; gives s from the start of the process to its end, and its peak MiB. Raises Lost with its last words."""
    begun = time.perf_counter()
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bench.trials.summariser", by, str(path),
        stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        said, complained = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
    took = time.perf_counter() - begun
    if process.returncode:
        raise Lost(f"{by} did not summarise: {complained[-LAST_WORDS_BYTES:].decode(errors='replace')}")
    return took, json.loads(said)["peak_kib"] / 1024


async def run(plan: TrialPlan, folder: Path) -> Sequence[Reading]:
    """Have both summarise the same file in turns."""
    if importlib.util.find_spec("duckdb") is None:
        raise Missing("duckdb is not installed (make .venv/.bench)")
    path = folder / "sales.csv"
    await asyncio.to_thread(written, path, plan.csv_bytes, rng=Random(1))
    ours: list[tuple[float, float]] = []
    theirs: list[tuple[float, float]] = []
    for _ in range(plan.summaries):
        ours.append(await _summarised("assistant", path))
        theirs.append(await _summarised("duckdb", path))
    (our_s, our_mib), (their_s, their_mib) = zip(*ours, strict=True), zip(*theirs, strict=True)
    return readings(
        NAME,
        of=plan.summaries,
        assistant_seconds=statistics.median(our_s),
        duckdb_seconds=statistics.median(their_s),
        assistant_peak_mib=statistics.median(our_mib),
        duckdb_peak_mib=statistics.median(their_mib),
        time_ratio=ratio_of(our_s, their_s),
        memory_ratio=ratio_of(our_mib, their_mib),
    )


TRIAL = Trial(
    name=NAME,
    about="a CSV of 50 MB by the built-in assistant and by duckdb's SUMMARIZE, whole processes",
    figures=(
        "assistant_seconds", "duckdb_seconds", "assistant_peak_mib", "duckdb_peak_mib", "time_ratio", "memory_ratio",
    ),
    run=run,
)  # fmt: skip
