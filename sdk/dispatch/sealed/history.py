"""The thread as a chain that both sides can check, and the words that each signs into it.

The host orders events: each has a number without gaps and names the hash of the one before. The phone's head is the
end of the part it has checked; later events wait here until what is missing has come. Events are opaque bytes. Called
by the journal of the host and the thread of the phone. docs/encryption.md "Events", "Signed words".
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256

from dispatch.encoding import enc, u32, u64
from dispatch.sealed.head import Head
from dispatch.signatures import Signer, verify

MOST_WAITING = 1_024
MOST_WAITING_BYTES = 8 * 1024 * 1024


def event_hash(previous: bytes, event: bytes) -> bytes:
    """Compute the hash of an event, over its exact bytes and the hash of the one before.

    The event's random event_id stands inside those bytes and salts the hash: who sees hashes can't try out contents.
    """
    return sha256(b"dispatch/event/1" + previous + event).digest()


@dataclass(frozen=True, slots=True)
class Entry:
    """An event as it came: its number, the hash it names as that of the one before, and its exact bytes."""

    number: int
    previous: bytes
    event: bytes


def follows(head: Head, entry: Entry) -> bool:
    """Tell whether the entry is the next one after this head."""
    return entry.number == head.number + 1 and entry.previous == head.hash


def after(head: Head, entry: Entry) -> Head:
    """Give the head that an entry makes which follows this one."""
    return Head(entry.number, event_hash(head.hash, entry.event))


@dataclass(frozen=True, slots=True)
class Taken:
    """What an arrival did: the entries that are now part of the checked thread, in order, and numbers thrown away."""

    linked: tuple[Entry, ...] = ()
    thrown_away: tuple[int, ...] = ()


class Arrivals:
    """The phone's waiting room: entries come in any order, more than once, and leave in the host's order.

    Lives in memory; `waiting` gives it what the phone's store held on to.
    """

    def __init__(self, head: Head, waiting: Iterable[Entry] = ()) -> None:
        self.head = head
        self._waiting: dict[int, Entry] = {}
        self._bytes = 0
        for entry in waiting:
            self._put(entry)

    @property
    def waiting(self) -> tuple[Entry, ...]:
        """The entries that wait, by number."""
        return tuple(self._waiting[number] for number in sorted(self._waiting))

    def take(self, entry: Entry) -> Taken:
        """Take an entry. The newest copy of a number wins; one already in the checked part changes nothing."""
        if entry.number <= self.head.number:
            return Taken()
        self._put(entry)
        linked, thrown_away = self._link()
        return Taken(linked, thrown_away + self._shrink())

    def lost(self, first: int, last: int, hash_at_last: bytes) -> Taken:
        """Take the host's word that these events are gone: the thread goes on behind them, the gap is shown as such."""
        if not first <= self.head.number + 1 <= last:
            return Taken()
        self.head = Head(last, hash_at_last)
        for number in [number for number in self._waiting if number <= last]:
            self._pop(number)
        linked, thrown_away = self._link()
        return Taken(linked, thrown_away)

    def missing(self, last: int) -> tuple[tuple[int, int], ...]:
        """List the ranges (first, last) that are not here up to this number, for Resend."""
        gaps: list[tuple[int, int]] = []
        expected = self.head.number + 1
        for number in [*sorted(number for number in self._waiting if number <= last), last + 1]:
            if number > expected:
                gaps.append((expected, number - 1))
            expected = number + 1
        return tuple(gaps)

    def _link(self) -> tuple[tuple[Entry, ...], tuple[int, ...]]:
        linked: list[Entry] = []
        while (entry := self._waiting.get(self.head.number + 1)) is not None:
            self._pop(entry.number)
            if not follows(self.head, entry):
                return tuple(linked), (entry.number,)
            self.head = after(self.head, entry)
            linked.append(entry)
        return tuple(linked), ()

    def _shrink(self) -> tuple[int, ...]:
        """Throw away the furthest while too much waits: it is asked for again when its turn comes."""
        away: list[int] = []
        while len(self._waiting) > MOST_WAITING or self._bytes > MOST_WAITING_BYTES:
            away.append(max(self._waiting))
            self._pop(away[-1])
        return tuple(away)

    def _put(self, entry: Entry) -> None:
        self._pop(entry.number)
        self._waiting[entry.number] = entry
        self._bytes += len(entry.event)

    def _pop(self, number: int) -> None:
        if (entry := self._waiting.pop(number, None)) is not None:
            self._bytes -= len(entry.event)


def task_words(*, pair_id: bytes, task_id: bytes, attempt: int, body: bytes, head: Head) -> bytes:
    """Write what the phone signs for a command: task, attempt, words, and what it knew when it sent them."""
    return enc("dispatch/task/1", pair_id, task_id, u32(attempt), sha256(body).digest(), head.to_bytes())


def head_words(*, pair_id: bytes, head: Head) -> bytes:
    """Write what the host signs for a batch of events: the place where it ends."""
    return enc("dispatch/head/1", pair_id, u64(head.number), head.hash)


def sign_task(signer: Signer, *, pair_id: bytes, task_id: bytes, attempt: int, body: bytes, head: Head) -> bytes:
    """Sign a command."""
    return signer(task_words(pair_id=pair_id, task_id=task_id, attempt=attempt, body=body, head=head))


def verify_task(
    phone_key: bytes, signature: bytes, *, pair_id: bytes, task_id: bytes, attempt: int, body: bytes, head: Head
) -> bool:
    """Tell whether the phone of this key signed this command."""
    words = task_words(pair_id=pair_id, task_id=task_id, attempt=attempt, body=body, head=head)
    return verify(phone_key, signature, words)


def sign_head(signer: Signer, *, pair_id: bytes, head: Head) -> bytes:
    """Sign a head."""
    return signer(head_words(pair_id=pair_id, head=head))


def verify_head(host_key: bytes, signature: bytes, *, pair_id: bytes, head: Head) -> bool:
    """Tell whether the host of this key signed this head."""
    return verify(host_key, signature, head_words(pair_id=pair_id, head=head))
