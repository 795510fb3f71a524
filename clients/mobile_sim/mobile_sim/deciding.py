"""This phone as the one who decides about its commands on the direct path: what `direct_verdict` says, committed, then said.

Works within the caller's transaction. What is to be said comes back as sealed words' items, which may go by either path: the host
says Taken again until it has heard. Called by `line`.
"""

from __future__ import annotations

from collections.abc import Collection

from dispatch import errors
from dispatch.api.error.v1.error_pb2 import Reason
from dispatch.api.thread.v1 import thread_pb2 as words
from dispatch.ids import MessageId, PairId, TaskId

from mobile_sim.direct_verdict import STEPS, Effect, Event, Status
from mobile_sim.ledger import Ledger
from mobile_sim.store import Post, Store, Verdict

_STATUS = {
    Verdict.OPEN: Status.OPEN,
    Verdict.TAKEN: Status.TAKEN,
    Verdict.REFUSED: Status.REFUSED,
    Verdict.NEVER_STORED: Status.REFUSED,
}


class Deciding:
    """The commands of one pairing that went by the direct path."""

    def __init__(self, store: Store, ledger: Ledger, pair_id: PairId) -> None:
        self._store = store
        self._ledger = ledger
        self._pair_id = pair_id
        self._until_ms: dict[MessageId, int] = {}  # steady; of this process: what is older has lost its path

    def posted(self, message_id: MessageId, *, until_ms: int) -> None:
        """Hear that a command is about to go: it may get its go until then."""
        self._until_ms[message_id] = until_ms

    def took(self, message_id: MessageId, *, now_ms: int) -> words.UpLiveItem | None:
        """Decide a command that the host has journalled; gives what to tell it."""
        in_time = now_ms <= self._until_ms.get(message_id, -1)
        return self._meet(message_id, Event.TOOK if in_time else Event.TOOK_LATE)

    def declined(self, message_id: MessageId, reason: Reason.ValueType) -> bool:
        """Take the host's no. Tells whether it was the verdict on a command of ours."""
        post = self._post(message_id)
        was_open = post is not None and post.verdict is Verdict.OPEN
        self._meet(message_id, Event.DECLINED, reason=reason)
        return was_open

    def path_lost(self, attended: Collection[TaskId]) -> None:
        """Decide all that is open: without its path it gets no go, so it will never run, and a sender may try another."""
        for post in self._store.tasks.open_posts(self._pair_id, direct=True):
            self._meet(post.message_id, Event.PATH_LOST, attended=attended)
        self._until_ms.clear()

    def due(self, now_ms: int) -> list[words.UpLiveItem]:
        """Decide what has had its time; gives what to tell the host."""
        over = [message_id for message_id, until_ms in self._until_ms.items() if until_ms < now_ms]
        items = [self._meet(message_id, Event.TIME_OVER) for message_id in over]
        for message_id in over:
            del self._until_ms[message_id]
        return [item for item in items if item is not None]

    def next_due_ms(self) -> int | None:
        """Give the steady time from which something has had its time."""
        earliest = min(self._until_ms.values(), default=None)
        return None if earliest is None else earliest + 1

    def _meet(
        self,
        message_id: MessageId,
        event: Event,
        *,
        reason: Reason.ValueType = Reason.REASON_NOT_TAKEN_IN_TIME,
        attended: Collection[TaskId] = (),
    ) -> words.UpLiveItem | None:
        post = self._post(message_id)
        status = Status.UNKNOWN if post is None else _STATUS[post.verdict]
        step = STEPS[status, event]
        if post is not None and step.status is not status:
            if step.status is Status.TAKEN:
                self._ledger.taken(message_id)
            elif event is Event.PATH_LOST:
                self._ledger.never_stored(post, attended=attended)
            else:
                self._ledger.refused(message_id, errors.kind_of(reason).reason)
        if step.effect is Effect.GO:
            return words.UpLiveItem(go=words.Go(message_id=message_id))
        if step.effect is Effect.WITHDRAW:
            return words.UpLiveItem(withdraw=words.Withdraw(message_id=message_id))
        return None

    def _post(self, message_id: MessageId) -> Post | None:
        """Give a command of ours that went by the direct path; what the relay decides is none of ours."""
        post = self._store.tasks.post(message_id)
        return post if post is not None and post.direct and post.pair_id == self._pair_id else None
