"""The phone's line to one host: what stands behind the thread stream of one pairing (docs/phone.md).

The stream's reader calls `received` and its kin, one after the other; `_tend` does what falls due by time. Both run in one
event loop and neither awaits inside a transaction. What a person wants goes through `sending`.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
from collections.abc import Awaitable, Callable, Iterator, Sequence

from dispatch import errors
from dispatch.api.error.v1.error_pb2 import Reason
from dispatch.api.relay.v1.relay_pb2 import (
    Ack,
    Deliver,
    DeviceFrame,
    Live,
    Looking,
    Opened,
    Post,
    Presence,
    Reachability,
    Refusal,
    RelayFrame,
)
from dispatch.api.thread.v1 import thread_pb2 as words
from dispatch.clock import Clock
from dispatch.failures import place_of
from dispatch.ids import Instance, MessageId, PairId, Rng, TaskId, short
from dispatch.sealed.head import Head
from dispatch.sealed.keys import PairKeys
from dispatch.sealed.session import PhoneSession
from dispatch.thread import Backoff, Identity, Right, ThreadClient
from dispatch.thread.client import FINAL, Silence
from google.protobuf.message import DecodeError

from mobile_sim.bell import Bell
from mobile_sim.ledger import TASK, Ledger
from mobile_sim.reading import LARGEST_NUMBER, Reader
from mobile_sim.store import PairingState, Store
from mobile_sim.task_view import ON_THE_WAY
from mobile_sim.tending import Tending

log = logging.getLogger(__name__)

SEEN_EVERY_MS = 500
RESEND_EVERY_MS = 3_000
OUT_OF_CONTACT_AFTER_MS = 5_000
"""How long this phone's own stream may be gone before its tasks are shown as out of contact."""

_AFTER_A_HANDSHAKE = (Reason.REASON_STALE_EPOCH, Reason.REASON_SESSION_NEEDED)

PartialListener = Callable[[TaskId, words.DownLiveItem], None]


