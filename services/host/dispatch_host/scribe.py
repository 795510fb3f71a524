"""Writes events into a thread and seals them into keep rows, within a step's transaction: the hand of the journal.

It gives each event its number and the hash of the one before, packs events into bodies, and advances the keep chain in the
same transaction, so that no (epoch, n) ever seals two bodies. Before the first session there is no chain: events wait in the
journal and the phone asks for them (docs/encryption.md, "Session").
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from dispatch import errors
from dispatch.api.error.v1.error_pb2 import Reason
from dispatch.api.relay.v1.relay_pb2 import Outcome, PushHint
from dispatch.api.thread.v1 import thread_pb2 as pb
from dispatch.clock import Clock
from dispatch.encoding import message_id
from dispatch.ids import ID_BYTES, MessageId, PairId, Rng, TaskId
from dispatch.sealed.chain import Chain, seal
from dispatch.sealed.frame import LONGEST_BODY
from dispatch.sealed.head import Head
from dispatch.sealed.history import sign_head
from dispatch.signatures import Signer

from dispatch_host import entries as made
from dispatch_host.entries import Entry
from dispatch_host.journal import outbox, signatures, threads
from dispatch_host.journal.values import StoredEvent, StoredTask
from dispatch_host.journal.writer import Tx

_SIGNATURE_ROOM = 160
"""What the head's signature takes behind the events."""
_EVENT_OVERHEAD = 16
_PAGE = 256
RESEND_BYTES = 16 * 1024 * 1024
"""Most that one Resend brings; the phone asks again for the rest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Row:
    """What goes into one sealed body."""

    task_id: bytes
    events: Sequence[StoredEvent]
    ended: pb.Ended | None
    asks: bool
    missed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Scribe:
    """Fixed for a process: the device's signature, time and randomness."""

    sign: Signer = field(repr=False)
    key: bytes
    """By which `sign` is checked."""
    clock: Clock
    rng: Rng

    def write(self, tx: Tx, pair_id: PairId, entries: Iterable[Entry]) -> None:
        """Append events to the pairing's thread and put them into the outbox. Raises LookupError when the pairing is over."""
        thread = threads.thread_of(tx, pair_id)
        stored = [self._append(tx, thread, entry) for entry in entries]
        if stored:
            self._sign(tx, thread, pair_id, Head(stored[-1].number, stored[-1].hash))
        self._post(tx, pair_id, stored, fresh=True)

    def write_unposted(self, tx: Tx, thread: int, pair_id: PairId, entries: Iterable[Entry]) -> None:
        """Append events to a thread whose pairing, this one, is over: whoever pairs again finds them."""
        for entry in entries:
            self._append(tx, thread, entry)
        self._sign(tx, thread, pair_id, threads.head(tx, thread))

    def tell(self, tx: Tx, task: StoredTask, entries: Iterable[Entry]) -> None:
        """Write into a task's thread, by the pairing that it has now, or for whoever pairs again."""
        pair_id = threads.pairing_of(tx, task.thread)
        if pair_id is None:
            self.write_unposted(tx, task.thread, task.pair_id, entries)
        else:
            self.write(tx, pair_id, entries)

    def begin(self, tx: Tx, pair_id: PairId, chain: Chain, phone: Head, begin: pb.Begin, *, may_set_back: bool) -> bool:
        """Switch to a new epoch's keep chain: heads reconciled, Begin, then what the relay has not confirmed, sealed anew.

        `begin` has what the host says of itself; its head is filled in here. Tells whether the thread was set back. Raises
        RateLimited where that `may` not be, and ProtocolViolation for a head that no host ever had.
        """
        thread = threads.thread_of(tx, pair_id)
        ranges = outbox.clear(tx, pair_id)
        threads.seen(tx, thread, phone)
        set_back = not threads.has(tx, thread, phone)
        if set_back:
            if phone.number > threads.head(tx, thread).number + threads.LEAP_LIMIT:
                raise errors.ProtocolViolation("a head beyond any thread")
            if not may_set_back:
                raise errors.RateLimited("set back too often")
            ranges = [self._set_back(tx, thread, pair_id, phone)]
        outbox.keep_chain(tx, chain)
        self.post_begin(tx, pair_id, begin)
        for first, last in ranges:
            for page in _pages(tx, thread, first, last):
                self._post(tx, pair_id, page, fresh=True)
        return set_back

    def post_begin(self, tx: Tx, pair_id: PairId, begin: pb.Begin) -> None:
        """Put Begin behind what the outbox holds: what the host says of itself, and (filled in here) where the thread ends."""
        if outbox.chain(tx, pair_id) is None:
            return
        head = threads.head(tx, threads.thread_of(tx, pair_id))
        begin.head.CopyFrom(pb.Head(number=head.number, hash=head.hash))
        self.post_items(tx, pair_id, [pb.DownKeepItem(begin=begin)])

    def resend(self, tx: Tx, pair_id: PairId, first: int, last: int) -> None:
        """Seal events again that the phone has not got. What the chain no longer has is named as lost, once a gap."""
        thread = threads.thread_of(tx, pair_id)
        last = min(last, threads.head(tx, thread).number)
        expected, budget = max(first, 1), RESEND_BYTES
        for page in _pages(tx, thread, expected, last):
            for run in _runs(page):
                if run[0].number > expected:
                    self._lost(tx, pair_id, thread, expected, run[0].number - 1)
                self._post(tx, pair_id, run, fresh=False)
                expected = run[-1].number + 1
                budget -= sum(len(event.content) for event in run)
            if budget <= 0:
                return
        if expected <= last:
            self._lost(tx, pair_id, thread, expected, last)

    def post_items(self, tx: Tx, pair_id: PairId, items: Iterable[pb.DownKeepItem], *, row: _Row | None = None) -> None:
        """Seal items into one row of the outbox. Before the first session this does nothing."""
        chain = outbox.chain(tx, pair_id)
        if chain is None:
            return
        sealed, following = seal(chain, pb.DownKeep(items=items).SerializeToString(), self.rng)
        outbox.keep_chain(tx, following)
        ended = row.ended if row else None
        outbox.add(
            tx,
            pair_id,
            message_id=message_id(sealed),
            task_id=row.task_id if row else b"",
            sealed=sealed,
            first=row.events[0].number if row else 0,
            last=row.events[-1].number if row else 0,
            push_hint=_hint(row),
            outcome=ended.outcome if ended else Outcome.OUTCOME_UNSPECIFIED,
            reason=ended.reason if ended else Reason.REASON_UNSPECIFIED,
        )

    def _append(self, tx: Tx, thread: int, entry: Entry) -> StoredEvent:
        head = threads.head(tx, thread)
        event = pb.Event()
        event.CopyFrom(entry.event)
        event.event_id = event.event_id or self.rng(ID_BYTES)
        event.at_ms = event.at_ms or self.clock.wall_ms()
        event.task_id = entry.task_id
        event.number = head.number + 1
        event.previous_hash = head.hash
        return threads.append(
            tx,
            thread,
            number=event.number,
            previous_hash=head.hash,
            task_id=entry.task_id,
            content=event.SerializeToString(),
        )

    def _set_back(self, tx: Tx, thread: int, pair_id: PairId, phone: Head) -> tuple[int, int]:
        """Go on behind the phone's head with what it never saw; gives the range of the new numbers."""
        unseen = [pb.Event.FromString(content) for content in threads.set_back(tx, thread, phone)]
        # What stays ends in the middle of what was a batch: signed there, it can still be checked.
        if (left := threads.last_before(tx, thread, phone.number)) is not None:
            signatures.drop_behind(tx, thread, left.number)
            self._sign(tx, thread, pair_id, left)
        else:
            signatures.drop_behind(tx, thread, 0)
        # A mark of an earlier time that the phone never saw says nothing any more.
        unseen = [event for event in unseen if not event.HasField("restored")]
        marked = self._append(tx, thread, made.restored(pb.Head(number=phone.number, hash=phone.hash)))
        last = marked
        for event in unseen:
            last = self._append(tx, thread, Entry(event.task_id, event))
        return marked.number, last.number

    def _sign(self, tx: Tx, thread: int, pair_id: PairId, head: Head) -> bytes:
        """Sign a place, and keep the signature beside the thread."""
        signature = sign_head(self.sign, pair_id=pair_id, head=head)
        signatures.keep(tx, thread, head, pair_id=pair_id, host_key=self.key, signature=signature)
        return signature

    def _lost(self, tx: Tx, pair_id: PairId, thread: int, first: int, last: int) -> None:
        """Say what is gone; nothing when not even its end is known, for then the phone could not go on behind it."""
        hashed = threads.hash_at(tx, thread, last)
        if hashed is not None:
            lost = pb.Lost(to=last, hash_at_to=hashed)
            setattr(lost, "from", first)
            self.post_items(tx, pair_id, [pb.DownKeepItem(lost=lost)])

    def _tell_ends(self, tx: Tx, pair_id: PairId, events: Sequence[StoredEvent]) -> None:
        """Have the relay told of ends that no row can carry yet: a task of the schedule may be over before the first session."""
        for event in events:
            ended = pb.Event.FromString(event.content)
            if ended.HasField("ended"):
                outbox.add_end(
                    tx,
                    pair_id,
                    MessageId(self.rng(ID_BYTES)),
                    TaskId(event.task_id),
                    outcome=ended.ended.outcome,
                    reason=ended.ended.reason,
                )

    def _post(self, tx: Tx, pair_id: PairId, events: Sequence[StoredEvent], *, fresh: bool) -> None:
        if not events:
            return
        if outbox.chain(tx, pair_id) is None:
            if fresh:
                self._tell_ends(tx, pair_id, events)
            return
        thread = threads.thread_of(tx, pair_id)
        for row in _pack(events, fresh=fresh):
            last = row.events[-1]
            head = Head(last.number, last.hash)
            signed = self._sign(tx, thread, pair_id, head)
            signature = pb.HeadSignature(head=pb.Head(number=head.number, hash=head.hash), signature=signed)
            items = [pb.DownKeepItem(event=event.content) for event in row.events]
            self.post_items(tx, pair_id, [*items, pb.DownKeepItem(head_signature=signature)], row=row)


