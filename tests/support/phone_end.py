"""A phone made by hand from the pure session, for tests of a host. It sits right behind a `RelayEnd`.

It keeps the thread as a phone does (chain checked, events once) and signs what a test tells it to.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from dispatch.api.error.v1.error_pb2 import Reason
from dispatch.api.relay.v1 import relay_pb2 as relay
from dispatch.api.thread.v1 import thread_pb2 as pb
from dispatch.clock import SystemClock
from dispatch.encoding import message_id
from dispatch.sealed.errors import SealError
from dispatch.sealed.head import Head
from dispatch.sealed.history import Arrivals, Entry, sign_task, verify_head
from dispatch.sealed.keep import Chains, open_keep, prune
from dispatch.sealed.keys import PairKeys
from dispatch.sealed.session import PhoneSession

from tests.support.relay_end import RelayEnd
from tests.support.waiting import until

CLOCK = SystemClock()


@dataclass(frozen=True)
class Sent:
    """A command on its way."""

    message_id: bytes
    task_id: bytes
    sealed: bytes


class PhoneEnd:
    """One phone of one pairing."""

    def __init__(self, keys: PairKeys, key: Ed25519PrivateKey, relay_end: RelayEnd, *, grant: bytes) -> None:
        self.keys = keys
        self.grant = grant
        self.session = PhoneSession(keys, rng=os.urandom)
        self.arrivals = Arrivals(Head())
        self.events: list[pb.Event] = []  # the checked thread
        self.live: list[pb.DownLiveItem] = []
        self.begins: list[pb.Begin] = []
        self.lost: list[pb.Lost] = []
        self.revoked = False
        self.holes = 0
        self.chains: Chains = ()
        self._key = key
        self._relay = relay_end
        self._host_epoch: bytes | None = None
        relay_end.on_live = self.takes_live
        relay_end.on_keep = self.takes_row

    @property
    def head(self) -> Head:
        return self.arrivals.head

    async def shakes_hands(self, *, confirm: bool = True) -> None:
        """Begin a session, up to the host's Begin."""
        before, begun = self.session.epoch, len(self.begins)
        await self._relay.live(self.message1())
        await self._relay.until(lambda: self.session.epoch not in {before, None})
        if confirm:
            await self.confirms()
            await until(lambda: len(self.begins) > begun)  # which may come by the direct path

    def message1(self) -> bytes:
        """Give the first message of a handshake."""
        return self.session.start(grant=self.grant, head=self.head, now_ms=CLOCK.boot_ms())

    async def confirms(self) -> None:
        """Say the word that shows the keys."""
        await self.says(pb.UpLiveItem(confirm=pb.Confirm()))

    async def says(self, *items: pb.UpLiveItem) -> None:
        """Say something in passing."""
        await self._relay.live(self.session.seal_live(pb.UpLive(items=items).SerializeToString()))

    async def asks_again(self, first: int, last: int) -> None:
        """Ask for events once more."""
        resend = pb.Resend(to=last)
        setattr(resend, "from", first)
        await self.says(pb.UpLiveItem(resend=resend))

    async def catches_up(self) -> None:
        """Ask for what Begin names and the phone lacks, and wait for it."""
        last = self.begins[-1].head.number
        for first, end in self.arrivals.missing(last):
            await self.asks_again(first, end)
        await self.has_number(last)

    def command(
        self,
        action: pb.Action,
        *,
        task_id: bytes,
        attempt: int = 1,
        deadline_ms: int | None = None,
        valid_for_ms: int = 10_000,
        signature: bytes | None = None,
        pair_id: bytes | None = None,
        direct: bool = False,
    ) -> Sent:
        """Sign and seal a command."""
        body = action.SerializeToString()
        pair = self.keys.pair_id if pair_id is None else pair_id
        signed = sign_task(self._key.sign, pair_id=pair, task_id=task_id, attempt=attempt, body=body, head=self.head)
        if deadline_ms is None:
            deadline_ms = self.session.deadline_ms(now_ms=CLOCK.boot_ms(), valid_for_ms=valid_for_ms)
        command = pb.UpCommand(
            pair_id=pair,
            task_id=task_id,
            attempt=attempt,
            deadline_ms=deadline_ms,
            action=body,
            head=pb.Head(number=self.head.number, hash=self.head.hash),
            signature=signed if signature is None else signature,
            direct=direct,
        )
        sealed = self.session.seal_command(command.SerializeToString())
        return Sent(message_id(sealed), task_id, sealed)

    def task(
        self, text: str, *, task_id: bytes | None = None, attachments: Sequence[pb.Attachment] = (), **changed: Any
    ) -> Sent:
        """Sign and seal a task."""
        chosen = task_id or os.urandom(16)
        action = pb.Action(task=pb.Task(text=text, attachments=attachments), action_id=chosen)
        return self.command(action, task_id=chosen, **changed)

    def cancel(self, task_id: bytes, **changed: Any) -> Sent:
        """Sign and seal a cancel; `changed` as of `command`."""
        return self.command(pb.Action(cancel=pb.Cancel(), action_id=os.urandom(16)), task_id=task_id, **changed)

    def answer(self, task_id: bytes, question_id: bytes, **said: Any) -> Sent:
        """Sign and seal an answer: `approval`, or `text`."""
        action = pb.Action(answer=pb.Answer(question_id=question_id, **said), action_id=os.urandom(16))
        return self.command(action, task_id=task_id)

    def steer(self, task_id: bytes, text: str) -> Sent:
        """Sign and seal words for a task that runs."""
        return self.command(pb.Action(steer=pb.Steer(text=text), action_id=os.urandom(16)), task_id=task_id)

    async def posts(self, sent: Sent) -> Reason.ValueType | None:
        """Let the relay hand a command over; the host's reason, or None when it takes it."""
        seen = len(self._relay.frames)
        await self._relay.hand_over(sent.message_id, sent.task_id, sent.sealed)

        def answers() -> Sequence[relay.DeviceFrame]:
            return [
                frame
                for frame in self._relay.frames[seen:]
                if sent.message_id in {frame.take.message_id, frame.decline.message_id}
            ]

        await self._relay.until(answers)
        answer = answers()[0]
        return answer.decline.reason if answer.HasField("decline") else None

    async def sends(self, text: str, **changed: Any) -> Sent:
        """Send a task that the host takes."""
        sent = self.task(text, **changed)
        assert await self.posts(sent) is None
        return sent

    def of(self, task_id: bytes) -> list[pb.Event]:
        """Give a task's events so far."""
        return [event for event in self.events if event.task_id == task_id]

    def kinds(self, task_id: bytes) -> list[str]:
        """Name them."""
        return [event.WhichOneof("event") or "" for event in self.of(task_id)]

    async def hears_awake(self, state: pb.KeepAwake) -> None:
        """Wait until the host has said in passing, or at the beginning of a session, that its computer is kept awake so."""
        await self._relay.until(
            lambda: (
                any(item.keep_awake == state for item in self.live)
                or any(begin.keep_awake == state for begin in self.begins)
            )
        )

    async def sees(self, task_id: bytes, kind: str) -> pb.Event:
        """Wait for a kind of event of a task."""
        await self._relay.until(lambda: kind in self.kinds(task_id))
        return next(event for event in self.of(task_id) if event.HasField(kind))  # type: ignore[arg-type]  # a name of a field

    async def sees_end(self, task_id: bytes) -> pb.Ended:
        """Wait for a task's end."""
        return (await self.sees(task_id, "ended")).ended

    async def has_number(self, number: int) -> None:
        """Wait until the thread is there up to a number."""
        await self._relay.until(lambda: self.head.number >= number)

    def takes_live(self, sealed: bytes) -> None:
        """Take what the host said in passing."""
        if sealed[0] & 0x80:
            begun = self.session.finish(sealed, now_ms=CLOCK.boot_ms())
            if begun is not None:
                self.chains = prune(self.chains, begun.host_epoch, begun.keep_chain)
            return
        body = self.session.open_live(sealed)
        if isinstance(body, bytes):
            self.live += pb.DownLive.FromString(body).items

    def takes_row(self, post: relay.Post) -> None:
        """Take a row; one without a seal is not for the phone."""
        if not post.sealed:
            return
        try:
            body, self.chains = open_keep(post.sealed, self.chains)
        except SealError:
            self.holes += 1
            return
        for item in pb.DownKeep.FromString(body).items:
            self._take(item)

    def _take(self, item: pb.DownKeepItem) -> None:
        match item.WhichOneof("item"):
            case "begin":
                self.begins.append(item.begin)
            case "event":
                event = pb.Event.FromString(item.event)
                taken = self.arrivals.take(Entry(event.number, event.previous_hash, item.event))
                self.events += [pb.Event.FromString(entry.event) for entry in taken.linked]
            case "head_signature":
                head = Head(item.head_signature.head.number, item.head_signature.head.hash)
                signature = item.head_signature.signature
                assert verify_head(self.keys.peer_ed25519, signature, pair_id=self.keys.pair_id, head=head)
            case "lost":
                self.lost.append(item.lost)
                last = item.lost.to
                taken = self.arrivals.lost(getattr(item.lost, "from"), last, item.lost.hash_at_to)
                self.events += [pb.Event.FromString(entry.event) for entry in taken.linked]
            case "revoked":
                self.revoked = True
            case _:
                raise AssertionError(f"a host never says {item.WhichOneof('item')}")
