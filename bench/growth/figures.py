"""What a growth run measured, as values, and as the JSON that docs/growth/figures.json is. Pure.

Written by `bench.growth.__main__`, read by `capacity` and `plots`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

SCHEMA = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class IdleFigure:
    """So many attached hosts on the long lease, all silent."""

    streams: int
    connections: int
    """Over which they are attached: as many as streams, or a few that they share."""
    held: int
    """Attached at the end; fewer than `streams` when the computer was too busy for some of them."""
    attached_within_s: float
    """How long it took to let in those that came since the figure before."""
    kib_per_stream: float
    """Of the relay's memory, above what it has at rest."""
    cpu_percent: float
    """Of one core, for nothing but questions and answers."""
    resident_mib: float
    at_rest_mib: float
    ended: int
    """Streams that ended, and came again, since the beginning."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PairsFigure:
    """So many pairs, each with one command under way all the time."""

    pairs: int
    round_trips_per_second: float
    cpu_us_per_message: float
    p50_ms: float
    p99_ms: float
    unanswered: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ThreadFigure:
    """One turn of one pair whose thread had so many rows when it began."""

    rows: int
    round: int
    messages: int
    cpu_us_per_message: float
    p50_ms: float
    store_bytes: int
    """Of the relay's file, before the first turn."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HostsFigure:
    """An account with so many hosts, all paired with its one phone. Times are medians of the calls."""

    hosts: int
    list_ms: float
    list_cpu_ms: float
    list_bytes: int
    grant_ms: float
    grant_cpu_ms: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """How a part was taken."""

    computer: Mapping[str, Any]
    note: str = ""
    """What could not be done as it was planned."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Growth:
    """All that was measured. A part that did not run is empty."""

    taken: Mapping[str, Taken] = field(default_factory=dict)
    """By part."""
    idle: tuple[IdleFigure, ...] = ()
    """Each host over a connection of its own."""
    shared: tuple[IdleFigure, ...] = ()
    """The same over a few connections; measured with `idle`."""
    pairs: tuple[PairsFigure, ...] = ()
    thread: tuple[ThreadFigure, ...] = ()
    hosts: tuple[HostsFigure, ...] = ()

    def told(self) -> dict[str, Any]:
        """Give it for JSON."""
        return {"schema": SCHEMA, **asdict(self)}

    @classmethod
    def read(cls, said: Mapping[str, Any]) -> Growth:
        """Read such JSON. Raises ValueError for another schema."""
        if said.get("schema") != SCHEMA:
            raise ValueError(f"these figures have schema {said.get('schema')!r}, not {SCHEMA}")
        return cls(
            taken={part: Taken(**one) for part, one in said["taken"].items()},
            idle=tuple(IdleFigure(**one) for one in said["idle"]),
            shared=tuple(IdleFigure(**one) for one in said["shared"]),
            pairs=tuple(PairsFigure(**one) for one in said["pairs"]),
            thread=tuple(ThreadFigure(**one) for one in said["thread"]),
            hosts=tuple(HostsFigure(**one) for one in said["hosts"]),
        )
