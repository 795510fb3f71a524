"""What a host knows and says under the seal, without a transport: a real HostSession, a thread, and the rows of it.

A test carries the bytes, over a real relay or one that lies (`host_end`, `lying_relay`).
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from dispatch.api.thread.v1 import thread_pb2 as words
from dispatch.clock import SystemClock
from dispatch.sealed.chain import Chain, seal
from dispatch.sealed.handshake import is_handshake
from dispatch.sealed.head import Head
from dispatch.sealed.history import event_hash, sign_head
from dispatch.sealed.keys import PairKeys
from dispatch.sealed.session import HostSession, Opened

Frames = tuple[list[bytes], list[bytes]]
"""What goes out: live frames, and rows to keep."""


@dataclass
class HostMind:
    """A host without a wire. Remembers everything that it was told."""

    keys: PairKeys
    signing: Ed25519PrivateKey
    events: list[bytes] = field(default_factory=list)
    commands: list[words.UpCommand] = field(default_factory=list)
    seen: list[int] = field(default_factory=list)
    resends: list[tuple[int, int]] = field(default_factory=list)
    heads: list[Head] = field(default_factory=list)
    handshakes: int = 0
    answers_resends: bool = True
    answers_probes: bool = True
    probes: list[int] = field(default_factory=list)
    offers: list[words.FileOffer] = field(default_factory=list)
    awake: words.KeepAwake | None = None  # what it says of being kept awake

    def __post_init__(self) -> None:
        self.session = HostSession(self.keys, keep_epoch=None, rng=os.urandom)
        self.keep: Chain | None = None
        self.head = Head()

    # ---- what comes in

    def live(self, sealed: bytes) -> Frames:
        """Take a live frame; gives what it answers."""
        if is_handshake(sealed):
            self.handshakes += 1
            message2 = self.session.answer(sealed, now_ms=SystemClock().boot_ms())
            return ([message2] if isinstance(message2, bytes) else []), []
        opened = self.session.open_live(sealed, now_ms=SystemClock().boot_ms())
        if not isinstance(opened, Opened):
            return [], []
        rows = self._confirm(opened)
        lives: list[bytes] = []
        for item in words.UpLive.FromString(opened.body).items:
            if item.HasField("seen"):
                self.seen.append(item.seen.head.number)
            elif item.HasField("resend"):
                first, last = getattr(item.resend, "from"), item.resend.to
                self.resends.append((first, last))
                if self.answers_resends:
                    rows.append(self.row(*(words.DownKeepItem(event=event) for event in self.events[first - 1 : last])))
            elif item.HasField("file_offer"):
                self.offers.append(item.file_offer)
            elif item.HasField("probe"):
                self.probes.append(item.probe.number)
                if self.answers_probes:
                    reply = words.ProbeReply(number=item.probe.number, busy=True, waiting_tasks=2)
                    lives.append(self.live_row(words.DownLiveItem(probe_reply=reply)))
        return lives, rows

    def command(self, sealed: bytes) -> tuple[words.UpCommand | None, list[bytes]]:
        """Open a command; None when there is no session that opens it. Rows come when it confirmed an epoch."""
        opened = self.session.open_command(sealed, now_ms=SystemClock().boot_ms()) if sealed else None
        if not isinstance(opened, Opened):
            return None, []
        rows = self._confirm(opened)
        command = words.UpCommand.FromString(opened.body)
        self.commands.append(command)
        return command, rows

    def _confirm(self, opened: Opened) -> list[bytes]:
        if opened.confirmed is None:
            return []
        self.heads.append(opened.confirmed.head)
        self.keep = opened.confirmed.keep_chain
        self.session.switch()
        return [self.row(words.DownKeepItem(begin=words.Begin(head=_head(self.head), keep_awake=self.awake)))]

    # ---- what goes out

    def event(self, *, task_id: bytes = b"", **kind: Any) -> bytes:
        """Append an event to the thread: `event(task_id=…, started=Started(agent="built-in"))`."""
        event = words.Event(
            event_id=os.urandom(16),
            number=self.head.number + 1,
            previous_hash=self.head.hash,
            at_ms=SystemClock().wall_ms(),
            task_id=task_id,
            **kind,
        ).SerializeToString()
        self.head = Head(self.head.number + 1, event_hash(self.head.hash, event))
        self.events.append(event)
        return event

    def row(self, *items: words.DownKeepItem) -> bytes:
        """Seal a row."""
        assert self.keep is not None, "there is no session yet"
        sealed, self.keep = seal(self.keep, words.DownKeep(items=items).SerializeToString(), os.urandom)
        return sealed

    def event_row(self, *, task_id: bytes = b"", **kind: Any) -> bytes:
        """Append an event and seal it, with the host's signature under the chain."""
        event = self.event(task_id=task_id, **kind)
        signature = sign_head(self.signing.sign, pair_id=self.keys.pair_id, head=self.head)
        signed = words.HeadSignature(head=_head(self.head), signature=signature)
        return self.row(words.DownKeepItem(event=event), words.DownKeepItem(head_signature=signed))

    def live_row(self, item: words.DownLiveItem) -> bytes:
        """Seal a live frame."""
        return self.session.seal_live(words.DownLive(items=[item]).SerializeToString())


def text_of(command: words.UpCommand) -> str:
    """Give a task's words."""
    return words.Action.FromString(command.action).task.text


def _head(head: Head) -> words.Head:
    return words.Head(number=head.number, hash=head.hash)
