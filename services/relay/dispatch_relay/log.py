"""What the relay must remember, as an interface: threads of rows, pending commands, how the ends are, what is to be reported.

Writes are values (`Op`) that are committed in the order in which they were submitted; what has been committed is told
in that order too. Rows are the only thing that a stream reads back. Knows no frames and no streams. Implemented by
`sqlite.log`; every implementation passes `tests.support.log_contract.check_log`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from dispatch.api.error.v1.error_pb2 import Reason
from dispatch.api.relay.v1.relay_pb2 import Outcome, PushHint
from dispatch.ids import MessageId, PairId, TaskId

from dispatch_relay.keyed import Keyed
from dispatch_relay.presence import End, Presence, Standing
from dispatch_relay.push import OwedCall, PushOutcome
from dispatch_relay.push.target import Target
from dispatch_relay.verdict import Effect, Event, Status

NO_TASK = TaskId(b"")
NO_PAIRING = PairId(b"")

ROW_OVERHEAD_BYTES = 128
"""What a row costs beside its seal, in every store; counted so that a flood of empty ones is bounded too."""


SWEEP_PAIRINGS = 500
SWEEP_ROWS = 1_000
"""What one turn of a sweep looks at and forgets: whatever is written meanwhile is committed before the next turn."""


class RowKind(Keyed):
    """What a row is. The numbers are what the store keeps."""

    ACCEPTED = 1  # a command that the host took; the row is its permission
    REFUSED = 2  # a command that never runs
    KEEP = 3  # a message of the host

    @property
    def author(self) -> End:
        """Who posted it."""
        return End.HOST if self is RowKind.KEEP else End.PHONE


@dataclass(frozen=True, slots=True)
class Row:
    """An entry of a thread. Only keep rows have a seal: the host has its commands since Handover."""

    seq: int
    kind: RowKind
    message_id: MessageId
    task_id: TaskId
    at_ms: int
    sealed: bytes = field(default=b"", repr=False)
    reason: Reason.ValueType = Reason.REASON_UNSPECIFIED
    retry_after_ms: int = 0
    push_hint: PushHint.ValueType = PushHint.PUSH_HINT_UNSPECIFIED
    outcome: Outcome.ValueType = Outcome.OUTCOME_UNSPECIFIED


@dataclass(frozen=True, slots=True)
class Pending:
    """A command that waits for its verdict. Times are ms since 1970 by the relay's clock."""

    message_id: MessageId
    task_id: TaskId
    sealed: bytes = field(repr=False)
    arrived_ms: int
    valid_for_ms: int


@dataclass(frozen=True, slots=True)
class Thread:
    """Where a pairing stands, read when its first stream comes."""

    head_seq: int = 0
    oldest_seq: int = 0  # 0: no row is left
    acked: Mapping[End, int] = field(default_factory=dict)
    presence: Mapping[End, Presence] = field(default_factory=dict)
    pending: Sequence[Pending] = ()
    open_tasks: Mapping[TaskId, int] = field(default_factory=dict)  # accepted when, and no outcome yet
    owed_calls: Sequence[OwedCall] = ()


@dataclass(frozen=True, slots=True)
class Report:
    """What the pairing service is to be told of a task. Outlives its pairing; gone when it was told."""

    number: int
    pair_id: PairId
    task_id: TaskId
    posted_ms: int
    accepted: bool
    reason: Reason.ValueType
    outcome: Outcome.ValueType
    ended_ms: int


@dataclass(frozen=True, slots=True)
class Untold:
    """The oldest reports, and how many there are in all."""

    reports: Sequence[Report] = ()
    count: int = 0


# ---- what can be written


@dataclass(frozen=True, slots=True)
class Decide:
    """Something happened to a command: apply verdict.STEPS, in one transaction with everything that follows from it."""

    pair_id: PairId
    message_id: MessageId
    event: Event
    now_ms: int
    # Of a post:
    task_id: TaskId = NO_TASK
    sealed: bytes = field(default=b"", repr=False)
    valid_for_ms: int = 0
    # Of a refusal:
    reason: Reason.ValueType = Reason.REASON_UNSPECIFIED
    retry_after_ms: int = 0


@dataclass(frozen=True, slots=True)
class Keep:
    """The host posted a message."""

    pair_id: PairId
    message_id: MessageId
    task_id: TaskId
    now_ms: int
    sealed: bytes = field(repr=False)
    push_hint: PushHint.ValueType = PushHint.PUSH_HINT_UNSPECIFIED
    outcome: Outcome.ValueType = Outcome.OUTCOME_UNSPECIFIED
    reason: Reason.ValueType = Reason.REASON_UNSPECIFIED
    since_posted_ms: int = 0  # how long ago the host got the task, for one that this relay never saw

    @property
    def is_go(self) -> bool:
        """Whether it only tells that a task got its go by the direct path."""
        return not self.sealed and not self.outcome


