"""What is known of the pairings of a batch, and what the batch changes: data that `loading` reads and `writing` writes.

Times are ms since 1970. `deciding` is the one who changes it. Pure.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from dispatch.api.relay.v1.relay_pb2 import Outcome
from dispatch.ids import MessageId, PairId, TaskId

from dispatch_relay.log import Pending, Report, Row
from dispatch_relay.presence import End, Presence
from dispatch_relay.push import OwedCall
from dispatch_relay.push.target import Target


@dataclass(slots=True)
class Head:
    """Where the thread of a pairing ends, and how many bytes it holds."""

    seq: int = 0
    bytes: int = 0
    acked: dict[End, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class KnownTask:
    """A task of which a row was stored. No outcome: it has its go and is not over."""

    outcome: Outcome.ValueType
    posted_ms: int
    at_ms: int


@dataclass(slots=True)
class Known:
    """What the store held when the batch began, and what became of it since."""

    heads: dict[PairId, Head] = field(default_factory=dict)
    pending: dict[tuple[PairId, MessageId], Pending] = field(default_factory=dict)
    rows: dict[tuple[PairId, End, MessageId], Row] = field(default_factory=dict)
    tasks: dict[tuple[PairId, TaskId], KnownTask] = field(default_factory=dict)
    mentioned: set[tuple[PairId, TaskId]] = field(default_factory=set)
    """Tasks that a row or a pending command is of; of those that were stored before, only what a Note asks for."""
    call_numbers: deque[int] = field(default_factory=deque)
    """Taken from the store for the calls that the batch may owe."""


@dataclass(frozen=True, slots=True)
class NewCall:
    """A call that is owed from this batch on."""

    pair_id: PairId
    owed: OwedCall


@dataclass(slots=True)
class Changes:
    """What is to be written, each thing once however often the batch changed it."""

    heads: set[PairId] = field(default_factory=set)
    rows: list[tuple[PairId, Row]] = field(default_factory=list)
    pend: dict[tuple[PairId, MessageId], Pending] = field(default_factory=dict)
    unpend: set[tuple[PairId, MessageId]] = field(default_factory=set)
    tasks: set[tuple[PairId, TaskId]] = field(default_factory=set)
    presence: dict[tuple[PairId, End], Presence] = field(default_factory=dict)
    calls: list[NewCall] = field(default_factory=list)
    called: dict[int, str] = field(default_factory=dict)
    later: dict[int, tuple[int, int]] = field(default_factory=dict)  # attempts, and due when
    targets: dict[PairId, Target] = field(default_factory=dict)
    dropped: list[tuple[PairId, str]] = field(default_factory=list)
    reports: list[Report] = field(default_factory=list)  # their numbers are the store's
    reported: set[int] = field(default_factory=set)