class Line:
    """One pairing's stream and session, for as long as `run` runs."""

    def __init__(
        self,
        *,
        store: Store,
        pair_id: PairId,
        keys: PairKeys,
        identity: Identity,
        instance: Instance,
        right: Callable[[bool], Awaitable[Right]],
        ended: Callable[[], None],
        replaced: Callable[[PairId], None],
        clock: Clock,
        rng: Rng,
        chance: random.Random,
    ) -> None:
        # Fixed after __init__.
        self.pair_id = pair_id
        self.sign = identity.sign
        self._own_key = keys.own_ed25519
        self._store = store
        self._right = right
        self._ended = ended
        self._replaced = replaced
        self._clock = clock
        self._rng = rng
        self.bell = Bell()
        self.ledger = Ledger(store, pair_id, clock)
        self.client = ThreadClient(
            self, identity=identity, instance=instance, clock=clock, rng=rng, backoff=Backoff(chance)
        )
        # Memory of the session: gone with the process, as docs/encryption.md wants it.
        self.session = PhoneSession(keys, rng=rng)
        self._tending = Tending()
        self._reader = self._read_anew()
        # How things are; written by the stream's reader, read by everybody.
        self.open = False
        self.presence: Presence | None = None
        self.error: errors.DispatchError | None = None
        """Why there is no stream; None while there is one, or before the first try."""
        self.final = False
        """Whether the error stays until a person does something."""
        self._log_head = 0
        self._pending: frozenset[bytes] = frozenset()
        self._posted_here: set[bytes] = set()
        self._lost_at_ms: int | None = None
        self._seen = Head()
        self._seen_at_ms = -SEEN_EVERY_MS
        self._asked: tuple[int, int] | None = None
        self._asked_at_ms = 0
        self._lookers = 0
        self._replacing = False
        # Tasks that a sender attends to: it decides what becomes of an attempt that was never stored.
        self.attended: set[TaskId] = set()
        self.partial_listeners: set[PartialListener] = set()

    # ---- What the person's side asks.

    @property
    def host_absent(self) -> bool:
        """Whether the relay says that the host is away, or not quite there."""
        return self.presence is not None and self.presence.state != Reachability.REACHABILITY_REACHABLE

    @property
    def absence(self) -> Reason.ValueType:
        """Why the host is away."""
        return _cause(self.presence) if self.presence is not None else Reason.REASON_HOST_UNREACHABLE

    @property
    def ready(self) -> bool:
        """Whether a command can be sealed and handed to a host that is there."""
        return self.open and self.session.ready and not self.host_absent

    @property
    def caught_up(self) -> bool:
        """Whether everything that the relay had when the stream was opened has been read."""
        return self.open and self._reader.cursor >= self._log_head

    @property
    def complete(self) -> bool:
        """Whether this phone has every event that a host has that is there and has said so in this session."""
        return self.caught_up and self.session.ready and self._tending.confirmed and self._reader.missing() is None

    @property
    def head(self) -> Head:
        """The end of the checked part of the thread."""
        return self._reader.head

    def post(self, post: Post) -> bool:
        """Send a command whose post is committed. False when the stream is gone: it was certainly not sent."""
        self._posted_here.add(post.message_id)
        if self.client.send(DeviceFrame(post=post)):
            return True
        self._posted_here.discard(post.message_id)
        return False

    @contextlib.contextmanager
    def looked_at(self) -> Iterator[None]:
        """Tell the relay that a person looks, for as long as the context lasts."""
        self._lookers += 1
        if self._lookers == 1:
            self.client.send(DeviceFrame(looking=Looking(looking=True)))
        try:
            yield
        finally:
            self._lookers -= 1
            if self._lookers == 0:
                self.client.send(DeviceFrame(looking=Looking(looking=False)))

    def leave(self) -> None:
        """Say what was seen, then goodbye; `run` returns."""
        self._send_seen()
        self.client.leave(None)

    async def run(self) -> None:
        """Hold the line until `leave`, or until only a person can help (`final`). Never raises: `error` says what happened."""
        try:
            async with asyncio.TaskGroup() as group:
                tending = group.create_task(self._tend())
                await self.client.run()
                tending.cancel()
            # Whoever still follows a task here hears that the line is gone: the pairing is over, or the process ends.
            self.error, self.final = errors.NotPaired("the line was closed"), True
            self.bell.ring()
        except* Exception as several:
            self._break(several.exceptions[0])

    def _break(self, failure: Exception) -> None:
        if not isinstance(failure, errors.DispatchError):
            log.error("the line broke", extra={"where": place_of(failure)})
        self.error = failure if isinstance(failure, errors.DispatchError) else errors.Internal(type(failure).__name__)
        self.final, self.open = True, False
        if isinstance(failure, FINAL):
            with contextlib.suppress(errors.StoreFailed), self._store.transaction():
                self._store.pairings.set_reason(self.pair_id, errors.word(failure.reason))
        self.bell.ring()

    # ---- ThreadEnd: called by the client, one after the other.

    async def right(self, *, fresh: bool) -> Right:
        """Give the right to attach."""
        return await self._right(fresh)

    def resume_after(self) -> int:
        """Give the last row taken."""
        return self._reader.cursor

    def looking(self) -> bool:
        """Tell whether a person looks."""
        return self._lookers > 0

    async def opened(self, opened: Opened) -> None:
        """Begin with what the relay says of the past."""
        self.open, self.error, self._lost_at_ms = True, None, None
        self._log_head = _place(opened.head_seq)
        self._pending = frozenset(opened.pending_message_ids)
        self._posted_here.clear()
        with self._step():
            if opened.head_seq < self._reader.cursor:
                # The relay has lost rows that it once gave. What they said is here; what comes next has lower numbers.
                self._reader.set_cursor(opened.head_seq)
            self._settle()
        self.bell.ring()

    async def received(self, frames: Sequence[RelayFrame]) -> None:
        """Take frames: all that they say is committed, then acknowledged."""
        cursor = self._reader.cursor
        out: list[DeviceFrame] = []
        revoked = False
        with self._step():
            for frame in frames:
                revoked = self._take(frame, out) or revoked
            self._settle()
            if revoked:
                self._store.pairings.set_state(self.pair_id, PairingState.ENDED, reason="HOST_REVOKED")
        if self._replacing:
            self._replacing = False
            self._replaced(self.pair_id)
        if revoked:
            self._ended()
            raise errors.NotPaired("the computer has ended the pairing")
        if self._reader.cursor != cursor:
            out.append(DeviceFrame(ack=Ack(through_seq=self._reader.cursor)))
        if out:
            self.client.send(*out)
        self.bell.ring()

    async def closed(self, error: errors.DispatchError) -> None:
        """Hear that there is no stream."""
        if self.open or self._lost_at_ms is None:
            silent_ms = OUT_OF_CONTACT_AFTER_MS if isinstance(error, Silence) else 0
            self._lost_at_ms = self._clock.steady_ms() - silent_ms
        self.open, self.error, self.presence = False, error, None
        self._tending.stream_lost()
        self.session.drop()
        with self._step():
            self.ledger.stream_lost()
            if isinstance(error, errors.ResumeTooOld):
                self._reader.set_cursor(_oldest(error) - 1)
        log.info("stream ended", extra={"reason": errors.word(error.reason), "pairing": short(self.pair_id)})
        self.bell.ring()

    # ---- Frames.

    def _take(self, frame: RelayFrame, out: list[DeviceFrame]) -> bool:
        """Take one frame; tells whether the host has ended the pairing."""
        match frame.WhichOneof("frame"):
            case "deliver":
                return self._take_row(frame.deliver)
            case "receipt":
                self._reader.pass_to(_place(frame.receipt.seq))
                self.ledger.taken(MessageId(frame.receipt.message_id))
            case "refusal":
                self._take_refusal(frame.refusal)
            case "handed_over":
                self.ledger.handed_over(MessageId(frame.handed_over.message_id))
            case "live":
                self._take_live(frame.live.sealed, out)
            case "presence":
                self._take_presence(frame.presence)
        return False

    def _take_row(self, row: Deliver) -> bool:
        if not self._reader.pass_to(_place(row.seq)):
            return False
        read = self._reader.take_row(row.sealed)
        if read.epoch and read.epoch == self.session.epoch:
            self._tending.begun()
        return read.revoked

    def _take_refusal(self, refusal: Refusal) -> None:
        if refusal.seq:
            self._reader.pass_to(_place(refusal.seq))
        was_ours = self.ledger.refused(
            MessageId(refusal.message_id), refusal.reason, retry_after_ms=refusal.retry_after_ms
        )
        if was_ours and refusal.reason in _AFTER_A_HANDSHAKE:
            self._tending.refused()
            self.session.drop()

    def _take_live(self, sealed: bytes, out: list[DeviceFrame]) -> None:
        if self._tending.is_open:
            now_ms = self._clock.boot_ms()
            begun = self.session.finish(sealed, now_ms=now_ms)
            if begun is not None:
                self._reader.begin_epoch(begun.keep_chain, begun.host_epoch)
                self._become_active()
                confirm = words.UpLive(items=[words.UpLiveItem(confirm=words.Confirm())]).SerializeToString()
                out.append(DeviceFrame(live=Live(sealed=self.session.seal_live(confirm))))
                self._tending.finished(self._clock.steady_ms())
                return
        body = self.session.open_live(sealed)
        if not isinstance(body, bytes):
            return
        try:
            items = words.DownLive.FromString(body).items
        except DecodeError:
            return
        for item in items:
            if item.HasField("partial_text"):
                for listener in list(self.partial_listeners):
                    listener(TaskId(item.partial_text.task_id), item)

    def _take_presence(self, presence: Presence) -> None:
        self.presence = presence
        reachable = presence.state == Reachability.REACHABILITY_REACHABLE
        self._tending.host_is(reachable=reachable, instance=presence.instance)
        if reachable:
            self.ledger.host_back()
        elif presence.state == Reachability.REACHABILITY_ABSENT:
            self.ledger.host_away(_cause(presence))

    def _become_active(self) -> None:
        """A session shows that the host has the pairing: it is active, and an older one with this host is over."""
        pairings = self._store.pairings
        own = pairings.get(self.pair_id)
        if own is not None and (own.state is not PairingState.ACTIVE or own.reason):
            pairings.set_state(self.pair_id, PairingState.ACTIVE)
            self._replacing = True

    def _settle(self) -> None:
        """At the head of the log, decide the posts of earlier streams: without a row and not pending, they were never stored."""
        if self._reader.cursor < self._log_head:
            return
        for post in self.ledger.unsettled():
            if post.message_id in self._posted_here or post.message_id in self._pending:
                continue
            self.ledger.never_stored(post)
            on_the_way = self.ledger.view(post.task_id).state in ON_THE_WAY
            if post.action == TASK and on_the_way and post.task_id not in self.attended:
                self.ledger.not_sent(post.task_id, Reason.REASON_NO_NETWORK)

    @contextlib.contextmanager
    def _step(self) -> Iterator[None]:
        """One transaction; when it fails, memory goes back to what the store has."""
        try:
            with self._store.transaction():
                yield
        except BaseException:
            self.ledger.forget()
            self.session.drop()
            self._tending.stream_lost()
            self._reader = self._read_anew()
            raise

    def _read_anew(self) -> Reader:
        pairing = self._store.pairings.get(self.pair_id)
        if pairing is None:
            raise errors.NotPaired
        return Reader(self._store, pairing, self.ledger, own_key=self._own_key)

    # ---- What falls due by time.

    async def _tend(self) -> None:
        while True:
            wait_ms = await self._do_due()
            await self.bell.heard(None if wait_ms is None else max(wait_ms, 1) / 1000)

    async def _do_due(self) -> int | None:
        """Do what is due; gives the ms until something else is, None if nothing is by time alone."""
        now_ms = self._clock.steady_ms()
        if not self.open:
            return self._contact_due(now_ms)
        waits: list[int] = []
        handshake_ms = self._tending.due_in(now_ms)
        if handshake_ms == 0:
            await self._shake_hands()
        elif handshake_ms is not None:
            waits.append(handshake_ms)
        waits += self._resend_due(now_ms)
        if self.session.ready and self.head != self._seen:
            if now_ms - self._seen_at_ms >= SEEN_EVERY_MS:
                self._send_seen()
            else:
                waits.append(self._seen_at_ms + SEEN_EVERY_MS - now_ms)
        return min(waits, default=None)

    def _contact_due(self, now_ms: int) -> int | None:
        if self._lost_at_ms is None:
            return None
        left_ms = self._lost_at_ms + OUT_OF_CONTACT_AFTER_MS - now_ms
        if left_ms > 0:
            return left_ms
        with self._step():
            self.ledger.host_away(Reason.REASON_NO_NETWORK)
        self._lost_at_ms = None
        self.bell.ring()
        return None

    async def _shake_hands(self) -> None:
        try:
            right = await self._right(False)
        except errors.DispatchError as error:
            log.info("no right for a handshake", extra={"reason": errors.word(error.reason)})
            self._tending.started(self._clock.steady_ms())
            return
        if not self.open:
            return
        message1 = self.session.start(grant=right.grant, head=self.head, now_ms=self._clock.boot_ms())
        self._tending.started(self._clock.steady_ms())
        self.client.send(DeviceFrame(live=Live(sealed=message1)))

    def _resend_due(self, now_ms: int) -> list[int]:
        """Ask for the events that the host has and this phone has not, once all rows are read."""
        missing = self._reader.missing() if self.session.ready and self.caught_up else None
        if missing is None:
            self._asked = None
            return []
        if missing == self._asked and now_ms - self._asked_at_ms < RESEND_EVERY_MS:
            return [self._asked_at_ms + RESEND_EVERY_MS - now_ms]
        self._asked, self._asked_at_ms = missing, now_ms
        self._send_live(words.UpLiveItem(resend=words.Resend(**{"from": missing[0], "to": missing[1]})))
        return [RESEND_EVERY_MS]

    def _send_seen(self) -> None:
        if self.session.ready and self.head != self._seen:
            self._seen, self._seen_at_ms = self.head, self._clock.steady_ms()
            head = words.Head(number=self.head.number, hash=self.head.hash)
            self._send_live(words.UpLiveItem(seen=words.Seen(head=head)))

    def _send_live(self, item: words.UpLiveItem) -> None:
        body = words.UpLive(items=[item]).SerializeToString()
        self.client.send(DeviceFrame(live=Live(sealed=self.session.seal_live(body))))


def _place(seq: int) -> int:
    """Check a place in the log: no thread gets so long, and no store holds more."""
    if seq > LARGEST_NUMBER:
        raise errors.ProtocolViolation("a row's place is out of bounds")
    return seq


def _cause(presence: Presence) -> Reason.ValueType:
    """Give why the host is away; a relay that gives no cause of the list leaves it at "unreachable"."""
    named = issubclass(errors.kind_of(presence.cause), errors.HostAbsent)
    return presence.cause if named else Reason.REASON_HOST_UNREACHABLE


def _oldest(error: errors.ResumeTooOld) -> int:
    """Read the relay's oldest row; nonsense counts as the first."""
    text = error.metadata.get("oldest_seq", "")
    return max(1, int(text)) if text.isascii() and text.isdecimal() and len(text) < 16 else 1
