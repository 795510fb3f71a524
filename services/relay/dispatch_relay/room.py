"""One pairing while somebody is there: streams, presence, pending commands, and the timers that end waiting.

Everything happens on the event loop in methods that do not wait: frames and timers come in, ops go to the log, and what
the log has committed comes back and is told to the streams. Write, then send: no answer leaves before its op is durable.
Decides nothing that `presence` and `verdict` do not decide. Called by `service` (frames), `rooms` and timers.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, replace
from functools import partial

from dispatch import errors
from dispatch.api.error.v1.error_pb2 import Reason
from dispatch.api.relay.v1 import relay_pb2 as pb
from dispatch.clock import Clock
from dispatch.ids import DeviceId, MessageId, PairId, TaskId, short
from dispatch.runtime.logs import get_logger

from dispatch_relay import door, frames, presence, verdict
from dispatch_relay.log import Acked, Decide, Done, Erase, Failed, Keep, Log, Op, Pending, Row, Stood, Thread
from dispatch_relay.metrics import BROKE, BYE, OUTCOMES, REFUSED, Metrics
from dispatch_relay.presence import End, Presence, Standing
from dispatch_relay.push import Push, PushOutcome
from dispatch_relay.settings import Settings
from dispatch_relay.stream import Stream
from dispatch_relay.tail import Tail
from dispatch_relay.verdict import Effect

_log = get_logger()

RETRY_STORE_MS = 500
"""After how long a write that failed is tried again."""

Spawn = Callable[[Coroutine[object, object, None]], None]


@dataclass(frozen=True, slots=True)
class Tools:
    """What every room works with."""

    log: Log
    clock: Clock
    settings: Settings
    metrics: Metrics
    push: Push
    spawn: Spawn  # runs a coroutine beside, in the task group of the process


@dataclass(slots=True)
class _Waiting:
    """A pending command in memory. Deadlines are on the steady clock."""

    command: Pending
    posted_ms: int
    deadline_ms: int
    judged: bool = False  # it is refused, and the log is to confirm it


class Room:
    """A pairing with somebody in it, or something that waits."""

    def __init__(self, pair_id: PairId, thread: Thread, tools: Tools, *, closed: Callable[[Room], None]) -> None:
        # Fixed after __init__.
        self.pair_id = pair_id
        self._tools = tools
        self._limits = _limits(tools.settings)
        self._closed = closed
        self._handlers: dict[str, Callable[[Stream, pb.DeviceFrame], None]] = {
            "post": lambda stream, frame: self._post(stream, frame.post),
            "live": lambda stream, frame: self._live(stream, frame.live),
            "take": lambda stream, frame: self._take(stream, frame.take),
            "decline": lambda stream, frame: self._decline(stream, frame.decline),
            "ack": lambda stream, frame: self._ack(stream, frame.ack),
            "looking": lambda stream, frame: self._looking(stream, frame.looking),
            "notice": lambda stream, frame: self._notice(stream, frame.notice),
            "bye": lambda stream, frame: self._bye(stream),
            "pong": lambda stream, frame: None,  # that it came is all it says
        }
        # Owned by the loop.
        self._streams: dict[End, Stream] = {}
        self._presence = {end: thread.presence.get(end, Presence()) for end in End}
        self._waiting: dict[MessageId, _Waiting] = {}
        self._open_tasks = set(thread.open_tasks)
        self._tail = Tail(head_seq=thread.head_seq, limit_bytes=tools.settings.batch_bytes)
        self._oldest_seq = thread.oldest_seq
        self._acked = dict(thread.acked)
        self._grace_until: dict[End, int] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._timer_ms = 0
        self._submitted = 0
        self._draining = False
        self._erased: asyncio.Future[None] | None = None
        self._over: errors.DispatchError | None = None
        self._load(thread)

    def _load(self, thread: Thread) -> None:
        now, wall = self._now(), self._wall()
        most = self._tools.settings.valid_for_ms
        for command in thread.pending:
            # The clock may have been set meanwhile; a command never gets more time by that.
            left = min(max(0, command.arrived_ms + command.valid_for_ms - wall), command.valid_for_ms, most)
            self._waiting[command.message_id] = _Waiting(command, posted_ms=now, deadline_ms=now + left)
        self._tools.metrics.pending.inc(len(self._waiting))
        if End.HOST not in thread.presence:
            self._tools.metrics.host_stands(Standing.NEVER_CONNECTED, before=None)
            self._submit(Stood(self.pair_id, End.HOST, self._presence[End.HOST]), self._stored)

    # ---- what service and rooms call

    def recover(self) -> None:
        """This relay has just started: whoever was here may come back, and need not hurry more than after a break."""
        for end in End:
            self._meet(end, presence.Event.RELAY_STARTED, grace_ms=self._tools.settings.restart_grace_ms)
        if self._presence[End.HOST].absent:
            self._give_up(self._presence[End.HOST].cause)
        self._arm()
        self._leave_if_empty()

    def check_resume(self, resume_after: int) -> None:
        """Raise ResumeTooOld when the rows behind `resume_after` are not all here."""
        head = self._tail.head_seq
        first = self._oldest_seq or head + 1
        if resume_after > head or resume_after + 1 < first:
            raise errors.ResumeTooOld(metadata={"oldest_seq": str(min(first, head + 1))})

    def attach(self, stream: Stream) -> None:
        """Open a stream. The older one of this end, if there is one, is over."""
        over = errors.DeviceRevoked() if self._presence[stream.end].standing is Standing.REVOKED else self._over
        if over is not None:
            stream.finish(over)
            return
        older = self._streams.get(stream.end)
        if older is not None:
            self._drop(older, errors.StreamSuperseded())
        stream.tail = self._tail
        stream.read_rows = self._read_rows
        self._streams[stream.end] = stream
        self._tools.metrics.stream_opened(stream.end)
        mine = self._waiting if stream.end is End.PHONE else {}
        stream.say(
            frames.opened(
                head_seq=self._tail.head_seq, oldest_seq=self._oldest_seq, limits=self._limits, pending=list(mine)
            )
        )
        stream.say(self._presence_frame(stream.end.other))
        if self._acked.get(stream.end.other):
            stream.peer_acked(self._acked[stream.end.other])
        before = self._presence[stream.end]
        self._presence[stream.end] = replace(before, instance=stream.instance, last_heard_ms=self._wall())
        self._meet(stream.end, presence.Event.ATTACHED, changed=before.instance != stream.instance)
        if stream.end is End.HOST:
            self._hand_over_all(stream)
        self._arm()

    def heard(self, stream: Stream) -> None:
        """A message came from the device, whatever is in it."""
        stream.lease.heard(now_ms=self._now())

    def receive(self, stream: Stream, frame: pb.DeviceFrame) -> None:
        """Take a frame. Raises ProtocolViolation. A stream that is over is not listened to any more."""
        if self._streams.get(stream.end) is not stream:
            return
        name = door.check_frame(frame, author=stream.end)
        if self._over is None:
            self._handlers[name](stream, frame)
        elif name == "post":
            self._refuse_at_the_door(stream, frame.post.message_id, self._over)

    def broke(self, stream: Stream) -> None:
        """The stream ended without Bye. Does nothing for one that is over already."""
        if self._streams.get(stream.end) is stream:
            self._drop(stream, None, why=BROKE)
            self._meet(stream.end, presence.Event.BROKE)
            self._arm()
            self._leave_if_empty()

    def end(self, stream: Stream, error: errors.DispatchError) -> None:
        """End a stream that broke the protocol, or whose device has no rights any more."""
        if self._streams.get(stream.end) is stream:
            self._drop(stream, error)
            self._meet(stream.end, presence.Event.BROKE)
            self._arm()
            self._leave_if_empty()

    def drain(self, *, reconnect_in_ms: Callable[[], int]) -> list[Stream]:
        """Ask everybody to come back later; gives the streams that were asked.

        From here on a stream that ends says nothing about its device: it does what it was asked.
        """
        self._draining = True
        for stream in self._streams.values():
            stream.say(frames.draining(reconnect_in_ms=reconnect_in_ms()))
        return list(self._streams.values())

    def shut(self) -> None:
        """End the streams because the relay closes."""
        self._draining = True
        self._stop_timer()
        for stream in list(self._streams.values()):
            self._drop(stream, errors.Draining(retry_after_ms=1_000))

    def revoke(self, device_id: DeviceId) -> None:
        """A device has lost its rights: its stream ends; a host's commands are refused."""
        for stream in list(self._streams.values()):
            if stream.device_id == device_id:
                self._drop(stream, errors.DeviceRevoked())
                self._meet(stream.end, presence.Event.WAS_REVOKED)
        self._leave_if_empty()

    def erase(self, *, ended_by: End | None) -> asyncio.Future[None]:
        """The pairing is over: answer what waits, forget everything, then end the streams; gives when that is done."""
        if self._erased is not None:
            return self._erased
        self._erased = asyncio.get_running_loop().create_future()
        if ended_by is End.HOST:
            self._meet(End.HOST, presence.Event.WAS_REVOKED)
        else:
            self._give_up(Reason.REASON_NOT_PAIRED)
        self._over = errors.HostRevoked() if ended_by is End.HOST else errors.NotPaired()
        # In one line behind the refusals above, so they have been told when this has.
        self._submit(Erase(self.pair_id), self._forgotten)
        return self._erased

    @property
    def looked_at(self) -> bool:
        """Whether a person looks at the phone."""
        phone = self._streams.get(End.PHONE)
        return phone is not None and phone.looking and not self._presence[End.PHONE].absent

    # ---- frames of a phone

    def _post(self, stream: Stream, post: pb.Post) -> None:
        no = door.check_post(post, author=stream.end, sealed_bytes=self._tools.settings.sealed_bytes)
        if no is None and post.message_id not in self._waiting:
            wait_ms = stream.posts.take(now_ms=self._now())
            if wait_ms:
                no = errors.RateLimited(retry_after_ms=wait_ms)
            elif stream.end is End.PHONE and len(self._waiting) >= self._tools.settings.pending_commands:
                no = errors.RateLimited("too many commands wait", retry_after_ms=self._tools.settings.lease_ms)
        if no is not None:
            self._refuse_at_the_door(stream, post.message_id, no)
        elif stream.end is End.PHONE:
            self._command(stream, post)
        else:
            self._keep(stream, post)

    def _refuse_at_the_door(self, stream: Stream, message_id: bytes, no: errors.DispatchError) -> None:
        self._tools.metrics.refused(no.reason)
        stream.say(frames.refusal(message_id, no.reason, retry_after_ms=no.retry_after_ms, detail=no.detail))

    def _command(self, stream: Stream, post: pb.Post) -> None:
        host = self._presence[End.HOST]
        most = self._tools.settings.valid_for_ms
        op = Decide(
            pair_id=self.pair_id,
            message_id=MessageId(post.message_id),
            event=verdict.on_post(host),
            now_ms=self._wall(),
            task_id=TaskId(post.task_id),
            sealed=post.sealed,
            valid_for_ms=min(post.valid_for_ms or most, most),
            reason=host.cause,
        )
        stream.submitted()
        self._submit(op, partial(self._decided, op=op, stream=stream, posted_ms=self._now()))

    # ---- frames of a host

    def _take(self, stream: Stream, take: pb.Take) -> None:
        message_id = MessageId(take.message_id)
        waiting = self._waiting.get(message_id)
        event = verdict.Event.TAKEN
        if waiting is not None:
            event = verdict.on_take(now_ms=self._now(), deadline_ms=waiting.deadline_ms)
        self._judge(message_id, event, verdict.why_too_late(self._presence[End.HOST]), stream=stream)

    def _decline(self, stream: Stream, decline: pb.Decline) -> None:
        self._judge(
            MessageId(decline.message_id),
            verdict.Event.DECLINED,
            door.known(decline.reason),
            retry_after_ms=decline.retry_after_ms,
            stream=stream,
        )

    def _keep(self, stream: Stream, post: pb.Post) -> None:
        op = Keep(
            pair_id=self.pair_id,
            message_id=MessageId(post.message_id),
            task_id=TaskId(post.task_id),
            now_ms=self._wall(),
            sealed=post.sealed,
            push_hint=post.push_hint,
            outcome=post.outcome,
            reason=door.known(post.reason) if post.reason else Reason.REASON_UNSPECIFIED,
        )
        stream.submitted()
        self._submit(op, partial(self._kept, op=op, stream=stream))

    def _notice(self, stream: Stream, notice: pb.Notice) -> None:
        event = door.NOTICES.get(notice.condition)
        if event is None:
            raise errors.ProtocolViolation("a notice without a condition that version 1 knows")
        self._meet(stream.end, event)
        if self._presence[stream.end].standing is Standing.REACHABLE:
            self._hand_over_all(stream)
        self._arm()

    # ---- frames of both

    def _live(self, stream: Stream, live: pb.Live) -> None:
        no: errors.DispatchError | None = None
        peer = self._streams.get(stream.end.other)
        if len(live.sealed) > self._tools.settings.sealed_bytes:
            no = errors.TooLarge()
        elif wait_ms := stream.lives.take(now_ms=self._now()):
            no = errors.RateLimited(retry_after_ms=wait_ms)
        elif peer is None:
            no = errors.PeerAbsent()
        elif not peer.whisper(frames.live(live.sealed)):
            self._tools.metrics.live_dropped.inc()
        if no is not None:
            self._refuse_at_the_door(stream, b"", no)

    def _ack(self, stream: Stream, ack: pb.Ack) -> None:
        if ack.through_seq > stream.cursor:
            raise errors.ProtocolViolation("an ack of a row that was never sent")
        if ack.through_seq > self._acked.get(stream.end, 0):
            self._acked[stream.end] = ack.through_seq
            self._submit(Acked(self.pair_id, stream.end, ack.through_seq), self._stored)
            peer = self._streams.get(stream.end.other)
            if peer is not None:
                peer.peer_acked(ack.through_seq)

    def _looking(self, stream: Stream, looking: pb.Looking) -> None:
        stream.looking = looking.looking
        self._arm()

    def _bye(self, stream: Stream) -> None:
        self._drop(stream, None, why=BYE)
        self._meet(stream.end, presence.Event.BYE)
        self._arm()
        self._leave_if_empty()

    # ---- verdicts

    def _judge(
        self,
        message_id: MessageId,
        event: verdict.Event,
        reason: Reason.ValueType,
        *,
        retry_after_ms: int = 0,
        stream: Stream | None = None,
    ) -> None:
        """Let something happen to a command that was posted before."""
        op = Decide(
            pair_id=self.pair_id,
            message_id=message_id,
            event=event,
            now_ms=self._wall(),
            reason=Reason.REASON_UNSPECIFIED if event is verdict.Event.TAKEN else reason,
            retry_after_ms=retry_after_ms,
        )
        if stream is not None:
            stream.submitted()
        self._submit(op, partial(self._decided, op=op, stream=stream, posted_ms=self._now()))

    def _give_up(self, reason: Reason.ValueType) -> None:
        for message_id, waiting in self._waiting.items():
            if not waiting.judged:
                waiting.judged = True
                self._judge(message_id, verdict.Event.GIVEN_UP, reason)

    def _decided(self, result: Done | Failed, *, op: Decide, stream: Stream | None, posted_ms: int) -> None:
        if stream is not None:
            stream.settled()
        if isinstance(result, Failed):
            self._undecided(result, op=op, stream=stream)
            return
        match result.effect:
            case Effect.PEND:
                self._pend(op, stream, posted_ms)
            case Effect.HAND_OVER_AGAIN:
                self._hand_over(op.message_id)
            case Effect.ACCEPT | Effect.REFUSE if result.row is not None:
                self._verdict(result.row, accepted=result.effect is Effect.ACCEPT, task_open=result.task_open, op=op,
                              posted_ms=posted_ms)  # fmt: skip
            case Effect.ANSWER_AGAIN if result.row is not None:
                self._answer_again(result.row, stream)
            case Effect.WITHDRAW if stream is not None:
                stream.say(frames.withdrawn(op.message_id))
            case _:
                pass

    def _undecided(self, failed: Failed, *, op: Decide, stream: Stream | None) -> None:
        self._failed(failed)
        posted = op.event in {verdict.Event.POSTED, verdict.Event.POSTED_IN_VAIN}
        if posted:
            # Nothing of this post is stored. If an earlier posting of the same id waits, that one is answered.
            if stream is not None and op.message_id not in self._waiting:
                no = errors.StoreFailed(retry_after_ms=RETRY_STORE_MS)
                self._refuse_at_the_door(stream, op.message_id, no)
        elif op.event is not verdict.Event.TAKEN:
            # Decided but not durable: nobody hears of it until it is.
            self._submitted += 1
            asyncio.get_running_loop().call_later(RETRY_STORE_MS / 1_000, self._judge_again, op, stream)
        # A Take that could not be stored is as if it had not come: the entry waits, and its time runs on.

    def _judge_again(self, op: Decide, stream: Stream | None) -> None:
        self._submitted -= 1
        self._judge(op.message_id, op.event, op.reason, retry_after_ms=op.retry_after_ms, stream=stream)

    def _pend(self, op: Decide, stream: Stream | None, posted_ms: int) -> None:
        if self._over is not None:
            # The pairing ended while we wrote, and the entry went with all the rest.
            if stream is not None:
                self._refuse_at_the_door(stream, op.message_id, self._over)
            return
        command = Pending(op.message_id, op.task_id, op.sealed, op.now_ms, op.valid_for_ms)
        self._waiting[op.message_id] = _Waiting(command, posted_ms, deadline_ms=posted_ms + op.valid_for_ms)
        self._tools.metrics.pending.inc()
        host = self._presence[End.HOST]
        if host.absent:
            self._give_up(host.cause)  # it went while we wrote
        else:
            self._hand_over(op.message_id)
        self._arm()

    def _hand_over_all(self, stream: Stream) -> None:
        if self._streams.get(End.HOST) is stream:
            for message_id in self._waiting:
                self._hand_over(message_id)

    def _hand_over(self, message_id: MessageId) -> None:
        waiting = self._waiting.get(message_id)
        host = self._streams.get(End.HOST)
        if waiting is None or host is None or self._presence[End.HOST].standing is not Standing.REACHABLE:
            return
        left_ms = waiting.deadline_ms - self._now()
        if left_ms > 0 and not waiting.judged:
            host.say(frames.handover(waiting.command, left_ms=left_ms))
            phone = self._streams.get(End.PHONE)
            if phone is not None:
                phone.say(frames.handed_over(message_id))

    def _verdict(self, row: Row, *, accepted: bool, task_open: bool, op: Decide, posted_ms: int) -> None:
        waiting = self._waiting.pop(row.message_id, None)
        metrics = self._tools.metrics
        if waiting is not None:
            metrics.pending.dec()
            posted_ms = waiting.posted_ms
        metrics.verdict(accepted=accepted, seconds=(self._now() - posted_ms) / 1_000)
        if accepted:
            if not task_open:
                self._open_tasks.add(row.task_id)
        else:
            metrics.refused(row.reason)
            if not task_open:
                metrics.task(REFUSED)
                if row.reason in presence.CAUSES.values():
                    metrics.host_offline(row.reason)
        _log.info(
            "verdict",
            verdict="accepted" if accepted else REFUSED,
            reason=errors.word(row.reason) if row.reason else None,
            pairing=short(self.pair_id),
            task=short(row.task_id),
            message=short(row.message_id),
            seq=row.seq,
        )
        self._publish(row)
        self._arm()

    def _answer_again(self, row: Row, stream: Stream | None) -> None:
        # Behind the cursor it comes by itself; an answer now would be out of order.
        if stream is not None and row.seq <= stream.cursor:
            stream.say(frames.row(row, to=stream.end))

    # ---- keep rows

    def _kept(self, result: Done | Failed, *, op: Keep, stream: Stream) -> None:
        stream.settled()
        if isinstance(result, Failed):
            self._failed(result)
            no = errors.StoreFailed(retry_after_ms=RETRY_STORE_MS)
            self._refuse_at_the_door(stream, op.message_id, no)
        elif result.effect is Effect.ANSWER_AGAIN and result.row is not None:
            self._answer_again(result.row, stream)
        elif result.row is not None:
            if result.task_ended:
                self._open_tasks.discard(op.task_id)
                self._tools.metrics.task(OUTCOMES[op.outcome])
                _log.info(
                    "task over",
                    outcome=OUTCOMES[op.outcome],
                    reason=errors.word(op.reason) if op.reason else None,
                    pairing=short(self.pair_id),
                    task=short(op.task_id),
                )
            self._publish(result.row)
            if op.push_hint:
                self._call(op.push_hint)

    def _call(self, hint: pb.PushHint.ValueType) -> None:
        """Call a person, unless they look."""
        if self.looked_at:
            self._called(PushOutcome.SUPPRESSED_LOOKING, hint)
            return

        async def call() -> None:
            self._called(await self._tools.push.call(self.pair_id, hint), hint)

        self._tools.spawn(call())

    def _called(self, outcome: PushOutcome, hint: pb.PushHint.ValueType) -> None:
        self._tools.metrics.pushed(outcome)
        name = pb.PushHint.Name(hint).removeprefix("PUSH_HINT_").lower()
        _log.info("push", outcome=outcome.value, hint=name, pairing=short(self.pair_id))

    def _publish(self, row: Row) -> None:
        if self._streams:
            self._tail.release(min(stream.cursor for stream in self._streams.values()))
        self._tail.add(row)
        self._oldest_seq = self._oldest_seq or row.seq
        for stream in self._streams.values():
            stream.news()

    # ---- presence

    def _meet(self, end: End, event: presence.Event, *, grace_ms: int | None = None, changed: bool = False) -> None:
        """Let something happen to an end, and do what follows from it."""
        if self._over is not None:
            return  # nothing of it is remembered any more
        if self._draining and event in {presence.Event.BYE, presence.Event.BROKE, presence.Event.GRACE_OVER}:
            return
        before = self._presence[end]
        now = presence.after(before, event, now_ms=self._wall())
        self._presence[end] = now
        if now.standing is Standing.RECONNECTING:
            wait_ms = self._tools.settings.lease_ms if grace_ms is None else grace_ms
            self._grace_until[end] = self._now() + wait_ms
        else:
            self._grace_until.pop(end, None)
        if now.standing is before.standing and not changed:
            return
        self._submit(Stood(self.pair_id, end, now), self._stored)
        peer = self._streams.get(end.other)
        if peer is not None:
            peer.say(self._presence_frame(end))
        if end is End.HOST and now.standing is not before.standing:
            self._host_changed(before, now)

    def _host_changed(self, before: Presence, now: Presence) -> None:
        self._tools.metrics.host_stands(now.standing, before=before.standing)
        _log.info("host", state=now.standing.value, before=before.standing.value, pairing=short(self.pair_id))
        if now.absent:
            self._give_up(now.cause)
            if self._open_tasks and not before.absent:
                self._tools.metrics.host_offline(now.cause, len(self._open_tasks))
                self._call(pb.PUSH_HINT_NEWS)

    def _presence_frame(self, of: End) -> bytes:
        known, stream = self._presence[of], self._streams.get(of)
        if stream is None:
            age_ms = max(0, self._wall() - known.last_heard_ms) if known.last_heard_ms else 0
            return frames.presence(known, of=of, last_heard_ms=known.last_heard_ms, lease_age_ms=min(age_ms, 2**32 - 1))
        age_ms = self._now() - stream.lease.heard_ms
        return frames.presence(known, of=of, last_heard_ms=self._wall() - age_ms, lease_age_ms=age_ms)

    # ---- timers

    def _arm(self) -> None:
        """Set the timer to what is due first. Cheap when nothing is due earlier than before."""
        due = [*self._grace_until.values()]
        due += [waiting.deadline_ms for waiting in self._waiting.values() if not waiting.judged]
        lease_ms = self._tools.settings.lease_ms
        due += [
            stream.lease.due_ms(every_ms=self._every_ms(stream), lease_ms=lease_ms) for stream in self._streams.values()
        ]
        if not due:
            self._stop_timer()
            return
        first = min(due)
        if self._timer is None or first < self._timer_ms:
            self._stop_timer()
            self._timer_ms = first
            delay = max(0, first - self._now()) / 1_000
            self._timer = asyncio.get_running_loop().call_later(delay, self._tick)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _every_ms(self, stream: Stream) -> int:
        """How long a device may be silent before it is asked. Shorter the more somebody waits for it."""
        lease_ms, idle_ms = self._tools.settings.lease_ms, self._tools.settings.idle_ask_ms
        if stream.end is End.PHONE:
            return min(lease_ms, idle_ms) if stream.looking else idle_ms
        if self._waiting:
            return lease_ms // 5
        return min(lease_ms, idle_ms) if End.PHONE in self._streams or self._open_tasks else idle_ms

    def _tick(self) -> None:
        self._timer = None
        now, lease_ms = self._now(), self._tools.settings.lease_ms
        if now - self._timer_ms > lease_ms // 2:
            self._forgive()
        for stream in list(self._streams.values()):
            if stream.lease.lost(now_ms=now, lease_ms=lease_ms):
                self._drop(stream, errors.LeaseLost())
                self._meet(stream.end, presence.Event.LEASE_LOST)
            elif stream.lease.should_ask(now_ms=now, every_ms=self._every_ms(stream)):
                stream.say(frames.ping(stream.lease.ask(now_ms=now)))
        for end in [end for end, until in self._grace_until.items() if now >= until]:
            self._grace_over(end)
        why = verdict.why_too_late(self._presence[End.HOST])
        for message_id, waiting in self._waiting.items():
            if now >= waiting.deadline_ms and not waiting.judged:
                waiting.judged = True
                self._judge(message_id, verdict.Event.GIVEN_UP, why)
        self._arm()
        self._leave_if_empty()

    def _forgive(self) -> None:
        """This process stood still. What the devices said meanwhile lies unread, so nobody is judged by that time."""
        for stream in self._streams.values():
            stream.lease.forgive()
        for end in self._grace_until:
            self._grace_until[end] = self._now() + self._tools.settings.lease_ms

    def _grace_over(self, end: End) -> None:
        stream = self._streams.get(end)
        if stream is not None:
            # It said that it restarts, and never did.
            self._drop(stream, errors.LeaseLost())
        self._meet(end, presence.Event.GRACE_OVER)

    # ---- the rest

    def _drop(self, stream: Stream, error: errors.DispatchError | None, *, why: str = "") -> None:
        """Take a stream out; what becomes of the presence is the caller's to say."""
        del self._streams[stream.end]
        known = self._presence[stream.end]
        heard_ms = self._wall() - (self._now() - stream.lease.heard_ms)
        self._presence[stream.end] = replace(known, last_heard_ms=heard_ms)
        word = why or (errors.word(error.reason) if error is not None else BROKE)
        self._tools.metrics.stream_closed(stream.end)
        self._tools.metrics.stream_ended(word)
        _log.info("stream ended", cause=word, end=stream.end.name.lower(), pairing=short(self.pair_id))
        stream.finish(error)

    def _read_rows(self, after_seq: int) -> Awaitable[list[Row]]:
        return self._rows_from_log(after_seq)

    async def _rows_from_log(self, after_seq: int) -> list[Row]:
        limit = self._tools.settings.batch_bytes
        return list(await self._tools.log.rows(self.pair_id, after_seq=after_seq, limit_bytes=limit))

    def _submit(self, op: Op, then: Callable[[Done | Failed], None]) -> None:
        self._submitted += 1
        self._tools.log.submit(op, partial(self._told, then))

    def _told(self, then: Callable[[Done | Failed], None], result: Done | Failed) -> None:
        self._submitted -= 1
        then(result)
        self._leave_if_empty()

    def _stored(self, result: Done | Failed) -> None:
        if isinstance(result, Failed):
            self._failed(result)

    def _failed(self, failed: Failed) -> None:
        self._tools.metrics.store_failures.inc()
        _log.error("store failed", why=failed.why, pairing=short(self.pair_id))

    def _forgotten(self, result: Done | Failed) -> None:
        if isinstance(result, Failed):
            self._failed(result)
            asyncio.get_running_loop().call_later(
                RETRY_STORE_MS / 1_000, self._submit, Erase(self.pair_id), self._forgotten
            )
            return
        self._tools.metrics.host_stands(None, before=self._presence[End.HOST].standing)
        self._tools.metrics.pending.dec(len(self._waiting))
        self._waiting.clear()
        self._grace_until.clear()
        for stream in list(self._streams.values()):
            self._drop(stream, errors.NotPaired())
        if self._erased is not None and not self._erased.done():
            self._erased.set_result(None)
        self._arm()

    def _leave_if_empty(self) -> None:
        if not (self._streams or self._waiting or self._grace_until or self._submitted):
            self._stop_timer()
            self._closed(self)

    def _now(self) -> int:
        return self._tools.clock.steady_ms()

    def _wall(self) -> int:
        return self._tools.clock.wall_ms()


def _limits(settings: Settings) -> pb.Limits:
    return pb.Limits(
        sealed_bytes=settings.sealed_bytes,
        frames=settings.frames,
        live_per_second=settings.live_per_second,
        posts_per_second=settings.posts_per_second,
        valid_for_ms=settings.valid_for_ms,
        lease_ms=settings.lease_ms,
        silence_ms=settings.silence_ms,
    )
