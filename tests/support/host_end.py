"""A host made by hand on a real relay: takes what a test lets it take, runs nothing, and says what the test wants said."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from types import TracebackType
from typing import Any

from dispatch.api.error.v1.error_pb2 import Reason
from dispatch.api.relay.v1 import relay_pb2 as relay
from dispatch.api.thread.v1 import thread_pb2 as words

from tests.support.device_end import DeviceEnd, Identity
from tests.support.host_mind import HostMind, text_of

Decide = Callable[[words.UpCommand | None], Reason.ValueType | None]
"""Why a command is declined; None to take it. A command that could not be opened is None."""


def take(command: words.UpCommand | None) -> Reason.ValueType | None:
    """Take what opens, as a host does."""
    return Reason.REASON_SESSION_NEEDED if command is None else None


class HostEnd:
    """One host. Use as an async context manager."""

    def __init__(self, mind: HostMind, device: Identity, address: str) -> None:
        self.mind = mind
        self.device = device
        self.address = address
        self.decide: Decide = take
        self.silent = False  # neither takes nor declines
        self.deaf = False  # does not hear handshakes and other live frames
        self.works = True  # does at once what it has its go for
        self.ran: list[str] = []
        self.handed_over: list[relay.Handover] = []
        self._posted: set[bytes] = set()
        self._taken: dict[bytes, words.UpCommand] = {}
        self.end: DeviceEnd
        self._pump: asyncio.Task[None] | None = None

    async def __aenter__(self) -> HostEnd:
        await self.attach()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.vanish()

    async def attach(self) -> None:
        """Open the stream, from the newest row on."""
        self._posted.clear()
        self.end = await DeviceEnd.attach(self.device, self.address)
        self._pump = asyncio.create_task(self._hear())

    async def vanish(self) -> None:
        """Drop the stream without a goodbye."""
        if self._pump is not None:
            self._pump.cancel()
            await asyncio.gather(self._pump, return_exceptions=True)
            await self.end.drop()
            self._pump = None

    async def close(self, condition: relay.Condition.ValueType = relay.CONDITION_APP_CLOSED) -> None:
        """Say why, and goodbye, when all that was said before has its answer."""
        await self.end.until(lambda: self._posted <= set(self.end.answered()))
        await self.end.bye(notice=condition)
        await self.vanish()

    async def say(self, *, task_id: bytes = b"", **kind: Any) -> None:
        """Append an event and post it."""
        await self._keep(self.mind.event_row(task_id=task_id, **kind), task_id=task_id)

    async def accept(self, command: words.UpCommand) -> None:
        """Say that a task is here."""
        accepted = words.Accepted(
            attempt=command.attempt,
            text=text_of(command),
            action=command.action,
            phone_head=command.head,
            signature=command.signature,
        )
        await self.say(task_id=command.task_id, accepted=accepted)

    async def finish(self, command: words.UpCommand, text: str = "All done.") -> None:
        """Accept a task and end it as done."""
        await self.accept(command)
        await self.say(task_id=command.task_id, started=words.Started(agent="by hand"))
        await self.say(task_id=command.task_id, step=words.Step(title="Looked"))
        await self.say(task_id=command.task_id, result_text=words.ResultText(text=text))
        await self.say(task_id=command.task_id, ended=words.Ended(outcome=relay.OUTCOME_DONE))

    async def partial(self, task_id: bytes, delta: str) -> None:
        """Send text as it comes."""
        await self.show(words.DownLiveItem(partial_text=words.PartialText(task_id=task_id, delta=delta)))

    async def show(self, item: words.DownLiveItem) -> None:
        """Say something in passing."""
        await self.end.say(live=relay.Live(sealed=self.mind.live_row(item)))

    async def _keep(self, sealed: bytes, *, task_id: bytes = b"") -> None:
        self._posted.add(await self.end.keep(sealed, task_id=task_id))

    async def _hear(self) -> None:
        heard = 0
        while True:
            known = heard
            await self.end.until(lambda known=known: len(self.end.frames) > known or self.end.closed)  # type: ignore[misc]
            if len(self.end.frames) == heard:
                return
            for frame in self.end.frames[heard:]:
                heard += 1
                await self._hear_one(frame)

    async def _hear_one(self, frame: relay.RelayFrame) -> None:
        match frame.WhichOneof("frame"):
            case "live" if not self.deaf:
                lives, rows = self.mind.live(frame.live.sealed)
                for live in lives:
                    await self.end.say(live=relay.Live(sealed=live))
                for row in rows:
                    await self._keep(row)
            case "handover":
                await self._take(frame.handover)
            case "deliver":
                command = self._taken.pop(frame.deliver.message_id, None)
                if command is not None:
                    await self._run(command)

    async def _take(self, handover: relay.Handover) -> None:
        self.handed_over.append(handover)
        if self.silent:
            return
        command, rows = self.mind.command(handover.sealed)
        for row in rows:
            await self._keep(row)
        reason = self.decide(command)
        if reason is not None or command is None:
            await self.end.say(
                decline=relay.Decline(message_id=handover.message_id, reason=reason or Reason.REASON_SESSION_NEEDED)
            )
            return
        self._taken[handover.message_id] = command
        await self.end.say(take=relay.Take(message_id=handover.message_id))

    async def _run(self, command: words.UpCommand) -> None:
        self.ran.append(command.task_id.hex())
        action = words.Action.FromString(command.action)
        if action.HasField("cancel"):
            ended = words.Ended(outcome=relay.OUTCOME_CANCELLED, reason=Reason.REASON_CANCELLED_BY_PERSON)
            await self.say(task_id=command.task_id, ended=ended)
        elif self.works:
            await self.finish(command)
