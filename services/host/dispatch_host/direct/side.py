"""A link's side towards the direct path: lets a phone in that shows its session, and takes what it says there.

The phone is the one who decides here about its commands (docs/direct.md "The commit point"); the host says Taken until it has
heard what. Called by the door; the link holds it beside the relay's stream.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from dispatch.api.relay.v1.relay_pb2 import DeviceFrame
from dispatch.api.thread.v1 import thread_pb2 as pb
from dispatch.ids import MessageId
from dispatch.runtime.logs import get_logger
from dispatch.sealed.chain import DIRECT_LEAP
from dispatch.sealed.errors import FORGED_AT_MOST
from dispatch.sealed.frame import EPOCH_BYTES
from dispatch.sealed.session import Budget, HostSession

from dispatch_host.direct.path import DirectPath
from dispatch_host.intake import Intake
from dispatch_host.journal.values import Pairing
from dispatch_host.path import Heard, Path
from dispatch_host.posting import Posting
from dispatch_host.shared import Common
from dispatch_host.talk import Talk

PHONE_GIVES_UP_MS = 6_000
"""A phone that has heard nothing here for so long is on the relay's path again (docs/direct.md "Opening")."""

_LOG = get_logger()


class DirectSide:
    """One pairing's."""

    def __init__(
        self,
        pairing: Pairing,
        *,
        common: Common,
        session: HostSession,
        talk: Talk,
        intake: Intake,
        posting: Posting,
        turn: asyncio.Lock,
    ) -> None:
        # Fixed after __init__.
        self._pairing = pairing
        self._common = common
        self._session = session
        self._talk = talk
        self._intake = intake
        self._posting = posting
        self._turn = turn
        # Touched by the door's streams, one at a time.
        self._budget = Budget()
        self._shut = False
        self.path: DirectPath | None = None
        """The newest stream on which a valid frame came; None while there is none."""

    @property
    def epoch(self) -> bytes | None:
        """The session's epoch, by which a stranger's first frame finds its pairing."""
        return self._session.epoch

    def new_path(self) -> DirectPath:
        """Make a path of a stream that has shown nothing yet."""
        return DirectPath(self._talk.show)

    async def greet(self, message1: bytes, path: DirectPath) -> bool:
        """Answer message 1 of a handshake; False when nothing is to be answered."""
        async with self._turn:
            if not self._shut:
                await self._talk.hear(message1, path, budget=self._budget)
        return bool(path.waiting)

    async def join(self, sealed: bytes, path: DirectPath) -> bool:
        """Take the first sealed frame of a stream: from one that is valid on, this is the path that is written to."""
        async with self._turn:
            if not self._may_speak(sealed) or await self._hear(sealed, path) is not Heard.PHONE:
                return False
            await self.ask_again(path)
            if self._shut:  # meanwhile
                return False
            if self.path is not None:
                self.path.over.set()  # the newest wins
            self.path = path
            path.heard_ms = self._common.clock.steady_ms()
            self._posting.begin_anew()
        _LOG.info("direct path opened", pairing=self._pairing.pair_id)
        return True

    async def begin(self, path: DirectPath) -> None:
        """Say on the path that is written to from now on where the thread ends, behind all that waits. Raises StoreFailed.

        What the relay has taken by now, this session's Begin included, is posted to nobody else, and a phone that has lost the
        relay never gets it there: by this it knows what to ask for. What is written later takes this path.
        """
        async with self._turn:
            if self.path is path and not self._shut:
                await self._talk.begin_again()

    def _may_speak(self, sealed: bytes) -> bool:
        """Tell whether the phone may say this. A session that this begins is judged when it is confirmed."""
        return not self._shut and (sealed[1 : 1 + EPOCH_BYTES] != self._session.epoch or self._talk.admitted())

    async def hear(self, frames: Sequence[DeviceFrame], path: DirectPath) -> None:
        """Take what came on the path. What makes no sense is passed over; the path is over when somebody forges."""
        async with self._turn:
            if self._shut or not self._talk.admitted():
                path.over.set()
            for frame in frames:
                if path.over.is_set():
                    return
                match frame.WhichOneof("frame"):
                    case "live":
                        heard = await self._hear(frame.live.sealed, path)
                    case "post":
                        post = frame.post
                        heard = await self._intake.answer(MessageId(post.message_id), None, post.sealed, path)
                    case _:
                        heard = Heard.NOBODY
                self._judge(heard, path)

    def _judge(self, heard: Heard, path: DirectPath) -> None:
        if heard is Heard.PHONE:
            path.heard_ms = self._common.clock.steady_ms()
        elif heard is Heard.FORGED:
            path.forged += 1
            if path.forged >= FORGED_AT_MOST:
                _LOG.warning("somebody forges on the direct path", pairing=self._pairing.pair_id)
                path.over.set()

    async def _hear(self, sealed: bytes, path: DirectPath) -> Heard:
        return await self._talk.hear(sealed, path, budget=self._budget, furthest=DIRECT_LEAP)

    async def still_admitted(self) -> bool:
        """Tell whether the phone may still be here."""
        async with self._turn:
            return self._talk.admitted()

    def phone_is_elsewhere(self) -> None:
        """Hear that the phone has spoken by the relay. It gave this path up, then, if it has been silent here for so long."""
        path = self.path
        if path is not None and self._common.clock.steady_ms() - path.heard_ms > PHONE_GIVES_UP_MS:
            path.over.set()

    async def ask_again(self, path: Path) -> None:
        """Say Taken again for what the phone has not decided, or has and was not heard."""
        items = [
            pb.DownLiveItem(taken=pb.Taken(message_id=message)) for message in await self._intake.undecided_directly()
        ]
        if items:
            self._talk.show(items, path)

    def left(self, path: DirectPath) -> None:
        """Hear that a stream is over. What the phone has not kept goes by the relay, the same bytes."""
        if self.path is path:
            self.path = None
            self._posting.begin_anew()
            _LOG.info("direct path closed", pairing=self._pairing.pair_id)

    def shut(self) -> None:
        """End the path, and let nobody in until `reopen`."""
        self._shut = True
        if self.path is not None:
            self.path.over.set()

    def reopen(self) -> None:
        """Let the phone in again."""
        self._shut = False
