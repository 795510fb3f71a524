"""What one relay holds, and what a million devices would take: rows of figures with their arithmetic. Pure; shown by `page`."""

from __future__ import annotations

import math
from dataclasses import dataclass

from bench.growth import fits
from bench.growth.figures import Growth
from bench.growth.wire_bytes import idle_bytes_per_second, round_trip_bytes

DAY_SECONDS = 86_400
GIB_KIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Sum:
    """A figure, and how it was come by."""

    what: str
    is_: str
    because: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Assumed:
    """What no run can say: how many there are, and what they do. Of a million devices."""

    hosts: int = 500_000
    """All attached, all the time."""
    phones: int = 500_000
    """One for each host."""
    phones_attached: float = 0.1
    """Part of them, at the busiest moment."""
    tasks_a_day: int = 10
    """Of each pair."""
    peak: float = 4.0
    """The busiest moment against the average of a day."""
    sealed_bytes: int = 1_024
    """Of a command, and of the row that answers it."""
    kept_days: int = 30
    """How long a relay keeps rows that both ends have (`keep_days`)."""
    grants_a_day: int = 2
    """Renewed by each device that is attached."""
    busy: float = 0.5
    """Part of a core that one process is to use at the busiest moment, so that it can take over from another."""


def one_process(growth: Growth) -> list[Sum]:
    """Say what one relay process, and one pairing service, hold. Raises ValueError when a part was not measured."""
    _whole(growth)
    memory, most = fits.memory(growth), max(growth.idle, key=lambda one: one.streams)
    crowd, longest = max(growth.pairs, key=lambda one: one.pairs), fits.by_length(growth)[-1]
    account = max(growth.hosts, key=lambda one: one.hosts)
    by_memory = (GIB_KIB - memory.start) / memory.each
    by_processor = most.streams * 50 / most.cpu_percent if most.cpu_percent else math.inf
    return [
        Sum(
            "silent hosts that were held",
            f"{most.held:,} of {most.streams:,}",
            f"{most.resident_mib:,.0f} MiB, {most.cpu_percent:.1f} % of a core",
        ),
        Sum(
            "silent hosts in 1 GiB",
            _whole_number(by_memory),
            f"(1,048,576 − {memory.start:,.0f}) KiB / {memory.each:.1f} KiB, the line through all sizes",
        ),
        Sum(
            "silent hosts on half a core",
            _whole_number(by_processor),
            f"{most.streams:,} × 50 % / {most.cpu_percent:.1f} %; not run above {most.streams:,}",
        ),
        Sum(
            "messages a second on one core",
            _whole_number(1e6 / crowd.cpu_us_per_message),
            f"1,000,000 µs / {crowd.cpu_us_per_message:.0f} µs, with {crowd.pairs} pairs",
        ),
        Sum(
            "round trips a second that were carried",
            f"{crowd.round_trips_per_second:,.0f}",
            f"{crowd.pairs} pairs, p50 {crowd.p50_ms:.0f} ms, p99 {crowd.p99_ms:.0f} ms, load on the same cores",
        ),
        Sum(
            f"a message in a thread of {longest.rows:,} rows",
            f"{longest.cpu:.2f} × the CPU",
            f"of one in a thread of {min(one.rows for one in growth.thread)} rows; its p50 {longest.p50:.2f} ×",
        ),
        Sum(
            f"a list of the devices of an account with {account.hosts:,} hosts",
            f"{account.list_ms:,.0f} ms",
            f"{account.list_cpu_ms:,.0f} ms CPU, {account.list_bytes / 1024:,.0f} KiB",
        ),
        Sum("a grant in that account", f"{account.grant_ms:.1f} ms", f"{account.grant_cpu_ms:.1f} ms CPU"),
    ]