def _pages(tx: Tx, thread: int, first: int, last: int) -> Iterator[list[StoredEvent]]:
    while first <= last and (page := threads.between(tx, thread, first, last, limit=_PAGE)):
        yield page
        first = page[-1].number + 1


def _runs(events: Sequence[StoredEvent]) -> Iterator[list[StoredEvent]]:
    """Cut at the gaps: each run counts up without one."""
    run: list[StoredEvent] = []
    for event in events:
        if run and event.number != run[-1].number + 1:
            yield run
            run = []
        run.append(event)
    if run:
        yield run


def _pack(events: Sequence[StoredEvent], *, fresh: bool) -> Iterator[_Row]:
    """Put events into rows, in order: a row holds events of one task, and fits one body.

    The clear words beside a row (hint, outcome) belong to its first posting; a row that only repeats carries none.
    """
    batch: list[StoredEvent] = []
    size = 0
    for event in events:
        added = len(event.content) + _EVENT_OVERHEAD
        full = size + added > LONGEST_BODY - _SIGNATURE_ROOM
        if batch and (full or event.task_id != batch[-1].task_id):
            yield _row(batch, fresh=fresh)
            batch, size = [], 0
        batch.append(event)
        size += added
    if batch:
        yield _row(batch, fresh=fresh)


def _row(batch: Sequence[StoredEvent], *, fresh: bool) -> _Row:
    parsed = [pb.Event.FromString(event.content) for event in batch] if fresh else []
    ended = next((event.ended for event in parsed if event.HasField("ended")), None)
    return _Row(
        task_id=batch[0].task_id,
        events=tuple(batch),
        ended=ended,
        asks=any(event.HasField("question") for event in parsed),
        missed=any(event.HasField("missed") for event in parsed),
    )


def _hint(row: _Row | None) -> PushHint.ValueType:
    if row is not None and row.asks:
        return PushHint.PUSH_HINT_QUESTION
    news = row is not None and (row.ended is not None or row.missed)
    return PushHint.PUSH_HINT_NEWS if news else PushHint.PUSH_HINT_UNSPECIFIED
