"""What a host has the relay keep for its phone. Used by `room`."""

from __future__ import annotations

from functools import partial

from dispatch import errors
from dispatch.api.error.v1.error_pb2 import Reason
from dispatch.api.relay.v1 import relay_pb2 as pb
from dispatch.ids import MessageId, TaskId, short
from dispatch.runtime.logs import get_logger

from dispatch_relay import door
from dispatch_relay.calling import Calling
from dispatch_relay.log import Done, Failed, Keep
from dispatch_relay.metrics import OUTCOMES
from dispatch_relay.place import RETRY_STORE_MS, Place
from dispatch_relay.stream import Stream
from dispatch_relay.verdict import Effect

LONGEST_TASK_MS = 30 * 24 * 60 * 60 * 1_000
"""No task is said to have been sent longer ago."""

MOST_UNDELIVERED = 256
"""Outcomes of one pairing whose way to the phone is told to the traces; what is older is not."""

_log = get_logger()


class Keeping:
    """The keep rows of a place."""

    def __init__(self, place: Place, calling: Calling) -> None:
        self._place = place
        self._calling = calling
        # Outcomes that the phone has not acknowledged: where they stand, of which task, and since when. Empty without traces.
        self._undelivered: list[tuple[int, TaskId, int]] = []

    def post(self, stream: Stream, post: pb.Post) -> None:
        """Take a message of the host that has passed the door."""
        op = Keep(
            pair_id=self._place.pair_id,
            message_id=MessageId(post.message_id),
            task_id=TaskId(post.task_id),
            now_ms=self._place.wall(),
            sealed=post.sealed,
            push_hint=post.push_hint,
            outcome=post.outcome,
            since_posted_ms=min(post.since_posted_ms, LONGEST_TASK_MS),
            reason=door.known(post.reason) if post.reason else Reason.REASON_UNSPECIFIED,
        )
        stream.submitted()
        self._place.submit(op, partial(self._kept, op=op, stream=stream))

    def _kept(self, result: Done | Failed, *, op: Keep, stream: Stream) -> None:
        stream.settled()
        if isinstance(result, Failed):
            no = errors.StoreFailed(retry_after_ms=RETRY_STORE_MS)
            self._place.refuse_at_the_door(stream, op.message_id, no)
        elif result.row is not None and result.effect is Effect.ANSWER_AGAIN:
            self._place.answer_again(result.row, stream)
        elif result.row is not None:
            if result.task_begun:
                self._place.open_tasks[op.task_id] = op.now_ms
            if result.task_ended:
                self._task_over(op)
                self._trace(op, result.row.seq)
            self._place.publish(result.row)
            if result.owed_call is not None:
                self._calling.call(result.owed_call)

    def delivered(self, through_seq: int) -> None:
        """Hear that the phone has every row up to this one."""
        if not self._undelivered:
            return
        now_ms, pairing = self._place.wall(), short(self._place.pair_id)
        while self._undelivered and self._undelivered[0][0] <= through_seq:
            _, task_id, kept_ms = self._undelivered.pop(0)
            self._place.tools.traces.span("delivery", task_id, start_ms=kept_ms, end_ms=now_ms, pairing=pairing)

    def _trace(self, op: Keep, seq: int) -> None:
        if self._place.tools.traces.on:
            now_ms = self._place.wall()
            self._undelivered = [*self._undelivered[1 - MOST_UNDELIVERED :], (seq, op.task_id, now_ms)]
            self._place.tools.traces.span(
                "outcome",
                op.task_id,
                start_ms=op.now_ms,
                end_ms=now_ms,
                outcome=OUTCOMES[op.outcome],
                reason=errors.word(op.reason) if op.reason else "",
                pairing=short(self._place.pair_id),
            )

    def _task_over(self, op: Keep) -> None:
        self._place.open_tasks.pop(op.task_id, None)
        self._place.tools.metrics.task(OUTCOMES[op.outcome])
        _log.info(
            "task over",
            outcome=OUTCOMES[op.outcome],
            reason=errors.word(op.reason) if op.reason else None,
            pairing=short(self._place.pair_id),
            task=short(op.task_id),
        )
