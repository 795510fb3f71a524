"""The seam for calling a person who does not look. There is no transport yet; each decision is counted all the same."""

from __future__ import annotations

from enum import Enum
from typing import Protocol

from dispatch.api.relay.v1.relay_pb2 import PushHint
from dispatch.ids import PairId


class PushOutcome(Enum):
    """What became of a push. The values are metric labels."""

    SENT = "sent"
    SUPPRESSED_LOOKING = "suppressed_looking"
    SUPPRESSED_UNSTEADY = "suppressed_unsteady"
    NO_TARGET = "no_target"
    FAILED = "failed"


class Push(Protocol):
    """Calls the phone of a pairing. Transports implement it."""

    async def call(self, pair_id: PairId, hint: PushHint.ValueType) -> PushOutcome:
        """Call; gives SENT, NO_TARGET or FAILED and never raises."""


class NoPush:
    """No transport is configured."""

    async def call(self, pair_id: PairId, hint: PushHint.ValueType) -> PushOutcome:
        return PushOutcome.NO_TARGET
