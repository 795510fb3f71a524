"""What each op of a batch makes of what is known, by the tables of `verdict`: the same as `sqlite.deciding` decides by SQL.

One conformance suite holds the two together (`tests.support.log_contract`). Pure: `loading` brought what it needs, `writing`
carries away what changed. Called by `transaction`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from dispatch.api.error.v1.error_pb2 import Reason
from dispatch.api.relay.v1.relay_pb2 import Outcome, PushHint
from dispatch.ids import PairId, TaskId

from dispatch_relay import verdict
from dispatch_relay.log import (
    ROW_OVERHEAD_BYTES,
    Acked,
    Called,
    CallLater,
    Decide,
    Done,
    DropTarget,
    Keep,
    Note,
    Op,
    Pending,
    Report,
    Reported,
    Row,
    RowKind,
    SetTarget,
    Stood,
)
from dispatch_relay.postgres.known import Changes, Head, Known, KnownTask, NewCall
from dispatch_relay.presence import End
from dispatch_relay.push import OwedCall
from dispatch_relay.push.target import Target
from dispatch_relay.verdict import Effect, Status

_STATUS = {RowKind.ACCEPTED: Status.ACCEPTED, RowKind.REFUSED: Status.REFUSED}


class Decider:
    """Applies ops, one after the other."""

    def __init__(self, known: Known, changes: Changes) -> None:
        self._known = known
        self._changes = changes
        self._apply: dict[type[Op], Callable[[Any], Done]] = {
            Decide: self._decide,
            Keep: self._keep,
            Note: self._note,
            Acked: self._acked,
            Stood: self._stood,
            Called: self._called,
            CallLater: self._call_later,
            SetTarget: self._set_target,
            DropTarget: self._drop_target,
            Reported: self._reported,
        }

    def apply(self, op: Op) -> Done:
        """Decide what comes of an op; Erase and Sweep are not decided but done, by `transaction`."""
        return self._apply[type(op)](op)

    def _head(self, pair_id: PairId) -> Head:
        """Give the head of a pairing, which is there from now on."""
        head = self._known.heads.get(pair_id)
        if head is None:
            head = self._known.heads[pair_id] = Head()
            self._changes.heads.add(pair_id)
        return head

    def _append(self, pair_id: PairId, row: Row) -> None:
        head = self._head(pair_id)
        head.seq = row.seq
        head.bytes += len(row.sealed) + ROW_OVERHEAD_BYTES
        self._changes.heads.add(pair_id)
        self._changes.rows.append((pair_id, row))
        self._known.rows[pair_id, row.kind.author, row.message_id] = row
        self._known.mentioned.add((pair_id, row.task_id))

    def _decide(self, op: Decide) -> Done:
        head = self._head(op.pair_id)
        at = (op.pair_id, op.message_id)
        pending = self._known.pending.get(at)
        old = None if pending is not None else self._known.rows.get((op.pair_id, End.PHONE, op.message_id))
        known = Status.UNKNOWN if old is None else _STATUS[old.kind]
        step = verdict.STEPS[known if pending is None else Status.PENDING, op.event]
        task_id = op.task_id if pending is None else pending.task_id
        if step.effect is Effect.PEND:
            waits = Pending(op.message_id, task_id, op.sealed, op.now_ms, op.valid_for_ms)
            self._known.pending[at] = self._changes.pend[at] = waits
            self._known.mentioned.add((op.pair_id, task_id))
        if step.effect not in {Effect.ACCEPT, Effect.REFUSE}:
            return Done(step.effect, step.status, old)
        if pending is not None:
            del self._known.pending[at]
            if self._changes.pend.pop(at, None) is None:
                self._changes.unpend.add(at)
        accepted = step.effect is Effect.ACCEPT
        row = Row(
            seq=head.seq + 1,
            kind=RowKind.ACCEPTED if accepted else RowKind.REFUSED,
            message_id=op.message_id,
            task_id=task_id,
            at_ms=op.now_ms,
            reason=op.reason,
            retry_after_ms=op.retry_after_ms,
        )
        self._append(op.pair_id, row)
        posted_ms = op.now_ms if pending is None else pending.arrived_ms
        task_open = (op.pair_id, task_id) in self._known.tasks
        if accepted and not task_open:
            self._set_task(op.pair_id, task_id, KnownTask(Outcome.OUTCOME_UNSPECIFIED, posted_ms, row.at_ms))
        if not task_open:  # else: a steer, a cancel or an answer, which is no task
            self._report(op.pair_id, task_id, posted_ms, reason=row.reason, accepted=accepted)
        return Done(step.effect, step.status, row, task_open=task_open, to_report=not task_open)

    def _set_task(self, pair_id: PairId, task_id: TaskId, task: KnownTask) -> None:
        self._known.tasks[pair_id, task_id] = task
        self._changes.tasks.add((pair_id, task_id))

    def _keep(self, op: Keep) -> Done:
        head = self._head(op.pair_id)
        old = self._known.rows.get((op.pair_id, End.HOST, op.message_id))
        if old is not None:
            return Done(Effect.ANSWER_AGAIN, Status.ACCEPTED, old)
        row = Row(
            seq=head.seq + 1,
            kind=RowKind.KEEP,
            message_id=op.message_id,
            task_id=op.task_id,
            at_ms=op.now_ms,
            sealed=op.sealed,
            reason=op.reason,
            push_hint=op.push_hint,
            outcome=op.outcome,
        )
        self._append(op.pair_id, row)
        is_end = op.outcome != Outcome.OUTCOME_UNSPECIFIED
        ended = is_end and self._end(op)
        begun = op.is_go and self._go_elsewhere(op)
        # The end of a task calls once: its row is sealed anew, with the same hint, when a session begins before its receipt came.
        hint = PushHint.PUSH_HINT_UNSPECIFIED if is_end and not ended else op.push_hint
        owed = self._owe_call(op.pair_id, hint, seq=row.seq, now_ms=op.now_ms, outcome=op.outcome)
        return Done(
            Effect.ACCEPT,
            Status.ACCEPTED,
            row,
            task_begun=begun,
            task_ended=ended,
            to_report=begun or ended,
            owed_call=owed,
        )

    def _end(self, op: Keep) -> bool:
        """Note a task's outcome; False when it has one."""
        task = self._known.tasks.get((op.pair_id, op.task_id))
        if task is not None and task.outcome:
            return False
        posted_ms = op.now_ms - op.since_posted_ms if task is None else task.posted_ms
        self._set_task(op.pair_id, op.task_id, KnownTask(op.outcome, posted_ms, op.now_ms))
        self._report(op.pair_id, op.task_id, posted_ms, reason=op.reason, outcome=op.outcome, ended_ms=op.now_ms)
        return True

    def _go_elsewhere(self, op: Keep) -> bool:
        """Note that a task got its go by the direct path; False when the task is known here, open or over."""
        if (op.pair_id, op.task_id) in self._known.tasks:
            return False
        posted_ms = op.now_ms - op.since_posted_ms
        self._set_task(op.pair_id, op.task_id, KnownTask(Outcome.OUTCOME_UNSPECIFIED, posted_ms, op.now_ms))
        self._report(op.pair_id, op.task_id, posted_ms, reason=Reason.REASON_UNSPECIFIED)
        return True

    def _owe_call(
        self,
        pair_id: PairId,
        hint: PushHint.ValueType,
        *,
        seq: int,
        now_ms: int,
        outcome: Outcome.ValueType = Outcome.OUTCOME_UNSPECIFIED,
    ) -> OwedCall | None:
        """Remember, with what it is for, that the person is to be called."""
        if hint == PushHint.PUSH_HINT_UNSPECIFIED:
            return None
        owed = OwedCall(self._known.call_numbers.popleft(), seq, hint, at_ms=now_ms, outcome=outcome)
        self._changes.calls.append(NewCall(pair_id, owed))
        return owed

    def _report(
        self,
        pair_id: PairId,
        task_id: TaskId,
        posted_ms: int,
        *,
        reason: Reason.ValueType,
        accepted: bool = True,
        outcome: Outcome.ValueType = Outcome.OUTCOME_UNSPECIFIED,
        ended_ms: int = 0,
    ) -> None:
        self._changes.reports.append(Report(0, pair_id, task_id, posted_ms, accepted, reason, outcome, ended_ms))

    def _note(self, op: Note) -> Done:
        # Whatever else is known of the task has been reported, or will be, and says more.
        at = (op.pair_id, op.task_id)
        known = at in self._known.tasks or at in self._known.mentioned
        if not known:
            self._report(op.pair_id, op.task_id, op.posted_ms, reason=op.reason, accepted=False)
        return Done(Effect.NOTHING, to_report=not known)

    def _acked(self, op: Acked) -> Done:
        head = self._known.heads.get(op.pair_id)
        if head is not None and op.through_seq > head.acked.get(op.end, 0):
            head.acked[op.end] = op.through_seq
            self._changes.heads.add(op.pair_id)
        return Done(Effect.NOTHING)

    def _stood(self, op: Stood) -> Done:
        self._head(op.pair_id)
        self._changes.presence[op.pair_id, op.end] = op.presence
        return Done(Effect.NOTHING, owed_call=self._owe_call(op.pair_id, op.hint, seq=0, now_ms=op.presence.since_ms))

    def _called(self, op: Called) -> Done:
        self._changes.called[op.number] = op.outcome.value
        return Done(Effect.NOTHING)

    def _call_later(self, op: CallLater) -> Done:
        self._changes.later[op.number] = (op.attempts, op.due_ms)
        return Done(Effect.NOTHING)

    def _set_target(self, op: SetTarget) -> Done:
        self._head(op.pair_id)
        self._changes.targets[op.pair_id] = op.target
        return Done(Effect.NOTHING)

    def _drop_target(self, op: DropTarget) -> Done:
        # Of a pairing that is over by now nothing is made again.
        new = self._changes.targets.get(op.pair_id)
        if new is None:
            self._changes.dropped.append((op.pair_id, op.endpoint))
        elif new.endpoint == op.endpoint:
            self._changes.targets[op.pair_id] = replace(new, endpoint=Target().endpoint, p256dh=b"", auth=b"")
        return Done(Effect.NOTHING)

    def _reported(self, op: Reported) -> Done:
        self._changes.reported.update(op.numbers)
        return Done(Effect.NOTHING)
