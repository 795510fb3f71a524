"""A small thread with real keys and real signatures, and what a changed byte of it has to be named as."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from dispatch.api.relay.v1.relay_pb2 import Outcome
from dispatch.api.thread.v1 import thread_pb2 as pb
from dispatch.device.audit import StoredLink, StoredSignature
from dispatch.device.thread_file import Keys, Piece, written
from dispatch.sealed.head import Head
from dispatch.sealed.history import event_hash, sign_head, sign_task

PAIR, TASK = bytes(range(16)), bytes(range(16, 32))


@dataclass
class SignedThread:
    """A host and a phone that write a thread by hand."""

    phone: Ed25519PrivateKey = field(default_factory=lambda: Ed25519PrivateKey.from_private_bytes(bytes([7] * 32)))
    host: Ed25519PrivateKey = field(default_factory=lambda: Ed25519PrivateKey.from_private_bytes(bytes([9] * 32)))
    head: Head = field(default_factory=Head)
    pieces: list[Piece] = field(default_factory=list)

    @property
    def keys(self) -> Keys:
        phone, host = (key.public_key().public_bytes_raw() for key in (self.phone, self.host))
        return Keys(phone=phone, hosts={PAIR: host}, exporter=phone)

    def event(self, event: pb.Event, *, task_id: bytes = TASK) -> None:
        """Append an event."""
        event.number = self.head.number + 1
        event.event_id = event.number.to_bytes(16, "big")
        event.previous_hash = self.head.hash
        event.task_id = task_id
        self.link(event)

    def link(self, event: pb.Event) -> None:
        """Append an event as it is."""
        content = event.SerializeToString()
        self.head = Head(event.number, event_hash(event.previous_hash, content))
        self.pieces.append(
            StoredLink(
                number=event.number,
                hash=self.head.hash,
                event_id=event.event_id,
                task_id=event.task_id,
                previous=event.previous_hash,
                event=content,
            )
        )

    def accepted(self, words: str, *, shown: str | None = None, attempt: int = 1) -> None:
        """Append a task that the phone signed."""
        action = pb.Action(task=pb.Task(text=words), action_id=TASK).SerializeToString()
        signature = sign_task(self.phone.sign, pair_id=PAIR, task_id=TASK, attempt=attempt, body=action, head=self.head)
        said = pb.Accepted(
            attempt=attempt,
            text=words if shown is None else shown,
            action=action,
            phone_head=pb.Head(number=self.head.number, hash=self.head.hash),
            signature=signature,
        )
        self.event(pb.Event(accepted=said))

    def signed(self) -> None:
        """Let the host sign where the thread ends now."""
        signature = sign_head(self.host.sign, pair_id=PAIR, head=self.head)
        self.pieces.append(
            StoredSignature(number=self.head.number, hash=self.head.hash, pair_id=PAIR, signature=signature)
        )

    def lines(self) -> list[bytes]:
        """Write it as the phone would."""
        return list(written(self.keys, self.pieces, self.head, self.phone.sign))

    @classmethod
    def of_one_task(cls) -> SignedThread:
        """Write a thread of one task: paired, asked, answered."""
        thread = cls()
        thread.event(pb.Event(paired=pb.Paired(phone_name="pocket", host_name="desk")), task_id=b"")
        thread.signed()
        thread.accepted("list the files")
        thread.event(pb.Event(result_text=pb.ResultText(text="a.txt")))
        thread.event(pb.Event(ended=pb.Ended(outcome=Outcome.OUTCOME_DONE)))
        thread.signed()
        return thread


def flips(data: bytes, *, every: int = 1, masks: Sequence[int] = (0x01, 0x20)) -> Iterator[bytes]:
    """Change each byte (or every so many) in turn: its lowest bit, and the bit that turns a letter's case."""
    for at in range(0, len(data), every):
        for mask in masks:
            yield data[:at] + bytes([data[at] ^ mask]) + data[at + 1 :]
