"""The ends of a pair at a real relay: `bench.ends` with the seal, and with somebody who hears the messages.

Durable ends post commands and keep rows, live ends live frames. A stream that ends is a loss: nothing in a run ends one.
"""

from __future__ import annotations

import asyncio
from hashlib import sha256
from typing import Any

from dispatch import errors
from dispatch.api.relay.v1 import relay_pb2 as pb
from dispatch.ids import ID_BYTES, Rng
from dispatch.sealed.frame import Direction, FrameClass

from bench.ends import End
from bench.subjects.seal import LENGTH_BYTES, Sealer, sealer
from bench.subjects.subject import Ear


class RelayLink(End):
    """What all ends have in common. `given` is what every stream of `bench.ends` gets."""

    def __init__(self, *given: Any, ear: Ear, sealing: Sealer, opening: Sealer, rng: Rng) -> None:
        super().__init__(*given)
        self._ear, self._sealing, self._opening, self._rng = ear, sealing, opening, rng

    def send(self, message: bytes) -> None:
        """Send the peer a message."""
        raise NotImplementedError

    async def close(self) -> None:
        """Break the stream."""
        await self.leave()
        await asyncio.gather(*self._saying, return_exceptions=True)

    def unanswered(self) -> list[pb.Post]:
        """Say that the stream had ended: nothing is posted again, since the figures would not be those of one stream."""
        self._ear.lost(f"the stream ended: {dict(self.tally.ended)}")
        return []

    def _refused(self, refusal: pb.Refusal) -> None:
        self._ear.lost(f"refused: {errors.word(refusal.reason)} {refusal.detail}".rstrip())


class PhoneLink(RelayLink):
    """Posts commands, hears keep rows."""

    def send(self, message: bytes) -> None:
        """Post a command whose text has as many bytes as the message."""
        sealed = self._sealing.seal(message[:-LENGTH_BYTES])
        post = pb.Post(
            message_id=sha256(sealed).digest()[:ID_BYTES],
            task_id=self._rng(ID_BYTES),
            kind=pb.KIND_COMMAND,
            sealed=sealed,
        )
        self._soon(pb.DeviceFrame(post=post))

    def heard(self, frame: pb.RelayFrame) -> list[pb.DeviceFrame]:
        """Take rows."""
        match frame.WhichOneof("frame"):
            case "receipt":
                self.row(frame.receipt.seq)
            case "refusal":
                self.row(frame.refusal.seq)
                self._refused(frame.refusal)
            case "deliver":
                self.row(frame.deliver.seq)
                self._ear.heard(self._opening.open(frame.deliver.sealed))
        return []


class HostLink(RelayLink):
    """Takes every command; what is sent while it is heard ends its task."""

    def __init__(self, *given: Any, **more: Any) -> None:
        super().__init__(*given, **more)
        # touched by the reading task only
        self._taken: dict[bytes, tuple[bytes, bytes]] = {}  # task and body, by command
        self._task = b""
        self._answers: list[pb.DeviceFrame] = []

    def send(self, message: bytes) -> None:
        """Post a keep row. Called while a command is heard."""
        sealed = self._sealing.seal(message)
        post = pb.Post(
            message_id=sha256(sealed).digest()[:ID_BYTES],
            task_id=self._task,
            kind=pb.KIND_KEEP,
            sealed=sealed,
            outcome=pb.OUTCOME_DONE,
        )
        self._answers.append(pb.DeviceFrame(post=post))

    def heard(self, frame: pb.RelayFrame) -> list[pb.DeviceFrame]:
        """Take what is handed over; hear what has its go."""
        self._answers = []
        match frame.WhichOneof("frame"):
            case "handover":
                command = frame.handover
                self._taken[command.message_id] = command.task_id, self._opening.open(command.sealed)
                return [pb.DeviceFrame(take=pb.Take(message_id=command.message_id))]
            case "withdrawn":
                self.row(frame.withdrawn.seq)
            case "receipt":
                self.row(frame.receipt.seq)
            case "refusal":
                self.row(frame.refusal.seq)
                self._refused(frame.refusal)
            case "deliver":
                self.row(frame.deliver.seq)
                self._task, body = self._taken.pop(frame.deliver.message_id)
                self._ear.heard(body)
        return self._answers


class LiveLink(RelayLink):
    """Either end, by live frames: nothing is stored or confirmed."""

    cut = 0
    """How much shorter than the message its body is."""

    def send(self, message: bytes) -> None:
        """Send a live frame."""
        body = message[: len(message) - self.cut]
        self._soon(pb.DeviceFrame(live=pb.Live(sealed=self._sealing.seal(body))))

    def heard(self, frame: pb.RelayFrame) -> list[pb.DeviceFrame]:
        """Take live frames."""
        match frame.WhichOneof("frame"):
            case "live":
                self._ear.heard(self._opening.open(frame.live.sealed))
            case "refusal":
                self._refused(frame.refusal)
        return []


class LivePhoneLink(LiveLink):
    """The phone's, from which messages come as they are."""

    cut = LENGTH_BYTES


def chains(pair_id: bytes, *, live: bool, rng: Rng) -> tuple[Sealer, Sealer]:
    """Make the sealers of one end: what goes up, from phone to host, and what goes down."""
    up, down = (FrameClass.LIVE, FrameClass.LIVE) if live else (FrameClass.COMMAND, FrameClass.KEEP)
    return sealer(pair_id, Direction.UP, up, rng=rng), sealer(pair_id, Direction.DOWN, down, rng=rng)
