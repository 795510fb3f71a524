"""The commands of one pairing: pending ones, their hand-over, their verdict, and the time that ends their waiting.

What becomes of a command is decided by `verdict`, inside the log's transaction; this asks, and tells what came of it. Write,
then send: neither end hears of a verdict before it is durable. docs/protocol.md "Commands and the commit point".
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from functools import partial

from dispatch import errors
from dispatch.api.error.v1.error_pb2 import Reason
from dispatch.api.relay.v1 import relay_pb2 as pb
from dispatch.ids import MessageId, TaskId, short
from dispatch.runtime.logs import get_logger

from dispatch_relay import door, frames, presence, verdict
from dispatch_relay.log import Decide, Done, Failed, Pending, Row
from dispatch_relay.metrics import REFUSED
from dispatch_relay.place import RETRY_STORE_MS, Place
from dispatch_relay.presence import End, Standing
from dispatch_relay.stream import Stream
from dispatch_relay.verdict import Effect, Event

_log = get_logger()


@dataclass(slots=True)
class _Waiting:
    """A pending command in memory. Times are on the steady clock."""

    command: Pending
    posted_ms: int
    deadline_ms: int
    judged: bool = False  # it is refused, and the log is to confirm it
    handed_to: Stream | None = None  # the host's stream that has it


class Commands:
    """The commands of a place."""

    def __init__(self, place: Place, pending: Collection[Pending]) -> None:
        self._place = place
        self._waiting: dict[MessageId, _Waiting] = {}
        now, wall, most = place.now(), place.wall(), place.tools.settings.valid_for_ms
        for command in pending:
            # The clock may have been set meanwhile; a command never gets more time by that.
            left = min(max(0, command.arrived_ms + command.valid_for_ms - wall), command.valid_for_ms, most)
            self._waiting[command.message_id] = _Waiting(command, posted_ms=now, deadline_ms=now + left)
        place.tools.metrics.pending.inc(len(self._waiting))

    # ---- what is asked

    def __contains__(self, message_id: object) -> bool:
        return message_id in self._waiting

    def __len__(self) -> int:
        return len(self._waiting)

    def __iter__(self) -> Iterator[MessageId]:
        return iter(self._waiting)

    def due_ms(self) -> list[int]:
        """Say when waiting ends for each that waits."""
        return [waiting.deadline_ms for waiting in self._waiting.values() if not waiting.judged]

    # ---- what happens

    def post(self, stream: Stream, post: pb.Post) -> None:
        """Take a command of the phone that has passed the door."""
        place = self._place
        host = place.presence[End.HOST]
        most = place.tools.settings.valid_for_ms
        op = Decide(
            pair_id=place.pair_id,
            message_id=MessageId(post.message_id),
            event=verdict.on_post(host),
            now_ms=place.wall(),
            task_id=TaskId(post.task_id),
            sealed=post.sealed,
            valid_for_ms=min(post.valid_for_ms or most, most),
            reason=host.cause,
        )
        self._submit(op, stream)

    def take(self, stream: Stream, take: pb.Take) -> None:
        """The host has journalled a command."""
        waiting = self._waiting.get(MessageId(take.message_id))
        event = Event.TAKEN
        if waiting is not None:
            event = verdict.on_take(now_ms=self._place.now(), deadline_ms=waiting.deadline_ms)
        why = verdict.why_too_late(self._place.presence[End.HOST])
        self._judge(MessageId(take.message_id), event, why, stream=stream)

    def decline(self, stream: Stream, decline: pb.Decline) -> None:
        """The host will not run a command."""
        self._judge(
            MessageId(decline.message_id),
            Event.DECLINED,
            door.known(decline.reason),
            retry_after_ms=decline.retry_after_ms,
            stream=stream,
        )

    def give_up(self, reason: Reason.ValueType) -> None:
        """Nobody will take what waits."""
        self._give_up([*self._waiting], reason)

    def tick(self) -> None:
        """Give up what has waited long enough."""
        now = self._place.now()
        late = [message_id for message_id, waiting in self._waiting.items() if now >= waiting.deadline_ms]
        self._give_up(late, verdict.why_too_late(self._place.presence[End.HOST]))

    def hand_over_all(self) -> None:
        """The host is there: give it everything that waits."""
        for message_id in self._waiting:
            self._hand_over(message_id)

    def forget(self) -> None:
        """The pairing is over, and the store has forgotten them."""
        self._place.tools.metrics.pending.dec(len(self._waiting))
        self._waiting.clear()

    # ---- asking the log

    def _judge(
        self,
        message_id: MessageId,
        event: Event,
        reason: Reason.ValueType,
        *,
        retry_after_ms: int = 0,
        stream: Stream | None = None,
    ) -> None:
        """Let something happen to a command that was posted before."""
        op = Decide(
            pair_id=self._place.pair_id,
            message_id=message_id,
            event=event,
            now_ms=self._place.wall(),
            reason=Reason.REASON_UNSPECIFIED if event is Event.TAKEN else reason,
            retry_after_ms=retry_after_ms,
        )
        self._submit(op, stream)

    def _give_up(self, message_ids: Collection[MessageId], reason: Reason.ValueType) -> None:
        for message_id in message_ids:
            waiting = self._waiting[message_id]
            if not waiting.judged:
                waiting.judged = True
                self._judge(message_id, Event.GIVEN_UP, reason)

    def _submit(self, op: Decide, stream: Stream | None) -> None:
        if stream is not None:
            stream.submitted()
        self._place.submit(op, partial(self._decided, op=op, stream=stream, asked_ms=self._place.now()))

    # ---- hearing from the log

    def _decided(self, result: Done | Failed, *, op: Decide, stream: Stream | None, asked_ms: int) -> None:
        if stream is not None:
            stream.settled()
        if isinstance(result, Failed):
            self._undecided(op, stream)
            return
        match result.effect:
            case Effect.PEND:
                self._pend(op, stream, asked_ms)
            case Effect.HAND_OVER_AGAIN:
                self._hand_over(op.message_id)
            case Effect.ACCEPT | Effect.REFUSE if result.row is not None:
                self._verdict(result.row, result, asked_ms)
            case Effect.ANSWER_AGAIN if result.row is not None and stream is not None:
                self._place.answer_again(result.row, stream)
            case Effect.WITHDRAW if stream is not None:
                stream.say(frames.withdrawn(op.message_id))
            case _:
                pass

    def _undecided(self, op: Decide, stream: Stream | None) -> None:
        """The log could not store it, so nothing has happened."""
        place = self._place
        if op.event in {Event.POSTED, Event.POSTED_IN_VAIN}:
            # If an earlier posting of the same id waits, that one is answered.
            if stream is not None and op.message_id not in self._waiting:
                place.refuse_at_the_door(stream, op.message_id, errors.StoreFailed(retry_after_ms=RETRY_STORE_MS))
        elif op.event is Event.TAKEN:
            # As if it had not come: the command waits, its time runs on, and who posts it again has it handed over again.
            if (waiting := self._waiting.get(op.message_id)) is not None:
                waiting.handed_to = None
        else:
            # Decided but not durable: nobody hears of it until it is.
            place.submitted += 1
            asyncio.get_running_loop().call_later(RETRY_STORE_MS / 1_000, self._again, op, stream)

    def _again(self, op: Decide, stream: Stream | None) -> None:
        self._place.submitted -= 1
        self._submit(op, stream)

    def _pend(self, op: Decide, stream: Stream | None, posted_ms: int) -> None:
        place = self._place
        if place.over is not None:
            # The pairing ended while we wrote, and the entry went with all the rest.
            if stream is not None:
                place.refuse_at_the_door(stream, op.message_id, place.over)
            return
        command = Pending(op.message_id, op.task_id, op.sealed, op.now_ms, op.valid_for_ms)
        self._waiting[op.message_id] = _Waiting(command, posted_ms, deadline_ms=posted_ms + op.valid_for_ms)
        place.tools.metrics.pending.inc()
        host = place.presence[End.HOST]
        if host.absent:
            self._give_up([op.message_id], host.cause)  # it went while we wrote
        else:
            self._hand_over(op.message_id)

    def _hand_over(self, message_id: MessageId) -> None:
        place = self._place
        waiting, host = self._waiting.get(message_id), place.streams.get(End.HOST)
        if waiting is None or host is None or place.presence[End.HOST].standing is not Standing.REACHABLE:
            return
        left_ms = waiting.deadline_ms - place.now()
        if left_ms > 0 and not waiting.judged:
            if waiting.handed_to is not host:
                # Once a stream: else who posts it again and again fills the queue of a host that does not read.
                host.say(frames.handover(waiting.command, left_ms=left_ms))
                waiting.handed_to = host
            phone = place.streams.get(End.PHONE)
            if phone is not None:
                phone.say(frames.handed_over(message_id))

    def _verdict(self, row: Row, result: Done, asked_ms: int) -> None:
        place, metrics = self._place, self._place.tools.metrics
        waiting = self._waiting.pop(row.message_id, None)
        if waiting is not None:
            metrics.pending.dec()
        accepted = result.effect is Effect.ACCEPT
        posted_ms = asked_ms if waiting is None else waiting.posted_ms
        metrics.verdict(accepted=accepted, seconds=(place.now() - posted_ms) / 1_000)
        if accepted and not result.task_open:
            place.open_tasks[row.task_id] = row.at_ms
        if not accepted:
            self._count_refusal(row, task_open=result.task_open)
        _log.info(
            "verdict",
            verdict="accepted" if accepted else REFUSED,
            reason=errors.word(row.reason) if row.reason else None,
            pairing=short(place.pair_id),
            task=short(row.task_id),
            message=short(row.message_id),
            seq=row.seq,
        )
        place.publish(row)

    def _count_refusal(self, row: Row, *, task_open: bool) -> None:
        metrics = self._place.tools.metrics
        metrics.refused(row.reason)
        if not task_open:  # a cancel or an answer that is refused loses no task
            metrics.task(REFUSED)
            if row.reason in presence.CAUSES.values():
                metrics.host_offline(row.reason)
