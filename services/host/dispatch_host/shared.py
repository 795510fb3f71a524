"""What all links of a host share: values that are made once, in `app`, and handed to each link and its parts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from dispatch.api.error.v1.error_pb2 import Reason
from dispatch.api.thread.v1 import thread_pb2 as pb
from dispatch.clock import Clock
from dispatch.ids import MessageId, TaskId

from dispatch_host.files import Transfers
from dispatch_host.journal import Writer
from dispatch_host.journal.values import Pairing
from dispatch_host.scribe import Scribe
from dispatch_host.tasks import State


class Runner(Protocol):
    """What a link needs of the runner."""

    def wake(self) -> None: ...
    def moved_up(self) -> None:
        """Hear that a task left the line without being run."""

    def cancel(self, task_id: TaskId) -> None: ...
    def look(self, task_id: TaskId) -> None: ...


@dataclass(slots=True)
class Undecided:
    """Commands that this process has journalled and that wait for their go, over all links: until when they may start.

    In memory on purpose: a new process has no epoch clock, so what it finds undecided is never started.
    """

    deadlines_ms: dict[MessageId, int] = field(default_factory=dict)  # on the boot clock

    def count(self, now_ms: int) -> int:
        """Count those that may still become waiting tasks. The others are forgotten: their go, should it come, is too late."""
        for message_id in [known for known, deadline_ms in self.deadlines_ms.items() if deadline_ms < now_ms]:
            del self.deadlines_ms[message_id]
        return len(self.deadlines_ms)


@dataclass(frozen=True, slots=True, kw_only=True)
class Common:
    """What all links of a host share. Fixed for the process."""

    journal: Writer
    scribe: Scribe
    clock: Clock
    undecided: Undecided
    runner: Runner
    transfers: Transfers
    takes_words: Callable[[], bool]
    """Tells whether the agent of the running task takes what a person adds while it works."""
    awake: Callable[[], pb.KeepAwake]
    permissions: Callable[[], pb.Permissions]
    connected: Callable[[Pairing, bool, Reason.ValueType], None]
    """Hears of a stream that opened, or is gone: with the reason when it was lost, without one when this side has left."""
    ended: Callable[[State], None]
    refused: Callable[[Reason.ValueType], None]
    lan_addresses: Callable[[], Sequence[str]] = tuple
    """Gives where the host also listens on the local network; empty when it does not."""
