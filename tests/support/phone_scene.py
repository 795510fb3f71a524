"""A phone with everything it needs, a relay in the test's hands, and what the phone says to its person."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from dispatch.api.relay.v1 import relay_pb2 as pb
from dispatch.api.thread.v1 import thread_pb2 as words
from dispatch.clock import Clock
from mobile_sim.desk import Desk
from mobile_sim.patience import Patience

from tests.support.host_mind import HostMind, text_of
from tests.support.lying_relay import LyingRelay
from tests.support.seeded_phone import Event, SeededPhone, send_request
from tests.support.trust_service import TrustService
from tests.support.waiting import DEADLINE_SECONDS


class Scene:
    """The phone, the relay, and what the phone says to its person."""

    def __init__(self, phone: SeededPhone, relay: LyingRelay, desk: Desk) -> None:
        self.phone = phone
        self.relay = relay
        self.mind: HostMind = relay.mind
        self.desk = desk
        self.events: list[Event] = []
        self.said: list[Event] = []
        self.sending: asyncio.Task[int] | None = None

    def send(self, **options: Any) -> None:
        """Begin to send a task."""
        request = send_request("build it", **options)
        self.sending = asyncio.create_task(self.desk.do(request, say=self.events.append, hear=nobody))

    async def command(self, number: int = 1) -> tuple[pb.Post, words.UpCommand]:
        """Wait for a post, and open it as the host would."""
        post = await self.relay.post(number)
        command, rows = self.mind.command(post.sealed)
        assert command is not None
        for row in rows:
            self.relay.deliver(row)
        return post, command

    async def ended(self) -> int:
        """Wait for the end of the send."""
        assert self.sending is not None
        async with asyncio.timeout(DEADLINE_SECONDS):
            return await self.sending

    def work(self, command: words.UpCommand) -> list[bytes]:
        """Do a task; gives its rows."""
        about = command.task_id
        accepted = words.Accepted(attempt=command.attempt, text=text_of(command))
        return [
            self.mind.event_row(task_id=about, accepted=accepted),
            self.mind.event_row(task_id=about, started=words.Started(agent="by hand")),
            self.mind.event_row(task_id=about, step=words.Step(title="One")),
            self.mind.event_row(task_id=about, step=words.Step(title="Two")),
            self.mind.event_row(task_id=about, result_text=words.ResultText(text="All done.")),
            self.mind.event_row(task_id=about, ended=words.Ended(outcome=pb.OUTCOME_DONE)),
        ]

    async def does(self, what: str, **options: Any) -> int:
        """Have the phone do something; what it says is in `said`."""
        self.said.clear()
        return await self.desk.do({"do": what, **options}, say=self.said.append, hear=nobody)

    @contextlib.asynccontextmanager
    async def watched(self) -> AsyncIterator[None]:
        """Have somebody watch the threads meanwhile; then they look away."""
        watching = asyncio.create_task(self.desk.do({"do": "watch", "last": 5}, say=self.said.append, hear=nobody))
        try:
            yield
        finally:
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)

    async def is_shown(self, state: str) -> bool:
        """Whether the one task is shown so in the list."""
        await self.does("tasks", host=None, limit=9)
        return bool([one["state"] for one in self.said] == [state])

    def steps(self) -> list[str]:
        """What the person saw of the steps."""
        return [event["title"] for event in self.events if event["event"] == "step"]

    async def thread(self) -> list[Event]:
        """Read the thread."""
        lines: list[Event] = []
        assert await self.desk.do({"do": "thread", "host": None}, say=lines.append, hear=nobody) == 0
        return lines

    async def has_read(self, seq: int) -> bool:
        """Whether the phone has read to a place, and said so."""
        acks = [frame.ack.through_seq for frame in self.relay.stream.frames if frame.HasField("ack")]
        return bool(acks) and acks[-1] == seq

    async def has_holes(self, count: int) -> None:
        """Wait until so many rows did not open: the last may still be on its way when the thread is whole already."""
        async with asyncio.timeout(DEADLINE_SECONDS):
            while await self._holes() < count:  # noqa: ASYNC110 -- no event announces it
                await asyncio.sleep(0.01)
        assert await self._holes() == count

    async def _holes(self) -> int:
        hosts: list[Event] = []
        await self.desk.do({"do": "hosts"}, say=hosts.append, hear=nobody)
        return int(hosts[0]["holes"])


async def nobody() -> bool:
    raise AssertionError("nobody was to be asked")


@contextlib.asynccontextmanager
async def made(home: Path, patience: Patience, clock: Clock | None = None) -> AsyncIterator[Scene]:
    trust = TrustService()
    async with LyingRelay() as relay:
        phone = SeededPhone.make(home)
        phone.patience, phone.clock = patience, clock or phone.clock
        relay.mind, _ = phone.pair(trust, [relay.address])
        async with phone.desk() as desk:
            yield Scene(phone, relay, desk)


WHOLE = ["accepted", "started", "step", "step", "text", "ended"]


async def whole(scene: Scene) -> None:
    """The task was done, shown once and in order, and the thread on disk is whole."""
    assert await scene.ended() == 0
    assert scene.steps() == ["One", "Two"]
    assert scene.events[-1]["text"] == "All done."
    assert [line["event"] for line in await scene.thread()] == WHOLE