@dataclass(frozen=True, slots=True)
class Note:
    """A command was refused before it was stored: it is reported, unless the log knows more of its task."""

    pair_id: PairId
    task_id: TaskId
    posted_ms: int
    reason: Reason.ValueType


@dataclass(frozen=True, slots=True)
class Acked:
    """An end has everything up to a row."""

    pair_id: PairId
    end: End
    through_seq: int


@dataclass(frozen=True, slots=True)
class Stood:
    """An end's presence changed. With a hint, the person is owed a call because of it."""

    pair_id: PairId
    end: End
    presence: Presence
    hint: PushHint.ValueType = PushHint.PUSH_HINT_UNSPECIFIED


@dataclass(frozen=True, slots=True)
class Called:
    """It is known what became of a call."""

    number: int
    outcome: PushOutcome


@dataclass(frozen=True, slots=True)
class CallLater:
    """A call waits, or came to nothing and is tried again."""

    number: int
    attempts: int
    due_ms: int


@dataclass(frozen=True, slots=True)
class SetTarget:
    """The phone said where and when it wants to be called; one that says nothing is forgotten."""

    pair_id: PairId
    target: Target


@dataclass(frozen=True, slots=True)
class DropTarget:
    """A push service knows no such endpoint. Does nothing when the phone has another one by now; the quiet hours stay."""

    pair_id: PairId
    endpoint: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Erase:
    """The pairing is over: nothing of it stays, but for reports; tasks without an outcome are reported as such."""

    pair_id: PairId
    now_ms: int


@dataclass(frozen=True, slots=True)
class Sweep:
    """Forget rows that both ends have, tasks (over or not), calls, and reports that nobody took, all that is older than this.

    One turn of it, which is bounded: of some pairings behind one. `sweeping.sweep` takes one turn after the other.
    """

    before_ms: int
    after: PairId = NO_PAIRING
    rows: int = SWEEP_ROWS
    """Most that are forgotten in this turn; a store may take it for each kind of row."""
    pairings: int = SWEEP_PAIRINGS


@dataclass(frozen=True, slots=True)
class Reported:
    """The pairing service has the reports of these numbers. Several relays commit side by side, so that none stands for others."""

    numbers: Sequence[int]


Op = Decide | Keep | Note | Acked | Stood | Called | CallLater | SetTarget | DropTarget | Erase | Sweep | Reported


# ---- what came of it


@dataclass(frozen=True, slots=True)
class Done:
    """An op is committed.

    `row` is the new row, or with ANSWER_AGAIN the old one. `task_open` says of a command whether its task had its go
    before; `task_begun` and `task_ended` of a keep row whether it is the one that did so to its task. `to_report`: there is a
    report more, `owed_call`: a call to the person is owed, both written in the same transaction. `swept_to` says of a turn of
    a sweep behind which pairing the next begins; None where all is done.
    """

    effect: Effect
    status: Status = Status.UNKNOWN
    row: Row | None = None
    task_open: bool = False
    task_begun: bool = False
    task_ended: bool = False
    to_report: bool = False
    owed_call: OwedCall | None = None
    swept_to: PairId | None = None


@dataclass(frozen=True, slots=True)
class Failed:
    """An op is not stored, and neither is anything of it: the disk is full, locked or broken, or the seat is another's by now."""

    why: str
    seat_lost: bool = False
    """Trying again is in vain: what this relay believes of the pairing may be wrong (docs/scale.md)."""


Then = Callable[[Done | Failed], None]


class Log(Protocol):
    """Remembers. All methods are called on the event loop, and none waits there for the disk or for a lock."""

    def submit(self, op: Op, then: Then) -> None:
        """Write an op; `then` is called on the loop when it is durable or has failed, in the order of submission."""

    async def thread(self, pair_id: PairId) -> Thread:
        """Read where a pairing stands. Raises errors.StoreFailed."""

    async def rows(self, pair_id: PairId, *, after_seq: int, limit_bytes: int) -> Sequence[Row]:
        """Read committed rows behind `after_seq`, in order: about `limit_bytes` of them, at least one if there is one.

        Raises errors.StoreFailed.
        """

    async def unsettled(self) -> Sequence[PairId]:
        """List the pairings that need somebody to watch over them: commands are pending, a call is owed, or an end was there."""

    async def target(self, pair_id: PairId) -> Target | None:
        """Read where and when the phone of a pairing wants to be called; None for no such pairing. Raises errors.StoreFailed."""

    async def standings(self) -> Mapping[Standing, int]:
        """Count the hosts by standing."""

    async def untold(self, *, limit: int) -> Untold:
        """Read what is to be reported, oldest first. Raises errors.StoreFailed."""

    async def close(self) -> None:
        """Commit and tell what was submitted, then let go of the files. Safe to repeat."""
