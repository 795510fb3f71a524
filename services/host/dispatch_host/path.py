"""A path: a stream that carries frames to the phone. The session and its keys are the pairing's, whatever path they take.

What the host has to say it says to a path; how that looks on the wire is the path's business. Nothing is kept for later: a word
that a path does not take (False) was not said.
"""

from __future__ import annotations

from enum import Enum
from typing import Protocol

from dispatch.api.error.v1.error_pb2 import Reason
from dispatch.api.relay.v1 import relay_pb2 as relay
from dispatch.api.relay.v1.relay_pb2 import DeviceFrame
from dispatch.clock import Clock
from dispatch.ids import MessageId
from dispatch.sealed.errors import FORGED, Why
from dispatch.thread import ThreadClient

from dispatch_host.journal.values import OutboxRow


class Heard(Enum):
    """What a frame shows of who sent it."""

    PHONE = "phone"  # it opened just now: the phone wrote it, in this session
    NOBODY = (
        "nobody"  # a handshake, something that came before, or of a session that is over: anybody can have sent that
    )
    FORGED = "forged"  # no phone writes that


def shown_by(why: Why) -> Heard:
    """Say what something sealed that did not open shows of who sent it."""
    return Heard.FORGED if why in FORGED else Heard.NOBODY


class Path(Protocol):
    """What can be said on every path."""

    def live(self, sealed: bytes) -> bool:
        """Say something in passing: a sealed frame of class live, or a handshake message."""

    def take(self, message_id: MessageId) -> bool:
        """Say that a command is in the journal and waits for its go."""

    def decline(self, message_id: MessageId, reason: Reason.ValueType) -> bool:
        """Say that a command is not taken, and will not run."""

    def keep(self, row: OutboxRow) -> bool:
        """Hand over a row of the outbox."""


class RelayPath:
    """The path by the relay: what the link's client carries."""

    def __init__(self, client: ThreadClient, clock: Clock) -> None:
        self._client = client
        self._clock = clock

    def live(self, sealed: bytes) -> bool:
        return self._client.send(DeviceFrame(live=relay.Live(sealed=sealed)))

    def take(self, message_id: MessageId) -> bool:
        return self._client.send(DeviceFrame(take=relay.Take(message_id=message_id)))

    def decline(self, message_id: MessageId, reason: Reason.ValueType) -> bool:
        return self._client.send(DeviceFrame(decline=relay.Decline(message_id=message_id, reason=reason)))

    def keep(self, row: OutboxRow) -> bool:
        post = relay.Post(
            message_id=row.message_id,
            task_id=row.task_id,
            kind=relay.Kind.KIND_KEEP,
            sealed=row.sealed,
            push_hint=row.push_hint,
            outcome=row.outcome,
            reason=row.reason,
            since_posted_ms=self._since(row),
        )
        return self._client.send(DeviceFrame(post=post))

    def _since(self, row: OutboxRow) -> int:
        if not row.accepted_at_ms or (row.sealed and not row.outcome):
            return 0
        return max(0, self._clock.wall_ms() - row.accepted_at_ms)
