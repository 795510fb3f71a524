"""The seam for calling a person who does not look: what a call is, what becomes of one, and who calls. docs/push.md.

Knows no transport. `calling` decides whether to call and uses the seam; `bell` implements it.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from dispatch.api.relay.v1.relay_pb2 import Outcome, PushHint
from dispatch.ids import PairId


class PushOutcome(Enum):
    """What became of a call. The values are metric labels, and what the store keeps."""

    SENT = "sent"
    SUPPRESSED_LOOKING = "suppressed_looking"
    SUPPRESSED_UNSTEADY = "suppressed_unsteady"
    SUPPRESSED_FLOOD = "suppressed_flood"
    NO_TARGET = "no_target"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class OwedCall:
    """A call to the person of which nothing has become yet. Times are ms since 1970."""

    number: int  # 0 when it could not be stored
    seq: int  # of the row that it is for; 0 when a host is out of contact
    hint: PushHint.ValueType
    at_ms: int = 0  # when its cause was stored
    outcome: Outcome.ValueType = Outcome.OUTCOME_UNSPECIFIED  # of the task that the row ended
    attempts: int = 0  # that came to nothing
    due_ms: int = 0  # not before this; 0 when nothing holds it


class Push(Protocol):
    """Calls the phone of a pairing."""

    @property
    def key(self) -> bytes:
        """The public key that phones subscribe with; empty when none is called by Web Push."""

    @property
    def takes_targets(self) -> bool:
        """Whether it makes sense for a phone to say where and when it wants to be called."""

    async def call(self, pair_id: PairId, owed: OwedCall) -> PushOutcome:
        """Call, which may take days, and give what became of it; never raises. Cancelled, the call is still owed."""

    def looked(self, pair_id: PairId) -> None:
        """Hear that a person looks: whoever waits to be called has seen it."""

    def changed(self, pair_id: PairId) -> None:
        """Hear that the phone said anew where and when it wants to be called."""

    def forget(self, pair_id: PairId) -> None:
        """Hear that the pairing is over."""


class NoPush:
    """No transport is configured."""

    key = b""
    takes_targets = False

    async def call(self, pair_id: PairId, owed: OwedCall) -> PushOutcome:
        return PushOutcome.NO_TARGET

    def looked(self, pair_id: PairId) -> None: ...

    def changed(self, pair_id: PairId) -> None: ...

    def forget(self, pair_id: PairId) -> None: ...
