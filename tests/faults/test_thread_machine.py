"""Phone and host as models, the relay as it is: over real gRPC and a real store, in whatever order things happen.

The model of the commit point (tests/unit/relay) walks the tables alone; here the same promises are asked of the whole relay: each
post has one answer, what was refused never runs, rows come in order and without gaps, and both ends are told the same.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Coroutine
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

import pytest
from dispatch.api.error.v1.error_pb2 import Reason
from dispatch.api.relay.v1 import relay_pb2 as pb
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule, run_state_machine_as_test

from tests.support.device_end import DeviceEnd, Identity
from tests.support.relay import QUICK, Relay
from tests.support.waiting import DEADLINE_SECONDS

SETTINGS = replace(QUICK, lease_ms=5_000, idle_ask_ms=5_000, restart_grace_ms=5_000)
"""Long enough that no device is given up for being slow: what happens here is what the machine says."""

T = TypeVar("T")


@dataclass
class Side:
    """One end: what it keeps, and the stream that it has."""

    device: Identity
    stream: DeviceEnd | None = None
    read: int = 0  # frames of the stream that were taken in
    cursor: int = 0
    rows: dict[int, tuple[str, bytes]] = field(default_factory=dict)  # by seq: the verdict or author, and the message
    wrong: list[str] = field(default_factory=list)

    def take_row(self, seq: int, what: str, message_id: bytes) -> None:
        """Take a row in; each seq once, the next after the last, and always the same."""
        if seq <= self.cursor:
            if self.rows[seq] != (what, message_id):
                self.wrong.append(f"row {seq} was {self.rows[seq]} and is {what}")
            return
        if seq != self.cursor + 1:
            self.wrong.append(f"row {seq} behind {self.cursor}")
        self.cursor, self.rows[seq] = seq, (what, message_id)


class ThreadMachine(RuleBasedStateMachine):
    """Every rule is one thing that may happen next."""

    def __init__(self) -> None:
        super().__init__()
        self._runner = asyncio.Runner()
        self._folder = tempfile.TemporaryDirectory(prefix="dispatch-machine-")
        self.relay = Relay(Path(self._folder.name), settings=SETTINGS)
        self.run(self.relay.__aenter__())
        pair = self.relay.pair()
        self.phone, self.host = Side(pair.phone), Side(pair.host)
        self.posts: dict[bytes, tuple[bytes, bytes]] = {}  # by message: words and task
        self.answers: dict[bytes, set[str]] = {}
        self.journal: dict[bytes, str] = {}  # of the host: taken, ran, withdrawn
        self.kept: dict[bytes, bytes] = {}  # of the host: its outbox
        self.delivered: set[bytes] = set()  # rows of the host that the phone has
        self.the_host_attaches()
        self.the_phone_attaches()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self._runner.run(work)

    # ---- Coming and going.

    @rule()
    def the_phone_attaches(self) -> None:
        self.run(self._attach(self.phone))
        self.run(self._post_again())

    @rule()
    def the_host_attaches(self) -> None:
        self.run(self._attach(self.host))
        self.run(self._keep_again())

    @precondition(lambda self: self.phone.stream is not None)
    @rule()
    def the_phone_breaks_off(self) -> None:
        self.run(self._drop(self.phone))

    @precondition(lambda self: self.host.stream is not None)
    @rule()
    def the_host_breaks_off(self) -> None:
        self.run(self._drop(self.host))

    @precondition(lambda self: self.host.stream is not None)
    @rule()
    def the_host_falls_asleep(self) -> None:
        self.run(self._say(self.host, notice=pb.Notice(condition=pb.CONDITION_ASLEEP)))

    @rule()
    def the_relay_restarts(self) -> None:
        async def restart() -> None:
            await self._drop(self.phone)
            await self._drop(self.host)
            await self.relay.stop()
            await self.relay.start()

        self.run(restart())

    # ---- Tasks.

    @rule(words=st.binary(min_size=1, max_size=40))
    def the_phone_sends(self, words: bytes) -> None:
        words = bytes([len(self.posts)]) + words  # no two are the same
        self.run(self._post(words, task_id=words.ljust(16, b".")[:16]))

    @rule(willing=st.booleans())
    def the_host_answers_what_was_handed_over(self, willing: bool) -> None:
        self.run(self._answer(willing=willing))

    @rule(words=st.binary(min_size=1, max_size=40))
    def the_host_says_something(self, words: bytes) -> None:
        self.run(self._keep(bytes([len(self.kept)]) + b"kept" + words))

    # ---- The end.

    def teardown(self) -> None:
        try:
            self.run(self._settle())
            assert self.phone.wrong + self.host.wrong == []
            for message_id in self.posts:
                assert len(self.answers.get(message_id, set())) == 1, "each post has one answer, always the same"
            accepted = {one for one in self.posts if any(a.startswith("receipt") for a in self.answers[one])}
            ran = {one for one, state in self.journal.items() if state == "ran"}
            assert ran == accepted & set(self.journal), "what was accepted runs, and what was refused does not"
            assert accepted <= set(self.journal), "nothing was accepted that the host has not taken"
            assert set(self.kept) <= self.delivered, "nothing that the host said is lost"
            shared = {seq: row for seq, row in self.phone.rows.items() if row[0] != "kept"}
            assert all(self.host.rows[seq] == row for seq, row in shared.items()), "both ends are told the same"
        finally:
            self.run(self._close())
            self._runner.close()
            self._folder.cleanup()

    async def _close(self) -> None:
        await self._drop(self.phone)
        await self._drop(self.host)
        await self.relay.__aexit__(None, None, None)

    async def _settle(self) -> None:
        """Bring both back, let the host take what waits, and read to the end."""
        await self._attach(self.host)
        await self._attach(self.phone)
        await self._post_again()
        await self._keep_again()
        async with asyncio.timeout(DEADLINE_SECONDS):
            while not self._settled():
                await self._answer(willing=True)
                await asyncio.sleep(0.01)  # what comes is what is waited for; several streams bring it
        head = max(self.phone.cursor, self.host.cursor)
        for side in (self.phone, self.host):
            async with asyncio.timeout(DEADLINE_SECONDS):
                while side.cursor < head:
                    self._read(side)
                    await asyncio.sleep(0.01)  # as above

    def _settled(self) -> bool:
        self._read(self.phone)
        self._read(self.host)
        return set(self.posts) <= set(self.answers) and set(self.kept) <= self.delivered and not self._undecided()

    def _undecided(self) -> set[bytes]:
        decided = {message_id for what, message_id in self.host.rows.values() if what != "kept"}
        return {one for one, state in self.journal.items() if state == "taken" and one not in decided}

    # ---- What the ends do.

    async def _attach(self, side: Side) -> None:
        await self._drop(side)
        side.stream, side.read = await self.relay.attach(side.device, resume_after=side.cursor), 0

    async def _drop(self, side: Side) -> None:
        if side.stream is not None:
            self._read(side)
            stream, side.stream = side.stream, None
            await stream.drop()

    async def _say(self, side: Side, **frames: Any) -> None:
        if side.stream is not None:
            await side.stream.say(**frames)

    async def _post(self, words: bytes, *, task_id: bytes) -> None:
        if self.phone.stream is not None:
            message_id = await self.phone.stream.post(words, task_id=task_id, valid_for_ms=60_000)
            self.posts[message_id] = (words, task_id)

    async def _post_again(self) -> None:
        self._read(self.phone)
        for message_id, (words, task_id) in list(self.posts.items()):
            if message_id not in self.answers:
                await self._post(words, task_id=task_id)

    async def _keep(self, words: bytes) -> None:
        if self.host.stream is not None:
            self.kept[await self.host.stream.keep(words)] = words

    async def _keep_again(self) -> None:
        for words in list(self.kept.values()):
            await self._keep(words)

    async def _answer(self, *, willing: bool) -> None:
        stream = self.host.stream
        if stream is None:
            return
        self._read(self.host)
        for handover in stream.all("handover"):
            known = handover.message_id in self.journal
            if known or willing:
                self.journal.setdefault(handover.message_id, "taken")
                await stream.say(take=pb.Take(message_id=handover.message_id))
            else:
                decline = pb.Decline(message_id=handover.message_id, reason=Reason.REASON_QUEUE_FULL)
                await stream.say(decline=decline)

    def _read(self, side: Side) -> None:
        if side.stream is None:
            return
        frames = side.stream.frames[side.read :]
        side.read += len(frames)
        for frame in frames:
            if side is self.phone:
                self._phone_reads(frame)
            else:
                self._host_reads(frame)

    def _phone_reads(self, frame: pb.RelayFrame) -> None:
        match frame.WhichOneof("frame"):
            case "receipt":
                self.phone.take_row(frame.receipt.seq, "accepted", frame.receipt.message_id)
                self.answers.setdefault(frame.receipt.message_id, set()).add(f"receipt {frame.receipt.seq}")
            case "refusal" if frame.refusal.seq:
                self.phone.take_row(frame.refusal.seq, "refused", frame.refusal.message_id)
                self.answers.setdefault(frame.refusal.message_id, set()).add(f"refusal {frame.refusal.seq}")
            case "deliver":
                self.phone.take_row(frame.deliver.seq, "kept", frame.deliver.message_id)
                self.delivered.add(frame.deliver.message_id)

    def _host_reads(self, frame: pb.RelayFrame) -> None:
        match frame.WhichOneof("frame"):
            case "deliver":
                self.host.take_row(frame.deliver.seq, "accepted", frame.deliver.message_id)
                if self.journal.get(frame.deliver.message_id) == "withdrawn":
                    self.host.wrong.append("a go for what was withdrawn")
                self.journal[frame.deliver.message_id] = "ran"
            case "withdrawn" if frame.withdrawn.seq:
                self.host.take_row(frame.withdrawn.seq, "refused", frame.withdrawn.message_id)
                if self.journal.get(frame.withdrawn.message_id) == "ran":
                    self.host.wrong.append("withdrawn after its go")
                if frame.withdrawn.message_id in self.journal:
                    self.journal[frame.withdrawn.message_id] = "withdrawn"
            case "receipt":
                self.host.take_row(frame.receipt.seq, "kept", frame.receipt.message_id)


def explore(examples: int, steps: int) -> None:
    run_state_machine_as_test(
        ThreadMachine,
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            derandomize=True,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            print_blob=False,
        ),
    )


def test_whatever_happens_in_whatever_order_each_post_has_one_answer_and_both_ends_are_told_the_same() -> None:
    explore(examples=5, steps=15)


@pytest.mark.big
@pytest.mark.timeout(600)
def test_the_same_for_longer() -> None:
    explore(examples=30, steps=30)
