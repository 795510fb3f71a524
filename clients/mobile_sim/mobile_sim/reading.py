"""From sealed rows to the thread: opens them, checks the chain of events, and tells the ledger what they say of tasks.

Works within the caller's transaction and in memory beside it; when the transaction fails, a new Reader is made from the store.
docs/encryption.md "Events". Called by `line`.
"""

from __future__ import annotations

from dataclasses import dataclass

from dispatch import errors, places
from dispatch.api.thread.v1.thread_pb2 import Begin, DownKeep, DownKeepItem, Event, KeepAwake, Permissions
from dispatch.device.telling import attachments_of, words_of
from dispatch.files.description import checked
from dispatch.ids import ID_BYTES, EventId, PairId, TaskId
from dispatch.sealed.chain import Chain
from dispatch.sealed.errors import FORGED, SealError, Why
from dispatch.sealed.head import HASH_BYTES, Head
from dispatch.sealed.history import Arrivals, Entry, event_hash, verify_head, verify_task
from dispatch.sealed.keep import open_keep, prune
from google.protobuf.message import DecodeError

from mobile_sim.facts import fact_of
from mobile_sim.ledger import Ledger
from mobile_sim.store import FileState, Pairing, Store, StoredEvent, StoredFile

LONGEST_GIVER = 64
"""Characters of the name of what keeps a computer awake."""
LONGEST_PERMISSIONS = 48 * 1024
"""Bytes of what agents may do there: twice what a host says of it."""


@dataclass(slots=True)
class Read:
    """What a row turned out to be."""

    epoch: bytes = b""
    """The epoch that it was sealed in; empty when it did not open."""
    old: bool = False
    """Whether it stands before the place where its chain is: it came before, or was passed over, and Resend brings what it said."""
    forged: bool = False
    """Whether no host wrote it, as the direct path may have it."""
    revoked: bool = False
    begin: Begin | None = None


