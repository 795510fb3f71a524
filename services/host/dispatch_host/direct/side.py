"""A link's side towards the direct path: lets a phone in that shows its session, and takes what it says there.

The phone is the one who decides here about its commands (docs/direct.md "The commit point"); the host says Taken until it has
heard what. Called by the door; the link holds it beside the relay's stream.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from dispatch import errors
from dispatch.api.relay.v1 import relay_pb2 as relay
from dispatch.api.relay.v1.relay_pb2 import DeviceFrame
from dispatch.api.thread.v1 import thread_pb2 as pb
from dispatch.ids import MessageId
from dispatch.runtime.logs import get_logger
from dispatch.sealed.session import Budget, HostSession

from dispatch_host.direct.path import DirectPath
from dispatch_host.intake import Intake
from dispatch_host.journal.values import Pairing
from dispatch_host.path import Path
from dispatch_host.posting import Posting
from dispatch_host.shared import Common
from dispatch_host.talk import Talk

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
            await self._talk.hear(message1, path, budget=self._budget)
        return bool(path.waiting)

    async def join(self, sealed: bytes, path: DirectPath) -> bool:
        """Take the first sealed frame of a stream: from one that is valid on, this is the path that is written to."""
        async with self._turn:
            if not await self._talk.hear(sealed, path) or not await self._talk.still_admitted():
                return False
            await self.ask_again(path)
            if self.path is not None:
                self.path.over.set()  # the newest wins
            self.path = path
            self._posting.begin_anew()
        _LOG.info("direct path opened", pairing=self._pairing.pair_id)
        return True

    async def hear(self, frames: Sequence[DeviceFrame], path: DirectPath) -> bool:
        """Take what came on the path; tells whether the phone wrote any of it. What makes no sense is passed over."""
        valid = False
        async with self._turn:
            for frame in frames:
                match frame.WhichOneof("frame"):
                    case "live":
                        valid = await self._talk.hear(frame.live.sealed, path, budget=self._budget) or valid
                    case "post":
                        valid = await self._command(frame.post, path) or valid
                    case _:
                        pass
        return valid

    async def still_admitted(self) -> bool:
        """Tell whether the phone may still be here."""
        async with self._turn:
            return await self._talk.still_admitted()

    async def _command(self, post: relay.Post, path: DirectPath) -> bool:
        message = MessageId(post.message_id)
        try:
            refused = await self._intake.consider(message, None, post.sealed)
        except errors.StoreFailed as failure:
            _LOG.error("journal can't be used", detail=failure.detail)
            refused = failure.reason
        if refused is None:
            path.take(message)
            return True
        self._common.refused(refused)
        _LOG.info("command declined", pairing=self._pairing.pair_id, reason=errors.word(refused))
        path.decline(message, refused)
        return False

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

    def close(self) -> None:
        """End the path."""
        if self.path is not None:
            self.path.over.set()
