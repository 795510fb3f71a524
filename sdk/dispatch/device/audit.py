"""Checks a thread as it lies on a disk or in a file: every hash, link and signature, and names the first that is wrong.

Pure, and fed one piece after the other, so that a thread of any length takes the same memory. What is checked and against
whom is docs/thread-file.md. Called by `thread_file`, which both devices and their `thread --verify` use.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from google.protobuf.message import DecodeError

from dispatch import places
from dispatch.api.thread.v1.thread_pb2 import Accepted, Action, Event
from dispatch.sealed.head import HASH_BYTES, ZERO_HASH, Head
from dispatch.sealed.history import event_hash, verify_head, verify_task


class What(StrEnum):
    """What can be wrong. The words behind each are for people."""

    FORM = "form"
    UNREADABLE = "unreadable"
    GAP = "gap"
    PLACE = "place"
    LINK = "link"
    HASH = "hash"
    PHONE_SIGNATURE = "phone_signature"
    WORDS = "words"
    HOST_SIGNATURE = "host_signature"
    UNSIGNED = "unsigned"
    HEAD = "head"
    SEAL = "seal"

    @property
    def sentence(self) -> str:
        """Say it to a person."""
        return _SENTENCES[self]


_SENTENCES = {
    What.FORM: "This is not as it was written.",
    What.UNREADABLE: "The event can't be read.",
    What.GAP: "What stood before this event is missing.",
    What.PLACE: "The event says another number, id or task of itself than stands beside it.",
    What.LINK: "The event does not follow from the one before it.",
    What.HASH: "The event's hash is not that of its bytes.",
    What.PHONE_SIGNATURE: "The phone's signature does not fit the words that it is said to have sent.",
    What.WORDS: "The words that are shown are not those that the phone signed.",
    What.HOST_SIGNATURE: "The computer's signature does not fit the thread up to here.",
    What.UNSIGNED: "No signature of the computer covers this event.",
    What.HEAD: "The thread does not end where it is said to end.",
    What.SEAL: "The file is not whole, or was changed after it was written.",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Wrong:
    """The first thing that is wrong, and at which event. `line` counts from 1; 0 when it is no line of a file."""

    number: int
    event_id: bytes
    what: What
    line: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredLink:
    """An event as it was kept, with what stands beside its bytes. Without bytes the host no longer had it (or those before)."""

    number: int
    hash: bytes
    event_id: bytes = b""
    task_id: bytes = b""
    previous: bytes = b""
    event: bytes | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredSignature:
    """The host's signature on a place in the chain, made for one pairing."""

    number: int
    hash: bytes
    pair_id: bytes
    signature: bytes


