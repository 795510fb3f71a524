"""The host's end of one pairing's thread: frames and seals on one side, the journal's steps on the other.

It takes or declines commands, learns of their go, answers handshakes, and posts what the outbox holds. Everything that must be
remembered is a step of the journal, committed before the answer goes out. What a task is and does is the runner's business.
docs/encryption.md "Session" has the table that `_confirmed` follows.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import Enum
from functools import partial
from typing import Protocol

from dispatch import errors
from dispatch.api.error.v1.error_pb2 import Reason
from dispatch.api.relay.v1 import relay_pb2 as relay
from dispatch.api.relay.v1.relay_pb2 import DeviceFrame, Handover, Opened, RelayFrame
from dispatch.api.thread.v1 import thread_pb2 as pb
from dispatch.clock import Clock
from dispatch.encoding import message_id
from dispatch.ids import MessageId, PairId, TaskId
from dispatch.runtime.logs import get_logger
from dispatch.sealed.head import Head
from dispatch.sealed.history import verify_task
from dispatch.sealed.session import Busy, Confirmed, HostSession, Unopened
from dispatch.thread import Right, ThreadClient
from google.protobuf.message import DecodeError

from dispatch_host import admission, steps
from dispatch_host.admission import Readable
from dispatch_host.allowance import Allowance
from dispatch_host.journal import Tx, Writer, outbox, tasks, threads
from dispatch_host.journal.values import OutboxRow, Pairing
from dispatch_host.rights import Rights
from dispatch_host.scribe import Scribe
from dispatch_host.steps import Then
from dispatch_host.tasks import State

WINDOW = 32
"""Most rows that wait for their receipt on the stream at once."""
RESEND_BACKLOG = 512
"""A phone that asks again while so many rows still wait for the relay is not answered twice."""
SET_BACKS = 3
SET_BACKS_WINDOW_MS = 30 * 60_000
"""A thread is set back when the host was restored from a backup: so often is enough, and each time rewrites what is unseen."""
LARGEST_PLACE = 2**53 - 1
_RETRY_SECONDS = 1.0
_STORE_RETRY_MS = 1_000
"""Well within a lease: a host whose disk is full is still there, and says so (STORE_FAILED) to whoever sends."""
_HANDSHAKE = 0x80
"""Handshake messages have this bit in their first byte; sealed frames begin with their version."""

_LOG = get_logger()


class Runner(Protocol):
    """What a link needs of the runner."""

    def wake(self) -> None: ...
    def cancel(self, task_id: TaskId) -> None: ...


@dataclass(slots=True)
class Undecided:
    """Commands that this process has journalled and that wait for their go, over all links: until when they may start.

    In memory on purpose: a new process has no epoch clock, so what it finds undecided is never started.
    """

    deadlines_ms: dict[MessageId, int] = field(default_factory=dict)  # on the boot clock

    def count(self, now_ms: int) -> int:
        """Count those that may still become waiting tasks."""
        return sum(deadline >= now_ms for deadline in self.deadlines_ms.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class Common:
    """What all links of a host share. Fixed for the process."""

    journal: Writer
    scribe: Scribe
    clock: Clock
    undecided: Undecided
    runner: Runner
    connected: Callable[[Pairing, bool, Reason.ValueType], None]
    ended: Callable[[State], None]
    refused: Callable[[Reason.ValueType], None]


class _Answer(Enum):
    TAKEN = "taken"


class Link:
    """One pairing's link. A ThreadEnd: the client calls it from one task; `post` runs beside it."""

    def __init__(self, pairing: Pairing, *, common: Common, session: HostSession, rights: Rights, cursor: int) -> None:
        # Fixed after __init__.
        self.pairing = pairing
        self._common = common
        self._session = session
        self._rights = rights
        # Set once, before anything runs.
        self.client: ThreadClient
        # Touched by the client's task only.
        self._set_backs = Allowance(most=SET_BACKS, window_ms=SET_BACKS_WINDOW_MS)
        self._cursor = cursor
        self._acked = cursor
        # Written by the client's task, read by status.
        self.is_open = False
        self.phone_attached = False
        self.given_up = False  # written by the fleet
        self.reason: Reason.ValueType = Reason.REASON_UNSPECIFIED
        # Shared by the client's task and `post`; both run on one loop and leave them whole at each await.
        self._news = asyncio.Event()
        self._posted_id = 0
        self._in_flight: dict[bytes, OutboxRow] = {}
        self._hold_seconds = 0.0
        self._anew = asyncio.Event()  # set when everything is posted from the start
        self._drain = asyncio.Event()  # set when the outbox got shorter, or the stream ended

    # ---- The thread end: called by the client, one after the other. ----

    async def right(self, *, fresh: bool) -> Right:
        return await self._rights.right(fresh=fresh)

    def resume_after(self) -> int:
        return self._cursor

    def looking(self) -> bool:
        return False

    async def opened(self, opened: Opened) -> None:
        if opened.head_seq < self._cursor:
            # This relay has another log than the one we read. Its rows count from the beginning.
            await self._rewind(0)
            raise errors.NoNetwork("the relay has lost its log; reading it from the start")
        self._post_from_start()
        self.is_open, self.reason = True, Reason.REASON_UNSPECIFIED
        self._common.connected(self.pairing, True, self.reason)

    async def closed(self, error: errors.DispatchError) -> None:
        was_open, self.is_open, self.phone_attached = self.is_open, False, False
        self.reason = error.reason
        if isinstance(error, errors.ResumeTooOld):
            await self._rewind(_oldest(error) - 1)
        if isinstance(error, errors.StreamSuperseded):
            self._session.drop()
        if was_open:
            self._common.connected(self.pairing, False, self.reason)
        _LOG.info("stream closed", pairing=self.pairing.pair_id, reason=errors.word(error.reason), detail=error.detail)

    async def received(self, frames: Sequence[RelayFrame]) -> None:
        try:
            await self._received(frames)
        except errors.StoreFailed as failure:
            # The stream breaks, and what could not be remembered comes again; not many times a second, though.
            raise errors.StoreFailed(failure.detail, retry_after_ms=_STORE_RETRY_MS) from failure

    async def _received(self, frames: Sequence[RelayFrame]) -> None:
        receipts: list[relay.Receipt] = []
        for frame in frames:
            kind = frame.WhichOneof("frame")
            if kind == "receipt":
                receipts.append(frame.receipt)
                continue
            # Rows are dealt with in order: the cursor must not pass one that is not.
            await self._receipts(receipts)
            receipts = []
            match kind:
                case "handover":
                    await self._handover(frame.handover)
                case "deliver":
                    await self._deliver(frame.deliver)
                case "withdrawn":
                    await self._withdrawn(frame.withdrawn)
                case "live":
                    await self._live(frame.live.sealed)
                case "refusal":
                    self._refused(frame.refusal)
                case "presence":
                    self.phone_attached = frame.presence.state == relay.Reachability.REACHABILITY_REACHABLE
                case _:
                    pass
        await self._receipts(receipts)
        if self._cursor > self._acked:
            self._acked = self._cursor
            self.client.send(DeviceFrame(ack=relay.Ack(through_seq=self._cursor)))

    # ---- Commands. ----

    async def _handover(self, frame: Handover) -> None:
        """Answer with Take or Decline, once it is certain which."""
        try:
            known = await self._common.journal.step(lambda tx: tasks.find_command(tx, frame.message_id))
            answer = _Answer.TAKEN if known is not None else await self._consider(frame)
        except errors.StoreFailed as failure:
            _LOG.error("journal can't be used", detail=failure.detail)
            answer = failure.reason
        if answer is _Answer.TAKEN:
            self.client.send(DeviceFrame(take=relay.Take(message_id=frame.message_id)))
            return
        self._common.refused(answer)
        _LOG.info("command declined", pairing=self.pairing.pair_id, task=frame.task_id, reason=errors.word(answer))
        self.client.send(DeviceFrame(decline=relay.Decline(message_id=frame.message_id, reason=answer)))

    async def _consider(self, frame: Handover) -> _Answer | Reason.ValueType:
        """Open a command, check it, and journal it if it is to be taken; the reason otherwise."""
        if not frame.sealed:
            return Reason.REASON_SESSION_NEEDED
        if message_id(frame.sealed) != frame.message_id:
            return Reason.REASON_PROTOCOL_VIOLATION
        opened = self._session.open_command(frame.sealed, now_ms=self._common.clock.boot_ms())
        if isinstance(opened, Unopened):
            return Reason.REASON_STALE_EPOCH
        if opened.confirmed is not None and (refused := await self._confirmed(opened.confirmed)):
            return refused
        asked = admission.read(opened.body, pair_id=self.pairing.pair_id, task_id=frame.task_id)
        if not isinstance(asked, Readable):
            return asked
        if not self._signed(asked.command):
            return Reason.REASON_SIGNATURE_INVALID
        return await self._journal(MessageId(frame.message_id), asked)

    def _signed(self, command: pb.UpCommand) -> bool:
        try:
            head = Head(command.head.number, command.head.hash or bytes(32))
        except ValueError:
            return False
        return verify_task(
            self.pairing.phone_key,
            command.signature,
            pair_id=self.pairing.pair_id,
            task_id=command.task_id,
            attempt=command.attempt,
            body=command.action,
            head=head,
        )

    async def _journal(self, message: MessageId, asked: Readable) -> _Answer | Reason.ValueType:
        common, now_ms = self._common, self._common.clock.boot_ms()
        left_ms = asked.command.deadline_ms - self._session.epoch_ms(now_ms)
        if left_ms < 0:
            return Reason.REASON_DEADLINE_PASSED
        undecided = common.undecided.count(now_ms)
        reason = await common.journal.step(
            lambda tx: steps.take(tx, self.pairing.pair_id, message, asked, undecided=undecided)
        )
        if reason is not None:
            return reason
        common.undecided.deadlines_ms[message] = now_ms + left_ms
        return _Answer.TAKEN

    async def _deliver(self, frame: relay.Deliver) -> None:
        """Take the go. A failure here breaks the stream, and the row comes again."""
        common, message, seq = self._common, MessageId(frame.message_id), _place(frame.seq)
        deadline_ms = common.undecided.deadlines_ms.get(message)
        in_time = deadline_ms is not None and common.clock.boot_ms() <= deadline_ms
        now_ms = common.clock.wall_ms()
        gone = await common.journal.step(
            lambda tx: steps.go(
                tx, common.scribe, self.pairing.pair_id, message, seq=seq, in_time=in_time, now_ms=now_ms
            )
        )
        common.undecided.deadlines_ms.pop(message, None)
        self._cursor = max(self._cursor, seq)
        self.wake()
        if gone.ended is not None:
            common.ended(gone.ended)
        if gone.then is Then.RUN:
            common.runner.wake()
        elif gone.then is Then.CANCEL:
            common.runner.cancel(gone.task_id)

    async def _withdrawn(self, frame: relay.Withdrawn) -> None:
        common, message, seq = self._common, MessageId(frame.message_id), _place(frame.seq)
        now_ms = common.clock.wall_ms()
        ended = await common.journal.step(
            lambda tx: steps.withdraw(tx, common.scribe, self.pairing.pair_id, message, seq=seq, now_ms=now_ms)
        )
        common.undecided.deadlines_ms.pop(message, None)
        self._cursor = max(self._cursor, seq)
        if ended is not None:
            self.wake()
            common.ended(ended)

    # ---- The session. ----

    async def _live(self, sealed: bytes) -> None:
        now_ms = self._common.clock.boot_ms()
        if sealed[:1] and sealed[0] & _HANDSHAKE:
            self._answer(self._session.answer(sealed, now_ms=now_ms))
            return
        opened = self._session.open_live(sealed, now_ms=now_ms)
        if isinstance(opened, Unopened):
            # Counted only: a relay can make up as many as it likes, and the log is on the person's disk.
            self._common.refused(Reason.REASON_STALE_EPOCH)
            return
        if opened.confirmed is not None and (refused := await self._confirmed(opened.confirmed)):
            self._common.refused(refused)
            return
        try:
            items = pb.UpLive.FromString(opened.body).items
        except DecodeError:
            return
        for item in items:
            await self._up_live(item)

    def _answer(self, answer: bytes | Busy | Unopened) -> None:
        """Send message 2, or count why there is none. The phone asks again by itself."""
        if isinstance(answer, bytes):
            self.client.send(DeviceFrame(live=relay.Live(sealed=answer)))
        elif isinstance(answer, Busy):
            self._common.refused(Reason.REASON_RATE_LIMITED)
        else:
            self._common.refused(Reason.REASON_HANDSHAKE_FAILED)
            _LOG.warning("handshake not answered", pairing=self.pairing.pair_id, why=answer.why.value)

    async def _confirmed(self, confirmed: Confirmed) -> Reason.ValueType | None:
        """Switch to the epoch that the phone has confirmed; the reason when the old one stays."""
        try:
            await self._rights.admit(confirmed.grant)
            now_ms = self._common.clock.boot_ms()
            may_set_back = self._set_backs.left(now_ms=now_ms)
            set_back = await self._common.journal.step(
                lambda tx: self._common.scribe.begin(
                    tx, self.pairing.pair_id, confirmed.keep_chain, confirmed.head, may_set_back=may_set_back
                )
            )
            if set_back:
                self._set_backs.take(now_ms=now_ms)
        except errors.DispatchError as error:
            self._session.refuse()
            _LOG.warning(
                "session refused",
                pairing=self.pairing.pair_id,
                reason=errors.word(error.reason),
                detail=error.detail,
            )
            return error.reason
        except BaseException:
            # The stream ended while the journal wrote. Left undecided, the session would never take anything again.
            self._session.cut_off()
            raise
        self._session.switch()
        self._post_from_start()
        _LOG.info("session", pairing=self.pairing.pair_id, epoch=confirmed.epoch)
        return None

    async def _up_live(self, item: pb.UpLiveItem) -> None:
        step, pair_id = self._common.journal.step, self.pairing.pair_id
        match item.WhichOneof("item"):
            case "seen":
                with contextlib.suppress(ValueError):
                    place = Head(item.seen.head.number, item.seen.head.hash or bytes(32))
                    await step(lambda tx: threads.seen(tx, threads.thread_of(tx, pair_id), place))
            case "resend":
                first, last = getattr(item.resend, "from"), item.resend.to
                if await step(lambda tx: outbox.count(tx, pair_id)) < RESEND_BACKLOG:
                    await step(lambda tx: self._common.scribe.resend(tx, pair_id, first, last))
                    self.wake()
            case "probe":
                self.show([pb.DownLiveItem(probe_reply=pb.ProbeReply(number=item.probe.number))])
            case _:
                pass

    def show(self, items: Sequence[pb.DownLiveItem]) -> None:
        """Show something in passing, if a phone is there to see it."""
        if self.phone_attached and self._session.ready:
            sealed = self._session.seal_live(pb.DownLive(items=items).SerializeToString())
            self.client.send(DeviceFrame(live=relay.Live(sealed=sealed)))

    # ---- The outbox. ----

    def wake(self) -> None:
        """Hear that the outbox has news."""
        self._news.set()

    async def post(self) -> None:
        """Post what the outbox holds, in order, for ever; a window of rows at a time."""
        while True:
            await self._news.wait()
            self._news.clear()
            if self._hold_seconds:
                await self._hold()
            try:
                await self._post_waiting()
            except errors.StoreFailed as failure:
                _LOG.error("journal can't be used", detail=failure.detail)
                self._hold_seconds = _RETRY_SECONDS
                self._news.set()

    async def _hold(self) -> None:
        """Wait as the relay asked, unless all begins anew meanwhile: on another stream the word of the last one is over."""
        self._anew.clear()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._hold_seconds):
                await self._anew.wait()
        self._post_from_start()

    async def _post_waiting(self) -> None:
        while self.is_open and not self._hold_seconds and (room := WINDOW - len(self._in_flight)) > 0:
            after_id = self._posted_id
            rows = await self._common.journal.step(partial(_waiting, self.pairing.pair_id, after_id, room))
            if not rows:
                return
            if after_id == self._posted_id:  # else: begun anew meanwhile, and these come again
                self._send_rows(rows)

    def _send_rows(self, rows: Sequence[OutboxRow]) -> None:
        for row in rows:
            post = relay.Post(
                message_id=row.message_id,
                task_id=row.task_id,
                kind=relay.Kind.KIND_KEEP,
                sealed=row.sealed,
                push_hint=row.push_hint,
                outcome=row.outcome,
                reason=row.reason,
            )
            if not self.client.send(DeviceFrame(post=post)):
                return
            self._posted_id = row.id
            self._in_flight[row.message_id] = row

    def _post_from_start(self) -> None:
        self._posted_id, self._hold_seconds = 0, 0.0
        self._in_flight.clear()
        self._news.set()
        self._anew.set()

    async def _receipts(self, receipts: Sequence[relay.Receipt]) -> None:
        if not receipts:
            return
        message_ids = [receipt.message_id for receipt in receipts]
        seq = _place(max(receipt.seq for receipt in receipts))

        def received(tx: Tx) -> None:
            outbox.received(tx, self.pairing.pair_id, message_ids)
            threads.advance(tx, self.pairing.pair_id, seq)

        await self._common.journal.step(received)
        self._cursor = max(self._cursor, seq)
        for one in message_ids:
            self._in_flight.pop(one, None)
        self._drain.set()
        self._news.set()

    def _refused(self, frame: relay.Refusal) -> None:
        """Hear that the relay did not take a frame. A row goes out again: it is only the relay that lacks it."""
        if not frame.message_id:
            if frame.reason == Reason.REASON_PEER_ABSENT:
                self.phone_attached = False
            return
        if frame.message_id in self._in_flight:
            _LOG.warning("row refused", pairing=self.pairing.pair_id, reason=errors.word(frame.reason))
            self._hold_seconds = max(frame.retry_after_ms / 1000, _RETRY_SECONDS)
            self._news.set()

    async def _rewind(self, seq: int) -> None:
        await self._common.journal.step(lambda tx: threads.rewind(tx, self.pairing.pair_id, seq))
        self._cursor = self._acked = seq

    # ---- The end of the pairing. ----

    async def revoke(self, *, within_seconds: float) -> None:
        """Say the last word to the phone and give it a moment to leave. Best effort: the keys go either way."""
        item = pb.DownKeepItem(revoked=pb.Revoked())
        with contextlib.suppress(errors.StoreFailed):
            await self._common.journal.step(lambda tx: self._common.scribe.post_items(tx, self.pairing.pair_id, [item]))
            await self.drained(within_seconds=within_seconds)

    async def drained(self, *, within_seconds: float) -> bool:
        """Wait until the relay has all that the outbox held; False when it took too long or there is no stream."""
        self.wake()
        with contextlib.suppress(TimeoutError, errors.StoreFailed):
            async with asyncio.timeout(within_seconds):
                while self.is_open:
                    self._drain.clear()
                    if not await self._common.journal.step(lambda tx: outbox.count(tx, self.pairing.pair_id)):
                        return True
                    await self._drain.wait()
        return False


def _place(seq: int) -> int:
    """Check a place in the relay's log: no thread gets so long, and no store holds more."""
    if seq > LARGEST_PLACE:
        raise errors.ProtocolViolation("a row's place is out of bounds")
    return seq


def _oldest(error: errors.ResumeTooOld) -> int:
    """Read the relay's oldest row; nonsense counts as the first."""
    text = error.metadata.get("oldest_seq", "")
    return max(1, int(text)) if text.isascii() and text.isdecimal() and len(text) < 16 else 1


def _waiting(pair_id: PairId, after_id: int, limit: int, tx: Tx) -> list[OutboxRow]:
    return outbox.waiting(tx, pair_id, after_id=after_id, limit=limit)
