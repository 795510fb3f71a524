"""A line's side towards the relay: rows and verdicts, and the relay's word on how the host is.

Called by the reader of the relay's stream, and by the `line`, which holds it beside the direct side.
"""

from __future__ import annotations

import contextlib
import logging
import random
from collections.abc import Iterator, Sequence

from dispatch import errors, places
from dispatch.api.relay.v1.relay_pb2 import (
    Deliver,
    DeviceFrame,
    Live,
    Looking,
    Opened,
    Post,
    Presence,
    PushTarget,
    PushTargetKept,
    Refusal,
    RelayFrame,
)
from dispatch.ids import Instance, MessageId, Rng, short
from dispatch.thread import Backoff, Identity, Right, ThreadClient
from dispatch.thread.client import FINAL, Silence

from mobile_sim.direct_side import DirectSide
from mobile_sim.own_pairing import OwnPairing
from mobile_sim.shared import Common
from mobile_sim.talk import MENDED_BY_A_HANDSHAKE, Talk

LEASE_LIMITS_MS = (100, 15_000)
"""A relay's lease outside of these is nonsense: nobody is told nothing for longer than twice the second."""

log = logging.getLogger(__name__)


class RelaySide:
    """One pairing's. A ThreadEnd: the client calls it from one task."""

    def __init__(
        self,
        *,
        common: Common,
        talk: Talk,
        pairing: OwnPairing,
        direct: DirectSide,
        identity: Identity,
        instance: Instance,
        rng: Rng,
        chance: random.Random,
    ) -> None:
        # Fixed after __init__.
        self._common = common
        self._talk = talk
        self._pairing = pairing
        self._direct = direct
        self._client = ThreadClient(
            self, identity=identity, instance=instance, clock=common.clock, rng=rng, backoff=Backoff(chance)
        )
        # Written by the stream's reader, read by everybody.
        self.is_open = False
        self.error: errors.DispatchError | None = None
        """Why there is no stream; None while there is one, or before the first try."""
        self.push_key = b""
        """With which the relay calls; empty when it calls nobody."""
        self.push_target_kept: PushTargetKept | None = None
        """What became of the push target that was said last; None before the answer."""
        # Touched by the stream's reader only.
        self._log_head = 0
        self._pending: frozenset[bytes] = frozenset()
        # Posts of this stream, each with how often the relay had said by then how the host is: added by `post`.
        self._posted_here: dict[bytes, int] = {}
        # Written by those who look.
        self._lookers = 0

    # ---- What others ask.

    @property
    def address(self) -> str:
        """The relay that was dialled last; empty before the first."""
        return self._client.relay

    @property
    def caught_up(self) -> bool:
        """Whether everything has been read that the relay had when the stream was opened."""
        return self._common.reader().cursor >= self._log_head

    async def run(self) -> None:
        """Hold the stream. Returns after `leave`; raises the error when coming back is of no use."""
        await self._client.run()

    def leave(self) -> None:
        """Say goodbye; `run` returns."""
        self._client.leave(None)

    def over(self) -> None:
        """Hear that the line is over: it says why. An error that is kept keeps what its stream held, connections included."""
        self.is_open, self.error = False, None

    # ---- What goes out.

    def say(self, sealed: bytes) -> bool:
        """Say something in passing. False when the stream is gone."""
        return self._client.send(DeviceFrame(live=Live(sealed=sealed)))

    def post(self, post: Post) -> bool:
        """Send a command whose post is committed. False when the stream is gone: it was certainly not sent."""
        self._posted_here[post.message_id] = self._common.sight.times_told
        if self._client.send(DeviceFrame(post=post)):
            return True
        self._posted_here.pop(post.message_id, None)
        return False

    @contextlib.contextmanager
    def looked_at(self) -> Iterator[None]:
        """Tell the relay that a person looks, for as long as the context lasts."""
        self._lookers += 1
        if self._lookers == 1:
            self.say_looking()
        try:
            yield
        finally:
            self._lookers -= 1
            if self._lookers == 0:
                self.say_looking()

    def say_looking(self) -> bool:
        """Tell the relay whether a person looks; it answers how the host is. False when the stream is gone."""
        return self._client.send(DeviceFrame(looking=Looking(looking=self.looking())))

    def say_push_target(self, target: PushTarget) -> bool:
        """Tell the relay where and when to call. False when the stream is gone."""
        self.push_target_kept = None
        return self._client.send(DeviceFrame(push_target=target))

    async def shake_hands(self) -> None:
        """Begin a handshake. A phone that gets no grant until a person helps has its stream end by that, as one that attaches."""
        try:
            grant = await self._talk.grant()
        except FINAL:
            self._client.renew()  # whoever opens the next stream asks for a grant as well, and hears why there is none
            grant = None
        if grant is None:
            self._talk.tried()
        elif self.is_open:  # still
            self.say(self._talk.message1(grant))
            self._talk.tried()

    # ---- ThreadEnd.

    async def right(self, *, fresh: bool) -> Right:
        """Give the right to attach."""
        return await self._common.right(fresh)

    def resume_after(self) -> int:
        """Give the last row taken."""
        return self._common.reader().cursor

    def looking(self) -> bool:
        """Tell whether a person looks."""
        return self._lookers > 0

    async def opened(self, opened: Opened) -> None:
        """Begin with what the relay says of the past."""
        common = self._common
        self.is_open, self.error, common.sight.no_path_since_ms = True, None, None
        if opened.limits.lease_ms:
            least_ms, most_ms = LEASE_LIMITS_MS
            common.ledger.word_within_ms = 2 * min(max(opened.limits.lease_ms, least_ms), most_ms)
        self.push_key = opened.push_key
        self._log_head = places.checked(opened.head_seq)
        self._pending = frozenset(opened.pending_message_ids)
        self._posted_here.clear()
        with common.step():
            if opened.head_seq < common.reader().cursor:
                # The relay has lost rows that it once gave. What they said is here; what comes next has lower numbers.
                common.reader().set_cursor(opened.head_seq)
                common.ledger.log_lost()
            self._settle()
        common.bell.ring()

    async def received(self, frames: Sequence[RelayFrame]) -> None:
        """Take frames: all that they say is committed, then acknowledged. Raises NotPaired when the host has ended the pairing."""
        common, cursor = self._common, self._common.reader().cursor
        with common.step():
            for frame in frames:
                self._take(frame)
            self._settle()
            if common.sight.gone and not self._direct.is_open:
                # Of tasks, too, that rows told of behind the word on presence.
                common.ledger.host_away(common.sight.cause)
        if self._pairing.concluded():
            raise errors.NotPaired("the computer has ended the pairing")
        if common.reader().cursor != cursor:
            self._client.acknowledge(common.reader().cursor)
        self._talk.flush()
        common.bell.ring()

    async def closed(self, error: errors.DispatchError) -> None:
        """Hear that there is no stream."""
        common, was_open = self._common, self.is_open
        if was_open or common.sight.no_path_since_ms is None:
            silent_ms = common.ledger.word_within_ms if isinstance(error, Silence) else 0
            common.sight.no_path_since_ms = common.clock.steady_ms() - silent_ms
        self.is_open, self.error = False, error
        common.sight.relay_lost()
        if self._direct.is_open:
            self._talk.relay_lost()
        elif was_open:  # else a handshake may be under way on the direct path
            self._talk.lost()
        with common.step():
            common.ledger.stream_lost()
            if isinstance(error, errors.ResumeTooOld):
                common.reader().set_cursor(places.oldest(error) - 1)
                common.ledger.log_lost()
        log.info("stream ended", extra={"reason": errors.word(error.reason), "pairing": short(common.pair_id)})
        common.bell.ring()

    # ---- Frames. Within a step.

    def _take(self, frame: RelayFrame) -> None:
        match frame.WhichOneof("frame"):
            case "deliver":
                self._take_row(frame.deliver)
            case "receipt":
                self._common.reader().pass_to(places.checked(frame.receipt.seq))
                self._common.ledger.taken(MessageId(frame.receipt.message_id))
                if (word := self._posted_here.get(frame.receipt.message_id)) is not None:
                    self.answered(word)
            case "refusal":
                self._take_refusal(frame.refusal)
            case "handed_over":
                self._common.ledger.handed_over(MessageId(frame.handed_over.message_id))
            case "live":
                self._talk.hear(frame.live.sealed, self.say)
            case "push_target_kept":
                self.push_target_kept = frame.push_target_kept
            case "presence":
                self._take_presence(frame.presence)

    def _take_row(self, row: Deliver) -> None:
        if not self._common.reader().pass_to(places.checked(row.seq)):
            return
        if not row.sealed or self._direct.has(row.message_id):
            return  # it is here by the direct path
        read = self._common.reader().take_row(row.sealed)
        self._talk.row_read(read)
        if read.begin is not None:
            self._direct.told(read.begin)

    def _take_refusal(self, refusal: Refusal) -> None:
        if refusal.seq:
            self._common.reader().pass_to(places.checked(refusal.seq))
        message_id = MessageId(refusal.message_id)
        was_ours = self._common.ledger.refused(message_id, refusal.reason, retry_after_ms=refusal.retry_after_ms)
        if was_ours and refusal.reason in MENDED_BY_A_HANDSHAKE:
            self._talk.refused(message_id)

    def answered(self, word: int) -> None:
        """Take an answer of the host to what was sent when the relay had said so often how it is. Within a step."""
        sight, wall_ms = self._common.sight, self._common.clock.wall_ms()
        there = None if self._direct.is_open else sight.answered(word, wall_ms=wall_ms)
        if there is not None:
            self._take_presence(there)

    def _take_presence(self, presence: Presence) -> None:
        common = self._common
        common.sight.told(presence, now_ms=common.clock.steady_ms())
        self._talk.host_is(reachable=common.sight.reachable, instance=presence.instance)
        if common.sight.reachable:
            common.ledger.host_back()
        elif common.sight.gone and not self._direct.is_open:
            common.ledger.host_away(common.sight.cause)

    def _settle(self) -> None:
        """At the head of the log, decide the posts of earlier streams: without a row and not pending, they were never stored."""
        if not self.caught_up:
            return
        for post in self._common.ledger.unsettled():
            if post.message_id not in self._posted_here and post.message_id not in self._pending:
                self._common.ledger.never_stored(post, attended=self._common.attended)
