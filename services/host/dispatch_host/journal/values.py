"""What the journal gives and takes. Values only; rows become these in the journal's modules and nowhere else."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from dispatch.api.error.v1.error_pb2 import Reason
from dispatch.api.relay.v1.relay_pb2 import Outcome, PushHint
from dispatch.files.description import Described
from dispatch.ids import MessageId, PairId, TaskId

from dispatch_host.permissions.permission import Permission
from dispatch_host.tasks import State


@dataclass(frozen=True, slots=True, kw_only=True)
class Pairing:
    """What the host keeps of a pairing beside its keys, which are among the device's secrets."""

    pair_id: PairId
    phone_key: bytes
    phone_name: str
    attestation: bytes
    phone_signature: bytes
    host_signature: bytes
    thread: int = 0  # given by the journal


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredEvent:
    """An event in its place."""

    number: int
    hash: bytes
    task_id: bytes
    content: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredTask:
    """A task as the journal has it."""

    task_id: TaskId
    thread: int
    pair_id: PairId
    state: State
    attempt: int
    action: bytes = field(repr=False)
    text: str = field(repr=False)
    accepted_at_ms: int
    reason: Reason.ValueType
    result: str = field(repr=False)
    memory: str = field(repr=False)


class Verdict(StrEnum):
    """What became of a command that was journalled."""

    PENDING = "pending"
    GO = "go"
    WITHDRAWN = "withdrawn"
    SUPERSEDED = "superseded"


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredCommand:
    """A command as the journal has it."""

    message_id: MessageId
    pair_id: PairId
    task_id: TaskId
    content: bytes = field(repr=False)
    verdict: Verdict
    direct: bool
    orphan: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class OutboxRow:
    """A sealed row that waits for the relay's receipt. The same bytes go out again until it comes."""

    id: int
    message_id: MessageId
    task_id: bytes
    sealed: bytes = field(repr=False)
    push_hint: PushHint.ValueType
    outcome: Outcome.ValueType
    reason: Reason.ValueType
    accepted_at_ms: int
    """Wall clock: when its task was accepted; 0 for no task."""


class FileKind(StrEnum):
    """Which way a file goes."""

    ATTACHMENT = "attachment"
    ARTIFACT = "artifact"


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredFile:
    """A file that phone and host know by its id."""

    file: Described
    thread: int
    kind: FileKind
    path: Path
    mtime_ns: int
    at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredQuestion:
    """A question of a task that is not over. `content` is the Question as it stands in the thread."""

    question_id: bytes
    task_id: TaskId
    content: bytes = field(repr=False)
    stands_on: frozenset[Permission]
    """What is asked for takes these permissions."""
    rule_digest: bytes
    asked_at_ms: int
    answered: bytes | None = field(default=None, repr=False)
    """The Answered that closed it; None while it is open."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AlwaysRule:
    """What a person allowed from now on. It holds for exactly this rule, as long as all that it stands on is given."""

    rule: str
    """In words. The digest is what tells it from another of the same words."""
    digest: bytes
    stands_on: frozenset[Permission]
    by: str
    at_ms: int


class AuditVerdict(StrEnum):
    """What came of a use of a permission. The words are those of the command line."""

    ALLOWED = "allowed"
    REFUSED = "refused"
    APPROVED = "approved"
    BY_RULE = "by_rule"
    DENIED = "denied"
    UNANSWERED = "unanswered"


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditLine:
    """One use of a permission."""

    at_ms: int
    task_id: TaskId
    permission: str
    subject: str = field(repr=False)
    verdict: AuditVerdict
    by: str = ""
    times: int = 1
    """How often exactly this came in its task; `at_ms` is the first time."""
    last_ms: int = 0
    """The last time, where it came more than once."""