class Audit:
    """One walk along a chain. Each method gives what is wrong with the piece, None if nothing is."""

    def __init__(self, *, phone_key: bytes, hosts: Mapping[bytes, bytes]) -> None:
        """`hosts` has the host's key of each pairing in which something of this thread was signed."""
        self._phone_key = phone_key
        self._hosts = hosts
        self._event_id = b""
        self._signed_to = 0
        self.head = Head()
        self.events = 0
        self.lost = 0

    def link(self, stored: StoredLink) -> Wrong | None:
        """Take the next event."""
        if stored.event is None:
            if len(stored.hash) != HASH_BYTES or not self.head.number < stored.number <= places.LARGEST:
                return self.wrong(What.GAP, at_next=True)
            self.lost += stored.number - self.head.number
            self.head, self._event_id = Head(stored.number, stored.hash), b""
            return None
        try:
            event = Event.FromString(stored.event)
        except DecodeError:
            return self._wrong(What.UNREADABLE, stored)
        if what := self._of_event(stored, event):
            return self._wrong(what, stored)
        self.lost += event.number - 1 - self.head.number
        self.head, self._event_id = Head(event.number, stored.hash), event.event_id
        self.events += 1
        return None

    def _of_event(self, stored: StoredLink, event: Event) -> What | None:
        beside = (stored.number, stored.event_id, stored.task_id, stored.previous)
        if beside != (event.number, event.event_id, event.task_id, event.previous_hash):
            return What.PLACE
        if not self.head.number < event.number <= places.LARGEST or len(event.previous_hash) != HASH_BYTES:
            return What.GAP
        if event.number != self.head.number + 1 and not _set_back(event):
            return What.GAP
        if event.number == self.head.number + 1 and event.previous_hash != self.head.hash:
            return What.LINK
        if event_hash(event.previous_hash, stored.event or b"") != stored.hash:
            return What.HASH
        return self._of_words(event) if event.HasField("accepted") else None

    def _of_words(self, event: Event) -> What | None:
        """Check the words that a phone is said to have sent: its own signature, in any pairing of the two."""
        said = event.accepted
        if len(said.phone_head.hash or ZERO_HASH) != HASH_BYTES:
            return What.PHONE_SIGNATURE
        head = Head(said.phone_head.number, said.phone_head.hash or ZERO_HASH)
        fits = (
            verify_task(
                self._phone_key,
                said.signature,
                pair_id=pair_id,
                task_id=event.task_id,
                attempt=said.attempt,
                body=said.action,
                head=head,
            )
            for pair_id in self._hosts
        )
        if not any(fits):
            return What.PHONE_SIGNATURE
        return What.WORDS if said.text and said.text != _words(said) else None

    def signature(self, stored: StoredSignature) -> Wrong | None:
        """Take the host's signature on the event that was taken last."""
        head = Head(stored.number, stored.hash) if len(stored.hash) == HASH_BYTES else Head()
        host_key = self._hosts.get(stored.pair_id)
        fits = (
            host_key is not None
            and head == self.head
            and verify_head(host_key, stored.signature, pair_id=stored.pair_id, head=head)
        )
        if not fits:
            return self.wrong(What.HOST_SIGNATURE)
        self._signed_to = stored.number
        return None

    def former(self, stored: StoredLink) -> Wrong | None:
        """Take an event that left the chain when the host was set back: nothing follows from it, but it has its own hash."""
        try:
            event = Event.FromString(stored.event or b"")
        except DecodeError:
            return self._wrong(What.UNREADABLE, stored)
        beside = (stored.number, stored.event_id, stored.task_id, stored.previous)
        if beside != (event.number, event.event_id, event.task_id, event.previous_hash):
            return self._wrong(What.PLACE, stored)
        if event_hash(event.previous_hash, stored.event or b"") != stored.hash:
            return self._wrong(What.HASH, stored)
        return None

    def end(self, head: Head) -> Wrong | None:
        """Take where the thread is said to end."""
        if head != self.head:
            return Wrong(number=self.head.number, event_id=self._event_id, what=What.HEAD)
        if self._signed_to != self.head.number:
            return Wrong(number=self.head.number, event_id=self._event_id, what=What.UNSIGNED)
        return None

    def wrong(self, what: What, *, at_next: bool = False) -> Wrong:
        """Name the event that was taken last, or the one behind it, for something that is wrong beside it."""
        number = self.head.number + at_next
        return Wrong(number=number, event_id=b"" if at_next else self._event_id, what=what)

    def _wrong(self, what: What, stored: StoredLink) -> Wrong:
        # One that contradicts itself about its number is named by the one that is due.
        number = self.head.number + 1 if what in (What.PLACE, What.UNREADABLE) else stored.number
        return Wrong(number=number, event_id=stored.event_id, what=what)


def _set_back(event: Event) -> bool:
    """Tell whether the event goes on behind a place that only the phone had: a host that was set back says where."""
    place = event.restored.phone_head
    return event.HasField("restored") and (place.number, place.hash) == (event.number - 1, event.previous_hash)


def _words(said: Accepted) -> str:
    try:
        return Action.FromString(said.action).task.text
    except DecodeError:
        return ""
