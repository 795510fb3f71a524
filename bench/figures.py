"""The figures of one run of `bench.pairs`: computed from what was counted, shown as a table, told as JSON. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from bench.latencies import Latencies
from bench.plan import Plan


@dataclass(frozen=True, slots=True)
class Used:
    """What a process has used."""

    cpu_seconds: float
    resident_kib: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RelayFigures:
    """What one relay used."""

    cpu_percent: float
    """Of one core, while commands were posted."""
    idle_cpu_percent: float
    """Of one core, while everybody was attached and silent."""
    resident_mib: float
    """At the end."""
    at_rest_mib: float
    """Before anybody was attached."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """One run."""

    plan: Plan
    pairs_held: int
    """With both ends attached, at the end."""
    attached_within_s: float
    kib_per_idle_stream: float
    commands: int
    answered: int
    """Of them: how many came back as a keep row."""
    messages_per_second: float
    """Commands and keep rows that arrived."""
    relay_cpu_us_per_message: float
    """With what the streams cost besides (pings, leases): at a low rate that is most of it."""
    receipt_ms: tuple[float | None, float | None]
    """From post to receipt, p50 and p99."""
    keep_ms: tuple[float | None, float | None]
    """From post to the keep row that answers it."""
    refused: Mapping[str, int]
    ended: Mapping[str, int]
    """Streams that ended and were opened again, by reason: a busy computer loses leases."""
    unanswered: int
    """Commands that got neither row nor refusal. Anything but 0 is a defect."""
    relays: tuple[RelayFigures, ...]

    def told(self) -> dict[str, Any]:
        """Give it for JSON."""
        return asdict(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Moments:
    """What each relay had used at four moments."""

    started: Sequence[Used]
    attached: Sequence[Used]
    begun: Sequence[Used]
    ended: Sequence[Used]


def compute(plan: Plan, moments: Moments, tallies: Sequence[Mapping[str, Any]], *, attached_within_s: float) -> Figures:
    """Put together what the relays used and what the load processes counted."""
    receipts, keeps = (Latencies.sum([one[name] for one in tallies]) for name in ("receipts", "keeps"))
    refused, ended = (_sum([one[name] for one in tallies]) for name in ("refused", "ended"))
    kept = sum(one["kept"] for one in tallies)
    messages = receipts.count + kept
    spent = sum(
        after.cpu_seconds - before.cpu_seconds for before, after in zip(moments.begun, moments.ended, strict=True)
    )
    grown = sum(
        after.resident_kib - before.resident_kib for before, after in zip(moments.started, moments.begun, strict=True)
    )
    return Figures(
        plan=plan,
        pairs_held=sum(one["held"] for one in tallies),
        attached_within_s=attached_within_s,
        kib_per_idle_stream=grown / (2 * plan.pairs),
        commands=sum(one["posted"] for one in tallies),
        answered=kept,
        messages_per_second=messages / plan.seconds,
        relay_cpu_us_per_message=spent * 1e6 / messages if messages else 0.0,
        receipt_ms=(receipts.percentile(50), receipts.percentile(99)),
        keep_ms=(keeps.percentile(50), keeps.percentile(99)),
        refused=refused,
        ended=ended,
        unanswered=sum(one["unanswered"] for one in tallies),
        relays=tuple(
            _relay(plan, *used)
            for used in zip(moments.started, moments.attached, moments.begun, moments.ended, strict=True)
        ),
    )


def table(figures: Figures) -> str:
    """Show figures to a person."""
    plan = figures.plan
    loop = f"{plan.in_flight} in flight for each pair" if plan.in_flight else f"{plan.rate:g} commands/s for each pair"
    rows = [
        ("pairs held", f"{figures.pairs_held} of {plan.pairs}, attached within {figures.attached_within_s:.1f} s"),
        ("load", f"{loop}, {plan.sealed_bytes} bytes, {plan.seconds:g} s"),
        ("commands", f"{figures.commands}, {figures.answered} answered, {figures.unanswered} without any answer"),
        ("messages/s", f"{figures.messages_per_second:.0f} commands and keep rows that arrived"),
        ("post to receipt", _span(figures.receipt_ms)),
        ("post to keep row", _span(figures.keep_ms)),
        ("refused", _reasons(figures.refused)),
        ("streams ended", _reasons(figures.ended)),
        ("idle stream", f"{figures.kib_per_idle_stream:.1f} KiB of the relay's memory"),
        ("relay CPU", f"{figures.relay_cpu_us_per_message:.0f} µs a message"),
        *(
            (
                f"relay {number}",
                f"CPU {one.cpu_percent:.0f} % of a core, idle {one.idle_cpu_percent:.1f} %; "
                f"{one.resident_mib:.0f} MiB, at rest {one.at_rest_mib:.0f} MiB",
            )
            for number, one in enumerate(figures.relays, 1)
        ),
    ]
    return "\n".join(f"{name:18}{said}" for name, said in rows)


def _relay(plan: Plan, started: Used, attached: Used, begun: Used, ended: Used) -> RelayFigures:
    return RelayFigures(
        cpu_percent=100 * (ended.cpu_seconds - begun.cpu_seconds) / plan.seconds,
        idle_cpu_percent=100 * (begun.cpu_seconds - attached.cpu_seconds) / plan.idle_seconds,
        resident_mib=ended.resident_kib / 1024,
        at_rest_mib=started.resident_kib / 1024,
    )


def _sum(counted: Sequence[Mapping[str, int]]) -> dict[str, int]:
    total: Counter[str] = Counter()
    for one in counted:
        total.update(one)
    return dict(total)


def _span(ms: tuple[float | None, float | None]) -> str:
    p50, p99 = ms
    return "-" if p50 is None or p99 is None else f"p50 {p50:.1f} ms, p99 {p99:.1f} ms"


def _reasons(counted: Mapping[str, int]) -> str:
    return ", ".join(f"{reason} {count}" for reason, count in sorted(counted.items())) or "none"