def a_million(growth: Growth, assumed: Assumed | None = None) -> list[Sum]:
    """Say on paper what a million devices would take. Raises ValueError when a part was not measured."""
    _whole(growth)
    of = assumed or Assumed()
    most = max(growth.idle, key=lambda one: one.streams)
    crowd, memory = max(growth.pairs, key=lambda one: one.pairs), fits.memory(growth)
    grant_ms = max(one.grant_cpu_ms for one in growth.hosts)
    attached = of.hosts + round(of.phones * of.phones_attached)
    pairs, per_stream = min(of.hosts, of.phones), most.cpu_percent / 100 / most.streams
    tasks = pairs * of.tasks_a_day / DAY_SECONDS * of.peak
    silent, messages = attached * per_stream, 2 * tasks * crowd.cpu_us_per_message / 1e6
    relays = math.ceil((silent + messages) / of.busy)
    streams_gib = attached * memory.each / GIB_KIB
    rest_gib = relays * most.at_rest_mib / 1024
    rows = pairs * of.tasks_a_day * 2 * of.kept_days
    row_bytes = fits.bytes_per_row(growth) + of.sealed_bytes / 2
    trip, idle = round_trip_bytes(of.sealed_bytes), idle_bytes_per_second()
    grants = attached * of.grants_a_day / DAY_SECONDS * of.peak
    return [
        Sum(
            "attached at once",
            f"{attached:,}",
            f"{of.hosts:,} hosts + {of.phones_attached:.0%} of {of.phones:,} phones",
        ),
        Sum(
            "tasks a second, at the busiest moment",
            f"{tasks:,.0f}",
            f"{pairs:,} pairs × {of.tasks_a_day} a day / 86,400 s × {of.peak:g}",
        ),
        Sum("cores for silence", f"{silent:,.0f}", f"{attached:,} × {most.cpu_percent:.1f} % / {most.streams:,}"),
        Sum("cores for messages", f"{messages:,.1f}", f"2 × {tasks:,.0f} a second × {crowd.cpu_us_per_message:.0f} µs"),
        Sum("relay processes", f"{relays:,}", f"({silent:,.0f} + {messages:,.1f}) cores / {of.busy:g} of a core each"),
        Sum(
            "memory of the relays",
            f"{streams_gib + rest_gib:,.1f} GiB",
            f"{attached:,} × {memory.each:.1f} KiB + {relays:,} × {most.at_rest_mib:.0f} MiB at rest",
        ),
        Sum("rows kept", f"{rows / 1e6:,.0f} million", f"{pairs:,} × {of.tasks_a_day} × 2 rows × {of.kept_days} days"),
        Sum(
            "bytes of these rows",
            f"{rows * row_bytes / 2**30:,.0f} GiB",
            f"× ({fits.bytes_per_row(growth):.0f} B measured in SQLite + {of.sealed_bytes:,} B of seal in every other row)",
        ),
        Sum(
            "bandwidth of messages",
            f"{tasks * trip * 8 / 1e6:,.0f} Mbit/s",
            f"{tasks:,.0f} a second × {trip:,} B in and out, by the sizes of the frames",
        ),
        Sum("bandwidth of silence", f"{attached * idle * 8 / 1e6:,.0f} Mbit/s", f"{attached:,} × {idle:.1f} B/s"),
        Sum(
            "cores for grants",
            f"{grants * grant_ms / 1e3:,.2f}",
            f"{attached:,} × {of.grants_a_day} a day / 86,400 s × {of.peak:g} × {grant_ms:.1f} ms",
        ),
    ]


def _whole(growth: Growth) -> None:
    lacking = [part for part in ("idle", "pairs", "thread", "hosts") if not getattr(growth, part)]
    if lacking:
        raise ValueError(f"not measured: {', '.join(lacking)}")


def _whole_number(value: float) -> str:
    """Show what is on paper to two digits: more would be a lie."""
    if math.isinf(value):
        return "–"
    step = 10 ** max(0, math.floor(math.log10(max(value, 1))) - 1)
    return f"{math.floor(value / step) * step:,}"