class Reader:
    """The thread of one pairing as it is being read."""

    def __init__(self, store: Store, pairing: Pairing, ledger: Ledger, *, own_key: bytes) -> None:
        self._store = store
        self._pair_id: PairId = pairing.pair_id
        self._host_key = pairing.host_key
        self._own_key = own_key
        # The host's thread goes on through every pairing of the same two, and each command was signed for its own.
        self._signed_for = sorted(
            (known.pair_id for known in store.pairings.all() if known.own_key == pairing.own_key),
            key=lambda pair_id: pair_id != pairing.pair_id,
        )
        self._ledger = ledger
        self._chains: tuple[Chain, ...] = tuple(store.thread.chains(pairing.pair_id))
        waiting = [_entry(content) for content in store.thread.early(pairing.pair_id).values()]
        self._arrivals = Arrivals(
            Head(pairing.head_number, pairing.head_hash), [entry for entry in waiting if entry is not None]
        )
        self._host_head = 0
        self.awake: KeepAwake | None = None
        """What the host has said in this session of being kept awake."""
        self.cursor = pairing.cursor

    @property
    def head(self) -> Head:
        """The end of the part that is checked."""
        return self._arrivals.head

    def missing(self) -> tuple[int, int] | None:
        """Give the first range of events that the host has and this phone has not; None when nothing is missing."""
        waiting = self._arrivals.waiting
        newest = max(self._host_head, waiting[-1].number if waiting else 0)
        ranges = self._arrivals.missing(newest)
        return ranges[0] if ranges else None

    def begin_epoch(self, new: Chain, host_epoch: bytes | None) -> None:
        """Make room for the chain of a new epoch."""
        self._chains = prune(self._chains, host_epoch, new)
        self.awake = None
        self._store.thread.set_chains(self._pair_id, self._chains)

    def pass_to(self, seq: int) -> bool:
        """Move the cursor to a row; rows in between never came and are holes. False for a row that was here before."""
        if seq <= self.cursor:
            return False
        if skipped := seq - self.cursor - 1:
            self._store.pairings.add_holes(self._pair_id, min(skipped, 2**31))
            self._ledger.log_lost()  # verdicts may have stood there
        self.set_cursor(seq)
        return True

    def set_cursor(self, seq: int) -> None:
        """Put the cursor where it is to go on from."""
        self.cursor = seq
        self._store.pairings.set_cursor(self._pair_id, seq)

    def take_row(self, sealed: bytes, *, direct: bool = False) -> Read:
        """Take the row under the cursor, or one of the direct path. One that does not open is a hole: counted, never tried again.

        One that is old is none: it came before, as after a change of path, or a gap in the numbers shows what it said. On the
        direct path anybody may make up rows; those are nothing.
        """
        try:
            opened = open_keep(sealed, self._chains)
            items = DownKeep.FromString(opened.body).items
        except (SealError, DecodeError) as failure:
            old = isinstance(failure, SealError) and failure.why is Why.TOO_OLD
            if not direct and not old:
                self._store.pairings.add_holes(self._pair_id, 1)
            why = failure.why if isinstance(failure, SealError) else None
            return Read(old=old, forged=why in FORGED)
        read = Read(epoch=sealed[1:9])
        head, waiting = self.head, self._arrivals.waiting
        for item in items:
            self._take_item(item, read)
        self._chains = opened.chains
        self._store.thread.set_chains(self._pair_id, self._chains)
        if self.head != head:
            self._store.pairings.set_head(self._pair_id, self.head.number, self.head.hash)
        if self._arrivals.waiting != waiting:
            self._store.thread.set_early(self._pair_id, {entry.number: entry.event for entry in self._arrivals.waiting})
        return read

    def _take_item(self, item: DownKeepItem, read: Read) -> None:
        match item.WhichOneof("item"):
            case "begin":
                self._host_head = min(item.begin.head.number, places.LARGEST)
                read.begin = item.begin
                if item.begin.HasField("keep_awake"):
                    self.take_awake(item.begin.keep_awake)
                if item.begin.HasField("permissions"):
                    self.take_permissions(item.begin.permissions)
            case "event":
                if (entry := _entry(item.event)) is not None:
                    self._link(self._arrivals.take(entry).linked)
            case "lost" if len(item.lost.hash_at_to) == HASH_BYTES and item.lost.to <= places.LARGEST:
                first, last = self.head.number + 1, item.lost.to
                taken = self._arrivals.lost(getattr(item.lost, "from"), last, item.lost.hash_at_to)
                if self.head.number >= last >= first:
                    self._mark_lost(first, last, item.lost.hash_at_to)
                self._link(taken.linked)
            case "head_signature":
                self._check_signature(item)
            case "revoked":
                read.revoked = True

    def take_awake(self, state: KeepAwake) -> None:
        """Hear whether the host's computer is kept awake."""
        # Only the fields that are known here, cut to size: what a host says is not kept without bounds.
        self.awake = KeepAwake(
            mode=state.mode, held=state.held, held_by=state.held_by[:LONGEST_GIVER], reason=state.reason
        )
        self._store.pairings.set_keep_awake(self._pair_id, self.awake.SerializeToString())

    def take_permissions(self, permissions: Permissions) -> None:
        """Hear what agents may do on the host. A host bounds what it says so; what is far beyond that is not kept."""
        kept = Permissions.FromString(permissions.SerializeToString())
        kept.DiscardUnknownFields()
        if kept.ByteSize() <= LONGEST_PERMISSIONS:
            self._store.pairings.set_permissions(self._pair_id, kept.SerializeToString())

    def _link(self, entries: tuple[Entry, ...]) -> None:
        for entry in entries:
            event = Event.FromString(entry.event)
            event_id = EventId(event.event_id)
            first = not self._store.thread.knows(self._pair_id, event_id)
            self._store.thread.add_event(
                self._pair_id,
                StoredEvent(
                    number=entry.number,
                    event_id=event_id,
                    hash=event_hash(entry.previous, entry.event),
                    content=entry.event,
                    shown=first,
                ),
            )
            self._store.thread.drop_other_signature(
                self._pair_id, entry.number, event_hash(entry.previous, entry.event)
            )
            if first:
                self._tell(event)

    def _mark_lost(self, first: int, last: int, digest: bytes) -> None:
        self._store.thread.drop_signatures(self._pair_id, first, last - 1)
        self._store.thread.drop_other_signature(self._pair_id, last, digest)
        self._store.thread.add_event(
            self._pair_id,
            StoredEvent(number=last, event_id=EventId(b""), hash=digest, content=None, shown=True),
        )

    def _check_signature(self, item: DownKeepItem) -> None:
        """Check the host's hand under the chain and keep it: the seal shows who wrote, this proves it to others as well."""
        named, signature = item.head_signature.head, item.head_signature.signature
        fits = len(named.hash) == HASH_BYTES and 1 <= named.number <= places.LARGEST
        fits = fits and verify_head(
            self._host_key, signature, pair_id=self._pair_id, head=Head(named.number, named.hash)
        )
        if fits and named.number <= self.head.number:
            # What came before is checked already, and must be what the host signs now.
            known = self._store.thread.hash_at(self._pair_id, named.number)
            if known is None:
                return  # the host no longer had the event, so there is nothing to sign
            fits = known == named.hash
        if fits:
            self._store.thread.keep_signature(self._pair_id, named.number, named.hash, signature)
        else:
            self._store.pairings.add_holes(self._pair_id, 1)

    def _check_own_hand(self, event: Event) -> None:
        """Check that the words which the host says are ours are as we signed them."""
        said = event.accepted
        if not said.action or len(said.phone_head.hash) != HASH_BYTES:
            return
        fits = (
            verify_task(
                self._own_key,
                said.signature,
                pair_id=pair_id,
                task_id=event.task_id,
                attempt=said.attempt,
                body=said.action,
                head=Head(said.phone_head.number, said.phone_head.hash),
            )
            for pair_id in self._signed_for
        )
        if not any(fits):
            self._store.pairings.add_holes(self._pair_id, 1)

    def _learn_files(self, event: Event) -> None:
        """Keep what an event says of files: what came with a task, what came of it."""
        match event.WhichOneof("event"):
            case "artifact":
                state, named = FileState.THERE, [event.artifact.file]
            case "accepted":
                state, named = FileState.SENT, list(attachments_of(event.accepted))
            case _:
                return
        for said in named:
            try:
                file = checked(said)
            except errors.DispatchError:
                continue  # names no file: the thread goes on without it
            self._store.files.learn(
                StoredFile(
                    file=file,
                    pair_id=self._pair_id,
                    task_id=event.task_id,
                    state=state,
                    path=None,
                    at_ms=event.at_ms,
                )
            )

    def _tell(self, event: Event) -> None:
        """Tell the ledger what an event says of its task."""
        self._learn_files(event)
        if len(event.task_id) != ID_BYTES:
            return
        task_id, kind = TaskId(event.task_id), event.WhichOneof("event")
        if kind == "accepted":
            self._ledger.learn(task_id, words_of(event.accepted), at_ms=event.at_ms, after_number=event.number - 1)
            self._check_own_hand(event)
        elif kind == "scheduled":
            self._ledger.learn(task_id, event.scheduled.text, at_ms=event.at_ms, after_number=event.number - 1)
        fact = fact_of(event)
        if fact is not None and self._store.tasks.get(task_id) is not None:
            self._ledger.note(task_id, fact)


def _entry(content: bytes) -> Entry | None:
    """Read where an event stands; None for what can't be one."""
    try:
        event = Event.FromString(content)
    except DecodeError:
        return None
    if (
        not 1 <= event.number <= places.LARGEST
        or len(event.previous_hash) != HASH_BYTES
        or len(event.event_id) != ID_BYTES
    ):
        return None
    return Entry(number=event.number, previous=event.previous_hash, event=content)
