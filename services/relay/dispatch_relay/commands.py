"""The commands of one pairing: pending ones, their hand-over, their verdict, and the time that ends their waiting.

What becomes of a command is decided by `verdict`, inside the log's transaction; this asks, and tells what came of it. Write,
then send: neither end hears of a verdict before it is durable. A hand-over is none, and so goes ahead: the command is written
along with the host's word about it, or in a moment. docs/protocol.md "Commands and the commit point", docs/adr/0012.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from functools import partial

from dispatch import errors
from dispatch.api.error.v1.error_pb2 import Reason
from dispatch.api.relay.v1 import relay_pb2 as pb
from dispatch.ids import MessageId, TaskId, short
from dispatch.runtime.logs import get_logger
from dispatch.tracing import span_of

from dispatch_relay import door, frames, presence, verdict
from dispatch_relay.log import Decide, Done, Failed, Note, Pending, Row
from dispatch_relay.metrics import REFUSED
from dispatch_relay.place import RETRY_STORE_MS, Place, nothing
from dispatch_relay.presence import End, Standing
from dispatch_relay.stream import Stream
from dispatch_relay.verdict import Effect, Event, Status

_log = get_logger()


MOST_UNNOTED = 64
"""Refusals that the history of one pairing may have to wait for; more are refused all the same."""

MOST_ANSWERED = 16
"""Verdicts of one pairing that are remembered: a post that comes again right behind its own is not handed over again."""

EndStream = Callable[[Stream, errors.DispatchError], None]
"""Ends a stream with the error."""


@dataclass(slots=True)
class _Waiting:
    """A pending command in memory. Times are on the steady clock."""

    command: Pending
    posted_ms: int
    deadline_ms: int
    stored: bool = False  # else it is in this process only
    postings: int = 1  # of it, on their way to the log
    judged_ms: int | None = None  # since when it is refused, and the log is to confirm it
    owed: bool = False  # that takes too long, and the phone has been let know that nobody knows
    handed_to: Stream | None = None  # the host's stream that has it
    handed_ms: int | None = None  # since when


class Commands:
    """The commands of a place."""

    def __init__(self, place: Place, pending: Collection[Pending], *, end: EndStream) -> None:
        self._place = place
        self._end = end
        self._unnoted: dict[TaskId, Note] = {}  # refused at the door by a store that can't even write that
        self._waiting: dict[MessageId, _Waiting] = {}
        self._answered: list[MessageId] = []  # the newest verdicts
        now, wall, most = place.now(), place.wall(), place.tools.settings.valid_for_ms
        for command in pending:
            # The clock may have been set meanwhile; a command never gets more time by that.
            left = min(max(0, command.arrived_ms + command.valid_for_ms - wall), command.valid_for_ms, most)
            self._waiting[command.message_id] = _Waiting(command, posted_ms=now, deadline_ms=now + left, stored=True)
        place.tools.metrics.pending.inc(len(self._waiting))

    # ---- what is asked

    def __contains__(self, message_id: object) -> bool:
        return message_id in self._waiting

    def __len__(self) -> int:
        return len(self._waiting)

    def __iter__(self) -> Iterator[MessageId]:
        return iter(self._waiting)

    def due_ms(self) -> list[int]:
        """Say when waiting ends for each that waits: for a verdict, and for the log to confirm it."""
        lease_ms = self._place.tools.settings.lease_ms
        return [
            waiting.deadline_ms if waiting.judged_ms is None else waiting.judged_ms + lease_ms
            for waiting in self._waiting.values()
            if not waiting.owed
        ]

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
        self._submit(op, stream, ahead=self._expect(op))

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
        """Give up what has waited long enough; let the phone know when the log does not confirm it."""
        now, lease_ms = self._place.now(), self._place.tools.settings.lease_ms
        late = [message_id for message_id, waiting in self._waiting.items() if now >= waiting.deadline_ms]
        self._give_up(late, verdict.why_too_late(self._place.presence[End.HOST]))
        for waiting in list(self._waiting.values()):
            if waiting.judged_ms is not None and now - waiting.judged_ms >= lease_ms:
                self._owe(waiting)

    def hand_over_all(self) -> None:
        """The host is there: give it everything that waits."""
        for message_id in self._waiting:
            self._hand_over(message_id)

    def forget(self) -> None:
        """The pairing is over, and the store has forgotten them; or the seat is lost, and they wait with another relay."""
        self._place.tools.metrics.pending.dec(len(self._waiting))
        self._waiting.clear()

    # ---- what waits

    def _expect(self, op: Decide) -> bool:
        """Let a post wait while it is being stored, and hand it over; say whether the host has it ahead of the log."""
        waiting, host = self._waiting.get(op.message_id), self._place.streams.get(End.HOST)
        if waiting is not None:
            waiting.postings += 1
            return False
        if op.message_id in self._answered:
            return False
        self._add(op, self._place.now())
        # Else what is posted again and again, and answered from the log, would fill the queue of a host that does not read.
        return host is not None and host.keeps_up and self._hand_over(op.message_id)

    def _add(self, op: Decide, posted_ms: int) -> _Waiting:
        command = Pending(op.message_id, op.task_id, op.sealed, op.now_ms, op.valid_for_ms)
        waiting = _Waiting(command, posted_ms, deadline_ms=posted_ms + op.valid_for_ms)
        self._waiting[op.message_id] = waiting
        self._place.tools.metrics.pending.inc()
        return waiting

    def _remove(self, message_id: MessageId) -> _Waiting | None:
        waiting = self._waiting.pop(message_id, None)
        if waiting is not None:
            self._place.tools.metrics.pending.dec()
        return waiting

    def _remember(self, message_id: MessageId) -> None:
        """Note that it has its verdict."""
        if message_id not in self._answered:
            self._answered = [*self._answered[1 - MOST_ANSWERED :], message_id]

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
        waiting = self._waiting.get(message_id)
        if waiting is not None and event is not Event.TAKEN:
            if waiting.judged_ms is not None:
                return  # that is on its way to the log, or asked for again in a moment
            waiting.judged_ms = self._place.now()
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
            if waiting.judged_ms is None:
                self._judge(message_id, Event.GIVEN_UP, reason)

    def _submit(self, op: Decide, stream: Stream | None, *, ahead: bool = False) -> None:
        """Ask. `ahead`: the host has it already, so nobody waits for this."""
        if stream is not None:
            stream.submitted()
        write = self._place.submit_with_the_next if ahead else self._place.submit
        write(op, partial(self._decided, op=op, stream=stream, asked_ms=self._place.now()))

    # ---- hearing from the log

    def _decided(self, result: Done | Failed, *, op: Decide, stream: Stream | None, asked_ms: int) -> None:
        if stream is not None:
            stream.settled()
        if isinstance(result, Failed):
            self._undecided(op, stream)
            return
        if result.status is Status.UNKNOWN:
            self._nothing_is_decided(op.message_id)
        match result.effect:
            case Effect.PEND:
                self._pend(op, stream, asked_ms)
            case Effect.HAND_OVER_AGAIN:
                self._hand_over(op.message_id)
            case Effect.ACCEPT | Effect.REFUSE if result.row is not None:
                self._verdict(result.row, result, asked_ms)
            case Effect.ANSWER_AGAIN if result.row is not None and stream is not None:
                self._remove(op.message_id)  # it was let wait for nothing: it had its verdict
                self._remember(op.message_id)
                self._place.answer_again(result.row, self._place.streams.get(End.PHONE, stream))
            case Effect.WITHDRAW if stream is not None:
                stream.say(frames.withdrawn(op.message_id))
            case _:
                pass

    def _nothing_is_decided(self, message_id: MessageId) -> None:
        """A word came before any posting was stored. Should one be on its way yet, it waits as if nothing had been said."""
        if (waiting := self._waiting.get(message_id)) is not None:
            waiting.judged_ms, waiting.owed, waiting.handed_to = None, False, None

    def _undecided(self, op: Decide, stream: Stream | None) -> None:
        """The log could not store it, so nothing has happened."""
        if op.event in {Event.POSTED, Event.POSTED_IN_VAIN}:
            self._not_stored(op, stream)
        elif op.event is Event.TAKEN:
            # As if it had not come: the command waits, its time runs on, and who posts it again has it handed over again.
            if (waiting := self._waiting.get(op.message_id)) is not None:
                waiting.handed_to = None
        else:
            # Decided but not durable: nobody hears of it until it is.
            self._later(partial(self._judge_again, op, stream))

    def _judge_again(self, op: Decide, stream: Stream | None) -> None:
        """Ask once more, if it still waits and is judged: it may have been told as never stored, and be posted anew."""
        waiting = self._waiting.get(op.message_id)
        if waiting is not None and waiting.judged_ms is not None:
            self._submit(op, stream)

    def _not_stored(self, op: Decide, stream: Stream | None) -> None:
        """A posting could not be stored. Its host may have it and is not told: it may be posted again."""
        waiting = self._waiting.get(op.message_id)
        if waiting is not None:
            waiting.postings -= 1
            if waiting.stored or waiting.postings:
                # Another posting of it waits, or is on its way: that one is answered, when there is an answer.
                if waiting.owed:
                    self._owe(waiting, again=True)
                return
            self._remove(op.message_id)
        # One that has its verdict by an earlier posting is answered by that.
        if stream is not None and op.message_id not in self._answered:
            # By the phone's newest stream, whose opening may have said that it waits.
            told = self._place.streams.get(End.PHONE, stream)
            no = errors.StoreFailed(retry_after_ms=RETRY_STORE_MS)
            self._place.refuse_at_the_door(told, op.message_id, no)
            self._note(op)

    def _later(self, ask: Callable[[], None]) -> None:
        """Ask the log again in a moment; until then there is something left to do here."""

        def again() -> None:
            self._place.submitted -= 1
            ask()
            self._place.moved()

        self._place.submitted += 1
        asyncio.get_running_loop().call_later(RETRY_STORE_MS / 1_000, again)

    def _owe(self, waiting: _Waiting, *, again: bool = False) -> None:
        """Let the phone know that there is a verdict which nobody can be told: its stream ends, and what it posted is unconfirmed.

        A refusal would be a lie if this process died now: the command still waits on the disk, and may yet be taken. Once for
        each command, and whenever it is posted again: the stream is needed for everything else.
        """
        if waiting.owed and not again:
            return
        waiting.owed = True
        if (phone := self._place.streams.get(End.PHONE)) is not None:
            self._end(phone, errors.StoreFailed(retry_after_ms=RETRY_STORE_MS))

    def _note(self, op: Decide) -> None:
        """Remember for the account's history what was refused though nothing could be stored, until that can be."""
        if len(self._unnoted) < MOST_UNNOTED and op.task_id not in self._unnoted:
            reason = Reason.REASON_STORE_FAILED
            self._unnoted[op.task_id] = Note(op.pair_id, op.task_id, posted_ms=op.now_ms, reason=reason)
            if len(self._unnoted) == 1:
                self._later(self._note_next)

    def _note_next(self) -> None:
        note = next(iter(self._unnoted.values()), None)
        if note is not None:
            self._place.submit(note, partial(self._noted, note=note))

    def _noted(self, result: Done | Failed, *, note: Note) -> None:
        if isinstance(result, Failed):
            self._later(self._note_next)
            return
        self._unnoted.pop(note.task_id, None)
        self._note_next()

    def note_all(self) -> None:
        """This relay closes: what the account's history could not hear yet it hears now, or never."""
        for note in self._unnoted.values():
            self._place.submit(note, nothing)
        self._unnoted.clear()

    def _pend(self, op: Decide, stream: Stream | None, posted_ms: int) -> None:
        place = self._place
        # None when it was posted before and had a verdict, of which the log knows nothing any more.
        waiting = self._waiting.get(op.message_id) or self._add(op, posted_ms)
        waiting.stored = True
        if waiting.judged_ms is not None:
            return  # the log has that next
        if place.over is not None:
            # The pairing ended while we wrote, and the entry went with all the rest.
            self._remove(op.message_id)
            if stream is not None:
                place.refuse_at_the_door(stream, op.message_id, place.over)
            return
        host = place.presence[End.HOST]
        if host.absent:
            self._give_up([op.message_id], host.cause)  # it went while we wrote
        else:
            self._hand_over(op.message_id)

    def _hand_over(self, message_id: MessageId) -> bool:
        """Give it to the host that is there, once a stream, and let the phone know when it is stored; say if the host has it."""
        place = self._place
        waiting, host = self._waiting.get(message_id), place.streams.get(End.HOST)
        if waiting is None or host is None or place.presence[End.HOST].standing is not Standing.REACHABLE:
            return False
        left_ms = waiting.deadline_ms - place.now()
        if left_ms > 0 and waiting.judged_ms is None:
            if waiting.handed_to is not host:
                # Once a stream: else who posts it again and again fills the queue of a host that does not read.
                host.say(frames.handover(waiting.command, left_ms=left_ms))
                waiting.handed_to, waiting.handed_ms = host, place.now()
                task = short(waiting.command.task_id)
                _log.info("handed over", pairing=short(place.pair_id), task=task, message=short(message_id))
            phone = place.streams.get(End.PHONE)
            if phone is not None and waiting.stored:
                phone.mention(frames.handed_over(message_id))  # mostly the verdict comes right behind it
        return waiting.handed_to is host

    def _verdict(self, row: Row, result: Done, asked_ms: int) -> None:
        place, metrics = self._place, self._place.tools.metrics
        waiting = self._remove(row.message_id)
        self._remember(row.message_id)
        accepted = result.effect is Effect.ACCEPT
        posted_ms = asked_ms if waiting is None else waiting.posted_ms
        metrics.verdict(accepted=accepted, seconds=(place.now() - posted_ms) / 1_000)
        if accepted and not result.task_open:
            place.open_tasks[row.task_id] = row.at_ms
        if not accepted:
            self._count_refusal(row, task_open=result.task_open)
        self._trace(
            row, accepted=accepted, posted_ms=posted_ms, handed_ms=None if waiting is None else waiting.handed_ms
        )
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

    def _trace(self, row: Row, *, accepted: bool, posted_ms: int, handed_ms: int | None) -> None:
        """Tell the traces how long a verdict took, and of that the host. Our waits are on the steady clock, a span is not."""
        place, traces = self._place, self._place.tools.traces
        if not traces.on:
            return
        now_ms = place.wall()
        pairing, span_id = short(place.pair_id), span_of(row.task_id, f"verdict {row.message_id.hex()}")
        if handed_ms is not None:
            handed = now_ms - (place.now() - handed_ms)
            traces.span("hand over", row.task_id, start_ms=handed, end_ms=now_ms, parent_id=span_id, pairing=pairing)
        traces.span(
            "verdict",
            row.task_id,
            start_ms=now_ms - (place.now() - posted_ms),
            end_ms=now_ms,
            span_id=span_id,
            verdict="accepted" if accepted else REFUSED,
            reason=errors.word(row.reason) if row.reason else "",
            pairing=pairing,
        )

    def _count_refusal(self, row: Row, *, task_open: bool) -> None:
        metrics = self._place.tools.metrics
        metrics.refused(row.reason)
        if not task_open:  # a cancel or an answer that is refused loses no task
            metrics.task(REFUSED)
            if row.reason in presence.CAUSES.values():
                metrics.host_offline(row.reason)
