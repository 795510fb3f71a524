"""The host's end of one pairing's thread: what comes on the relay's stream goes to the part that deals with it.

It puts the parts together: `intake` (commands), `talk` (the session, and what is said in passing), `posting` (the outbox), and a
`path` that carries their words. Everything that must be remembered is a step of the journal, committed before the answer goes
out. What a task is and does is the runner's business.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence

from dispatch import errors, places
from dispatch.api.error.v1.error_pb2 import Reason
from dispatch.api.relay.v1 import relay_pb2 as relay
from dispatch.api.relay.v1.relay_pb2 import Opened, RelayFrame
from dispatch.api.thread.v1 import thread_pb2 as pb
from dispatch.ids import MessageId
from dispatch.runtime.logs import get_logger
from dispatch.sealed.session import HostSession
from dispatch.thread import Right, ThreadClient

from dispatch_host.command_steps import Word
from dispatch_host.direct.side import DirectSide
from dispatch_host.intake import Intake
from dispatch_host.journal import threads
from dispatch_host.journal.values import Pairing
from dispatch_host.path import Heard, Path, RelayPath
from dispatch_host.posting import Posting
from dispatch_host.rights import Rights
from dispatch_host.shared import Common
from dispatch_host.talk import Talk

_STORE_RETRY_MS = 1_000
"""Well within a lease: a host whose disk is full is still there, and says so (STORE_FAILED) to whoever sends."""

_LOG = get_logger()


class Link:
    """One pairing's link. A ThreadEnd: the client calls it from one task; `post` runs beside it."""

    def __init__(self, pairing: Pairing, *, common: Common, session: HostSession, rights: Rights, cursor: int) -> None:
        # Fixed after __init__.
        self.pairing = pairing
        self._common = common
        self._session = session
        self._rights = rights
        self._posting = Posting(
            pairing.pair_id, journal=common.journal, path=self._path_in_use, relay=self._relay_if_open
        )
        self._talk = Talk(
            pairing,
            common=common,
            session=session,
            rights=rights,
            wrote=self._posting.wake,
            switched=self._switched,
            heard=self._heard,
        )
        self._intake = Intake(
            pairing, common=common, session=session, confirm=self._talk.confirm, wrote=self._posting.wake
        )
        self._turn = asyncio.Lock()  # frames are dealt with one after the other, whatever path they came by
        self.direct = DirectSide(
            pairing,
            common=common,
            session=session,
            talk=self._talk,
            intake=self._intake,
            posting=self._posting,
            turn=self._turn,
        )
        # Set once, before anything runs.
        self.client: ThreadClient
        self._relay: RelayPath
        # Touched by the client's task only.
        self._cursor = cursor
        self._acked = cursor
        # Written by the client's task, read by status.
        self.is_open = False
        self.phone_attached = False
        self.given_up = False  # written by the fleet
        self.was_open = asyncio.Event()  # set by the first stream
        self.left = asyncio.Event()  # set by `leave`
        self.reason: Reason.ValueType = Reason.REASON_UNSPECIFIED

    def use(self, client: ThreadClient) -> None:
        """Take the client that holds this link's stream. Called once, before anything runs."""
        self.client, self._relay = client, RelayPath(client, self._common.clock)

    @property
    def relay_address(self) -> str:
        """The relay where this thread is; empty before the first."""
        return self.client.relay

    # ---- The thread end: called by the client, one after the other; `right` by transfers, too. ----

    async def right(self, *, fresh: bool) -> Right:
        return await self._rights.right(fresh=fresh)

    def resume_after(self) -> int:
        return self._cursor

    def looking(self) -> bool:
        return False

    async def opened(self, opened: Opened) -> None:
        if opened.head_seq < self._cursor:
            # This relay has another log than the one we read. Its rows count from the beginning.
            await self._rewind(0)
            raise errors.NoNetwork("the relay has lost its log; reading it from the start")
        self._posting.begin_anew()
        self.is_open, self.reason = True, Reason.REASON_UNSPECIFIED
        self.was_open.set()
        self._common.connected(self.pairing, True, self.reason)

    async def closed(self, error: errors.DispatchError) -> None:
        was_open, self.is_open, self.phone_attached = self.is_open, False, False
        self.reason = error.reason
        if isinstance(error, errors.ResumeTooOld):
            await self._rewind(places.oldest(error) - 1)
        if isinstance(error, errors.StreamSuperseded):
            async with self._turn:  # a direct stream may be in the middle of a switch
                self._session.drop()
        if was_open:
            self._common.connected(self.pairing, False, self.reason)
        _LOG.info("stream closed", pairing=self.pairing.pair_id, reason=errors.word(error.reason), detail=error.detail)

    async def received(self, frames: Sequence[RelayFrame]) -> None:
        try:
            async with self._turn:
                await self._received(frames)
        except errors.StoreFailed as failure:
            # The stream breaks, and what could not be remembered comes again; not many times a second, though.
            raise errors.StoreFailed(failure.detail, retry_after_ms=_STORE_RETRY_MS) from failure

    async def _received(self, frames: Sequence[RelayFrame]) -> None:
        receipts: list[relay.Receipt] = []
        for frame in frames:
            kind = frame.WhichOneof("frame")
            if kind == "receipt":
                receipts.append(frame.receipt)
                continue
            # Rows are dealt with in order: the cursor must not pass one that is not.
            await self._receipts(receipts)
            receipts = []
            match kind:
                case "handover":
                    given = frame.handover
                    heard = await self._intake.answer(
                        MessageId(given.message_id), given.task_id, given.sealed, self._relay
                    )
                    self._heard_by_relay(heard)
                case "deliver":
                    seq = places.checked(frame.deliver.seq)
                    await self._intake.go(Word(MessageId(frame.deliver.message_id), seq))
                    self._cursor = max(self._cursor, seq)
                case "withdrawn":
                    seq = places.checked(frame.withdrawn.seq)
                    await self._intake.withdrawn(Word(MessageId(frame.withdrawn.message_id), seq))
                    self._cursor = max(self._cursor, seq)
                case "live":
                    self._heard_by_relay(await self._talk.hear(frame.live.sealed, self._relay))
                case "refusal":
                    self._refused(frame.refusal)
                case "presence":
                    self.phone_attached = frame.presence.state == relay.Reachability.REACHABILITY_REACHABLE
                case _:
                    pass
        await self._receipts(receipts)
        if self._cursor > self._acked:
            self._acked = self._cursor
            self.client.acknowledge(self._cursor)

    async def _receipts(self, receipts: Sequence[relay.Receipt]) -> None:
        if receipts:
            seq = places.checked(max(receipt.seq for receipt in receipts))
            await self._posting.received([receipt.message_id for receipt in receipts], seq=seq)
            self._cursor = max(self._cursor, seq)

    def _heard_by_relay(self, heard: Heard) -> None:
        if heard is Heard.PHONE:
            self.direct.phone_is_elsewhere()

    def _refused(self, frame: relay.Refusal) -> None:
        """Hear that the relay did not take a frame. A row goes out again: it is only the relay that lacks it."""
        if not frame.message_id:
            if frame.reason == Reason.REASON_PEER_ABSENT:
                self.phone_attached = False
        elif self._posting.refused(frame.message_id, retry_after_ms=frame.retry_after_ms):
            _LOG.warning("row refused", pairing=self.pairing.pair_id, reason=errors.word(frame.reason))

    async def _rewind(self, seq: int) -> None:
        await self._common.journal.step(lambda tx: threads.rewind(tx, self.pairing.pair_id, seq))
        self._cursor = self._acked = seq

    # ---- What the host says. ----

    def show(self, items: Sequence[pb.DownLiveItem]) -> None:
        """Show something in passing, if a phone is there to see it."""
        if self.direct.path is not None:
            self._talk.show(items, self.direct.path)
        elif self.phone_attached:
            self._talk.show(items, self._relay)

    def wake(self) -> None:
        """Hear that the outbox has news."""
        self._posting.wake()

    async def post(self) -> None:
        """Post what the outbox holds, in order, for ever."""
        await self._posting.run()

    def close(self, reason: Reason.ValueType) -> None:
        """Take no command any more: what comes is declined with this reason. What is to be said is said still."""
        self._intake.close(reason)

    def shut(self) -> None:
        """Let nobody in directly, until `reopen`: whether the phone may come at all is in question."""
        self.direct.shut()

    def reopen(self) -> None:
        """Let the phone in directly again."""
        self.direct.reopen()

    def leave(self, condition: relay.Condition.ValueType | None) -> None:
        """Say goodbye on every path, and why (if there is a why)."""
        self.shut()
        self.client.leave(condition)
        self.left.set()

    async def settled(self) -> None:
        """Hear that the client runs no more: wait for what is still being written, and ask nobody any more."""
        if self.is_open:  # no stream was lost: this side has left
            self.is_open = False
            self._common.connected(self.pairing, False, Reason.REASON_UNSPECIFIED)
        await self._intake.settled()
        await self._rights.settled()

    def _path_in_use(self) -> Path | None:
        """Give the path that is written to: the direct one while the phone is there, for it opened that one last."""
        return self.direct.path or self._relay_if_open()

    def _relay_if_open(self) -> Path | None:
        return self._relay if self.is_open else None

    async def _switched(self) -> None:
        self._posting.begin_anew()
        await self.direct.ask_again(self.direct.path or self._relay)

    async def _heard(self, item: pb.UpLiveItem) -> None:
        """Take what is said of the direct path's commands and rows, and of files. It is sealed, so it may come by either path."""
        match item.WhichOneof("item"):
            case "go":
                await self._intake.go(Word(MessageId(item.go.message_id), direct=True))
            case "withdraw":
                await self._intake.withdrawn(Word(MessageId(item.withdraw.message_id), direct=True))
            case "kept":
                await self._posting.kept(item.kept.message_ids)
            case "file_offer":
                self._common.transfers.offered(self, item.file_offer)
            case "file_wanted":
                self._common.transfers.wanted(self, item.file_wanted)
            case _:
                pass

    # ---- The end of the pairing. ----

    async def revoke(self, *, within_seconds: float) -> None:
        """Say the last word to the phone and give it a moment to leave. Best effort: the keys go either way."""
        item = pb.DownKeepItem(revoked=pb.Revoked())
        with contextlib.suppress(errors.StoreFailed):
            await self._common.journal.step(lambda tx: self._common.scribe.post_items(tx, self.pairing.pair_id, [item]))
            await self.drained(within_seconds=within_seconds)

    async def drained(self, *, within_seconds: float) -> bool:
        """Wait until the relay has all that the outbox held; False when it took too long or there is no stream."""
        return await self._posting.drained(within_seconds=within_seconds)
