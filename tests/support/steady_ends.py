"""A phone and a host that lose connections and go on: what the contract asks of a device, in as few lines as it takes.

They keep a cursor and an outbox, dial again whenever their stream breaks, and write down every row that reaches them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from hashlib import sha256

from dispatch import errors
from dispatch.api.relay.v1 import relay_pb2 as pb

from tests.support.device_end import DeviceEnd, Identity

Row = tuple[int, str, bytes]
"""seq, the word of the frame, and the message it is about."""


def sealed_id(sealed: bytes) -> bytes:
    """Give the id of a message."""
    return sha256(sealed).digest()[:16]


class Steady:
    """What both have in common. `where` gives what to dial; `moved` is told of each message in either direction."""

    def __init__(
        self, device: Identity, *, where: Callable[[], str], dialled: str, moved: Callable[[], None] = lambda: None
    ) -> None:
        self.device = device
        self.rows: list[Row] = []
        self.wanted = 0
        self.outbox: dict[bytes, pb.Post] = {}
        self.streams = 0
        self.was_attached = asyncio.Event()
        self._where = where
        self._dialled = dialled
        self._moved = moved
        self._end: DeviceEnd | None = None

    @property
    def cursor(self) -> int:
        """The last row it has."""
        return self.rows[-1][0] if self.rows else 0

    async def run(self) -> None:
        """Attach and follow, again and again, until it has all the rows that are wanted."""
        while len(self.rows) < self.wanted:
            try:
                self._end = await DeviceEnd.attach(
                    self.device, self._where(), dialled=self._dialled, resume_after=self.cursor
                )
            except (errors.StreamRefused, errors.Internal):
                await asyncio.sleep(0.02)  # as a device backs off
                continue
            self.streams += 1
            self.was_attached.set()
            try:
                await self._follow(self._end)
            finally:
                await self._end.drop()

    async def _follow(self, end: DeviceEnd) -> None:
        read = 0
        pending = set((await end.got("opened")).opened.pending_message_ids)
        for message_id, post in list(self.outbox.items()):
            if message_id not in pending:
                await self._say(end, post=post)
        while len(self.rows) < self.wanted and not (end.closed and read == len(end.frames)):
            await end.more_than(read)
            for frame in end.frames[read:]:
                read += 1
                self._moved()
                await self._hear(end, frame)

    async def _say(self, end: DeviceEnd, **frames: object) -> None:
        self._moved()
        await end.say(**frames)

    async def post(self, post: pb.Post) -> None:
        """Post, now or with the next stream."""
        self.outbox[post.message_id] = post
        if self._end is not None:
            await self._say(self._end, post=post)

    async def _hear(self, end: DeviceEnd, frame: pb.RelayFrame) -> None:
        word = frame.WhichOneof("frame") or ""
        body = getattr(frame, word)
        seq = getattr(body, "seq", 0)
        if seq > self.cursor:
            self.rows.append((seq, word, body.message_id))
            if word in {"receipt", "refusal"}:
                self.outbox.pop(body.message_id, None)
            await self._row(end, word, body.message_id)
            await self._say(end, ack=pb.Ack(through_seq=seq))
        elif word == "handover":
            await self._handover(end, body)

    async def _row(self, end: DeviceEnd, word: str, message_id: bytes) -> None:
        """A new row came."""

    async def _handover(self, end: DeviceEnd, handover: pb.Handover) -> None:
        """A command came."""


class SteadyPhone(Steady):
    """Posts its commands one behind the other."""

    def __init__(self, *args: object, commands: int, **options: object) -> None:
        super().__init__(*args, **options)  # type: ignore[arg-type] # the same as Steady's
        self._commands = [f"command {number}".encode() for number in range(commands)]
        self._next()

    def _next(self) -> pb.Post | None:
        if not self._commands:
            return None
        sealed = self._commands.pop(0)
        post = pb.Post(
            message_id=sealed_id(sealed), task_id=sealed_id(b"task" + sealed), kind=pb.KIND_COMMAND, sealed=sealed,
            valid_for_ms=60_000,
        )  # fmt: skip
        self.outbox[post.message_id] = post
        return post

    async def _row(self, end: DeviceEnd, word: str, message_id: bytes) -> None:
        if word in {"receipt", "refusal"} and (post := self._next()) is not None:
            await self.post(post)


class SteadyHost(Steady):
    """Takes every command, and posts two rows for each that it may run."""

    def __init__(self, *args: object, **options: object) -> None:
        super().__init__(*args, **options)  # type: ignore[arg-type] # the same as Steady's
        self.runs: list[bytes] = []

    async def _handover(self, end: DeviceEnd, handover: pb.Handover) -> None:
        await self._say(end, take=pb.Take(message_id=handover.message_id))

    async def _row(self, end: DeviceEnd, word: str, message_id: bytes) -> None:
        if word == "deliver":
            self.runs.append(message_id)
            for part in (b"step of ", b"result of "):
                sealed = part + message_id
                await self.post(pb.Post(message_id=sealed_id(sealed), kind=pb.KIND_KEEP, sealed=sealed))
