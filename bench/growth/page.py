"""Puts figures into docs/growth.md: each table stands between two marks, and is written anew from the JSON. Pure.

Called by `bench.growth.plots`, and by the test that holds the page against figures.json.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from bench.costs.stands import targets
from bench.growth import capacity, fits
from bench.growth.carried import Carried, carried
from bench.growth.figures import Growth
from bench.growth.targets import judged
from bench.markdown import table


def blocks(growth: Growth, *, readme: str) -> dict[str, str]:
    """Give what stands between the marks, by their names. Raises ValueError when a part was not measured."""
    one, million = capacity.one_process(growth), capacity.a_million(growth)
    return {
        "taken": _taken(growth),
        "targets": targets([one.told() for one in judged(growth)]),
        "idle": _idle(growth),
        "pairs": _pairs(growth),
        "thread": _thread(growth),
        "hosts": _hosts(growth),
        "one": table(("one process", "", "how"), [(row.what, row.is_, row.because) for row in one]),
        "two": _two(carried(readme)),
        "million": table(("a million devices", "", "how"), [(row.what, row.is_, row.because) for row in million]),
    }


def read(text: str) -> Growth:
    """Read figures.json. Raises ValueError."""
    return Growth.read(json.loads(text))


def _taken(growth: Growth) -> str:
    by_part = growth.taken
    about = next(iter(by_part.values())).computer
    loads = ", ".join(f"{part} {one.computer['load_before']:.1f}" for part, one in by_part.items())
    notes = "".join(f" {one.note}" for one in by_part.values() if one.note)
    return (
        f"Taken on {about['cores']} cores that the load, and other work, shared (Python {about['python']}, "
        f"grpcio {about['grpcio']}); the load average before each part: {loads}.{notes}"
    )


def _idle(growth: Growth) -> str:
    rows = [
        (
            f"{one.held:,} of {one.streams:,}",
            f"{one.connections:,}",
            f"{one.kib_per_stream:.1f}",
            f"{one.cpu_percent:.1f}",
            f"{one.resident_mib:,.0f}",
            f"{one.attached_within_s:,.0f}",
            f"{one.ended:,}",
        )
        for one in (*growth.idle, *growth.shared)
    ]
    heads = (
        "hosts",
        "connections",
        "KiB each",
        "% of a core",
        "MiB",
        "let in within, s",
        "streams that ended and came again",
    )
    return table(heads, rows)


def _pairs(growth: Growth) -> str:
    rows = [
        (
            str(one.pairs),
            f"{one.cpu_us_per_message:.0f}",
            f"{one.round_trips_per_second:,.0f}",
            f"{one.p50_ms:.0f}",
            f"{one.p99_ms:.0f}",
            str(one.unanswered),
        )
        for one in growth.pairs
    ]
    return table(("pairs", "CPU µs a message", "round trips/s", "p50 ms", "p99 ms", "without an answer"), rows)


def _thread(growth: Growth) -> str:
    sizes = {one.rows: one.store_bytes for one in growth.thread}
    rows = [
        (
            f"{one.rows:,}",
            f"{one.cpu:.2f}",
            f"{one.cpu_least:.2f} – {one.cpu_greatest:.2f}",
            f"{one.p50:.2f}",
            _mib(sizes[one.rows]),
        )
        for one in fits.by_length(growth)
    ]
    heads = (
        "rows",
        "CPU a message, against the shortest",
        "least and greatest of the turns",
        "p50, against the shortest",
        "store, MiB",
    )
    return table(heads, rows)


def _hosts(growth: Growth) -> str:
    rows = [
        (
            f"{one.hosts:,}",
            f"{one.list_ms:,.1f}",
            f"{one.list_cpu_ms:,.1f}",
            f"{one.list_bytes / 1024:,.1f}",
            f"{one.grant_ms:.1f}",
            f"{one.grant_cpu_ms:.1f}",
        )
        for one in growth.hosts
    ]
    return table(("hosts", "list, ms", "its CPU, ms", "KiB", "grant, ms", "its CPU, ms"), rows)


def _two(rows: Sequence[Carried]) -> str:
    heads = ("2,000 pairs", "one relay, SQLite", "two relays, PostgreSQL and NATS")
    return table(heads, [(one.what, one.one_relay, one.two_relays) for one in rows])


def _mib(size: int) -> str:
    return f"{size / 2**20:,.1f}"
