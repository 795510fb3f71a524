"""The phone's line to one host: what stands behind the thread stream of one pairing (docs/phone.md).

The readers of its two paths, by the relay and direct, call `received`, `heard` and their kin; `_tend` does what falls due by
time. All run in one event loop and none awaits inside a transaction. What a person wants goes through `sending`.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
from collections.abc import Awaitable, Callable, Iterator, Sequence

from dispatch import errors, places
from dispatch.api.error.v1.error_pb2 import Reason
from dispatch.api.relay.v1.relay_pb2 import (
    Ack,
    Deliver,
    DeviceFrame,
    Live,
    Looking,
    Opened,
    Post,
    Presence,
    Refusal,
    RelayFrame,
)
from dispatch.api.thread.v1 import thread_pb2 as words
from dispatch.clock import Clock
from dispatch.failures import place_of
from dispatch.ids import Instance, MessageId, PairId, Rng, TaskId, short
from dispatch.sealed.head import Head
from dispatch.sealed.keys import PairKeys
from dispatch.thread import Backoff, Identity, Right, ThreadClient
from dispatch.thread.client import FINAL, Silence

from mobile_sim.direct import Way
from mobile_sim.direct_side import DirectSide
from mobile_sim.ledger import Ledger
from mobile_sim.own_pairing import OwnPairing
from mobile_sim.probing import Answer
from mobile_sim.reading import Read, Reader
from mobile_sim.shared import Common
from mobile_sim.store import Store
from mobile_sim.talk import MENDED_BY_A_HANDSHAKE, Talk

log = logging.getLogger(__name__)

LEASE_LIMITS_MS = (100, 15_000)
"""A relay's lease outside of these is nonsense: nobody is told nothing for longer than twice the second."""

GOODBYE_SECONDS = 1.5

PartialListener = Callable[[TaskId, words.DownLiveItem], None]
RefusalListener = Callable[[words.TransferRefused], None]


class Line:
    """One pairing's stream and session, for as long as `run` runs."""

    def __init__(
        self,
        *,
        store: Store,
        pair_id: PairId,
        keys: PairKeys,
        identity: Identity,
        instance: Instance,
        right: Callable[[bool], Awaitable[Right]],
        ended: Callable[[], None],
        replaced: Callable[[PairId], None],
        clock: Clock,
        rng: Rng,
        chance: random.Random,
        way: Way = Way.RELAY,
    ) -> None:
        # Fixed after __init__.
        self.way = way
        self.pair_id = pair_id
        self.identity = identity
        self.instance = instance
        self.sign = identity.sign
        self._own_key = keys.own_ed25519
        self._store = store
        self._right = right
        self._clock = clock
        self.ledger = Ledger(store, pair_id, clock)
        self._common = Common(
            store=store,
            pair_id=pair_id,
            ledger=self.ledger,
            clock=clock,
            right=right,
            reader=lambda: self._reader,
            step=self._step,
        )
        self.bell, self.sight, self.attended = self._common.bell, self._common.sight, self._common.attended
        self._pairing = OwnPairing(store, pair_id, ended=ended, replaced=replaced)
        self._talk = Talk(
            keys,
            common=self._common,
            pairing=self._pairing,
            rng=rng,
            say=self._on_path_in_use,
            answered=self._hear_host,
            heard=self._take_item,
        )
        self.client = ThreadClient(
            self, identity=identity, instance=instance, clock=clock, rng=rng, backoff=Backoff(chance)
        )
        self._direct = DirectSide(
            common=self._common,
            talk=self._talk,
            pairing=self._pairing,
            way=way,
            relay_open=lambda: self.relay_open,
            over=self.leave,
            chance=chance,
        )
        self._reader = self._read_anew()
        # How things are; written by the stream's reader, read by everybody.
        self.relay_open = False
        self.error: errors.DispatchError | None = None
        """Why there is no stream; None while there is one, or before the first try."""
        self.final = False
        """Whether the error stays until a person does something."""
        self._log_head = 0
        self._pending: frozenset[bytes] = frozenset()
        # Posts of this stream, each with how often the relay had said by then how the host is.
        self._posted_here: dict[bytes, int] = {}
        self._lookers = 0
        self.partial_listeners: set[PartialListener] = set()
        self.refusal_listeners: set[RefusalListener] = set()

    # ---- What the person's side asks.

    @property
    def path(self) -> str:
        """Give the path in use: "direct", "relay", or empty while there is none."""
        return "direct" if self._direct.is_open else "relay" if self.relay_open else ""

    @property
    def path_settled(self) -> bool:
        """Whether the path in use will stay as it is, as far as this end can tell: a better one is there, or was tried."""
        if self._direct.is_open or self.way is Way.RELAY or self.final or self.host_absent or not self.relay_open:
            return True
        return self._talk.confirmed and self._direct.hopeless

    @property
    def direct_open(self) -> bool:
        """Whether the host has shown itself on the direct path."""
        return self._direct.is_open

    @property
    def direct_failed(self) -> bool:
        """Whether every address was tried in vain since the direct path was last open."""
        return self._direct.failed

    @property
    def addresses(self) -> Sequence[str]:
        """Where the host says that it can be reached directly."""
        return self._direct.addresses

    @property
    def open(self) -> bool:
        """Whether there is a path that commands may take."""
        return self._direct.is_open or (self.relay_open and self.way is not Way.DIRECT)

    @property
    def met(self) -> bool:
        """Whether it is known how the host is: it is here, or the relay has said."""
        return self.open and self.seen

    @property
    def seen(self) -> bool:
        """Whether anything is known of how the host is, were it only by a path that commands may not take."""
        return self._direct.is_open or self.sight.presence is not None

    @property
    def host_absent(self) -> bool:
        """Whether the relay says that the host is away, or not quite there, and it is not here either."""
        return self.sight.absent and not self._direct.is_open

    @property
    def heard_ms_ago(self) -> int | None:
        """How long ago the host was heard, by the relay or by this phone; None when nothing is known."""
        return self.sight.age_ms(self._clock.steady_ms())

    @property
    def ready(self) -> bool:
        """Whether a command can be sealed and handed to a host that is there."""
        return self.open and self.in_session and not self.host_absent

    @property
    def in_session(self) -> bool:
        """Whether a command can be sealed."""
        return self._talk.ready

    @property
    def caught_up(self) -> bool:
        """Whether everything that the relay had when the stream was opened has been read; without it, what the host says counts."""
        return self._reader.cursor >= self._log_head if self.relay_open else self._direct.is_open

    @property
    def complete(self) -> bool:
        """Whether this phone has every event that a host has that is there and has said so in this session."""
        return self.caught_up and self._talk.confirmed and self._reader.missing() is None

    @property
    def awake(self) -> words.KeepAwake | None:
        """What the host has said, in the session that is open, of being kept awake."""
        return self._reader.awake if self.in_session else None

    @property
    def head(self) -> Head:
        """The end of the checked part of the thread."""
        return self._reader.head

    @property
    def decides(self) -> bool:
        """Whether a command would go by the direct path, where this phone decides."""
        return self._direct.is_open and self.in_session

    def seal_command(self, body: bytes) -> bytes:
        """Seal a command. Raises NoSession, or ValueError for a body that is too long."""
        return self._talk.seal_command(body)

    def deadline_ms(self, *, valid_for_ms: int) -> int:
        """Tell what to write into a command as its deadline. Raises NoSession."""
        return self._talk.deadline_ms(valid_for_ms=valid_for_ms)

    def post_directly(self, post: Post, *, until_ms: int) -> bool:
        """Send a command by the direct path; it may get its go until then (steady). False when the path is gone."""
        return self._direct.post(post, until_ms=until_ms)

    def post(self, post: Post) -> bool:
        """Send a command whose post is committed, by the relay. False when the stream is gone: it was certainly not sent."""
        self._posted_here[post.message_id] = self.sight.times_told
        if self.client.send(DeviceFrame(post=post)):
            return True
        self._posted_here.pop(post.message_id, None)
        return False

    def say(self, item: words.UpLiveItem) -> None:
        """Say something in passing to a host with which there is a session (`ready`). Nobody answers for its arrival."""
        self._talk.say(item)

    @contextlib.contextmanager
    def looked_at(self) -> Iterator[None]:
        """Tell the relay that a person looks, for as long as the context lasts."""
        self._lookers += 1
        if self._lookers == 1:
            self.client.send(DeviceFrame(looking=Looking(looking=True)))
        try:
            yield
        finally:
            self._lookers -= 1
            if self._lookers == 0:
                self.client.send(DeviceFrame(looking=Looking(looking=False)))

    async def presence_now(self, within_seconds: float) -> None:
        """Have the relay say once more how the host is, so that what is shown is not as old as its last change."""
        told = self.sight.times_told
        if self.client.send(DeviceFrame(looking=Looking(looking=self.looking()))):
            await self.bell.until(lambda: self.final or not self.open or self.sight.times_told > told, within_seconds)

    async def probe(self, within_seconds: float) -> Answer | None:
        """Ask the host to show that it lives, from end to end; None when there is no session or no answer in that time.

        One at a time: who asks meanwhile waits for the same answer.
        """
        if not (self.open and self.in_session):
            return None
        number = self._talk.ask()
        await self.bell.until(
            lambda: self.final or not self.open or self._talk.answer(number) is not None, within_seconds
        )
        self._talk.give_up(number)
        return self._talk.answer(number)

    def leave(self) -> None:
        """Say what was seen, then goodbye; `run` returns."""
        self._talk.say_seen()
        self._direct.leave()
        self.client.leave(None)

    async def run(self) -> None:
        """Hold the line until `leave`, or until only a person can help (`final`). Never raises: `error` says what happened."""
        try:
            self._direct.recover()
            async with asyncio.TaskGroup() as group:
                beside = [group.create_task(self._tend()), group.create_task(self._direct.run())]
                await self.client.run()
                self._direct.leave()
                if self._direct.is_open:
                    await asyncio.wait(beside[1:], timeout=GOODBYE_SECONDS)
                for task in beside:
                    task.cancel()
            # Whoever still follows a task here hears that the line is gone: the pairing is over, or the process ends.
            self.error, self.final = errors.NotPaired("the line was closed"), True
            self.bell.ring()
        except* Exception as several:
            self._break(several.exceptions[0])

    def _break(self, failure: Exception) -> None:
        if not isinstance(failure, errors.DispatchError):
            log.error("the line broke", extra={"where": place_of(failure)})
        self.error = failure if isinstance(failure, errors.DispatchError) else errors.Internal(type(failure).__name__)
        self.final, self.relay_open = True, False
        if isinstance(failure, FINAL):
            with contextlib.suppress(errors.StoreFailed), self._store.transaction():
                self._store.pairings.set_reason(self.pair_id, errors.word(failure.reason))
        self.bell.ring()

    # ---- ThreadEnd: called by the client, one after the other.

    async def right(self, *, fresh: bool) -> Right:
        """Give the right to attach."""
        return await self._right(fresh)

    def resume_after(self) -> int:
        """Give the last row taken."""
        return self._reader.cursor

    def looking(self) -> bool:
        """Tell whether a person looks."""
        return self._lookers > 0

    async def opened(self, opened: Opened) -> None:
        """Begin with what the relay says of the past."""
        self.relay_open, self.error, self.sight.no_path_since_ms = True, None, None
        if opened.limits.lease_ms:
            least_ms, most_ms = LEASE_LIMITS_MS
            self.ledger.word_within_ms = 2 * min(max(opened.limits.lease_ms, least_ms), most_ms)
        self._log_head = places.checked(opened.head_seq)
        self._pending = frozenset(opened.pending_message_ids)
        self._posted_here.clear()
        with self._step():
            if opened.head_seq < self._reader.cursor:
                # The relay has lost rows that it once gave. What they said is here; what comes next has lower numbers.
                self._reader.set_cursor(opened.head_seq)
                self.ledger.log_lost()
            self._settle()
        self.bell.ring()

    async def received(self, frames: Sequence[RelayFrame]) -> None:
        """Take frames: all that they say is committed, then acknowledged."""
        cursor = self._reader.cursor
        with self._step():
            for frame in frames:
                self._take(frame)
            self._settle()
            if self.sight.gone and not self._direct.is_open:
                self.ledger.host_away(self.sight.cause)  # of tasks, too, that rows told of behind the word on presence
        if self._pairing.concluded():
            raise errors.NotPaired("the computer has ended the pairing")
        if self._reader.cursor != cursor:
            self.client.send(DeviceFrame(ack=Ack(through_seq=self._reader.cursor)))
        self._talk.flush()
        self.bell.ring()

    async def closed(self, error: errors.DispatchError) -> None:
        """Hear that there is no stream."""
        was_open = self.relay_open
        if was_open or self.sight.no_path_since_ms is None:
            silent_ms = self.ledger.word_within_ms if isinstance(error, Silence) else 0
            self.sight.no_path_since_ms = self._clock.steady_ms() - silent_ms
        self.relay_open, self.error = False, error
        self.sight.relay_lost()
        if self._direct.is_open:
            self._talk.relay_lost()
        elif was_open:  # else a handshake may be under way on the direct path
            self._talk.lost()
        with self._step():
            self.ledger.stream_lost()
            if isinstance(error, errors.ResumeTooOld):
                self._reader.set_cursor(places.oldest(error) - 1)
                self.ledger.log_lost()
        log.info("stream ended", extra={"reason": errors.word(error.reason), "pairing": short(self.pair_id)})
        self.bell.ring()

    # ---- Frames.

    def _take(self, frame: RelayFrame) -> None:
        match frame.WhichOneof("frame"):
            case "deliver":
                self._take_row(frame.deliver)
            case "receipt":
                self._reader.pass_to(places.checked(frame.receipt.seq))
                self.ledger.taken(MessageId(frame.receipt.message_id))
                if (word := self._posted_here.get(frame.receipt.message_id)) is not None:
                    self._hear_host(word)
            case "refusal":
                self._take_refusal(frame.refusal)
            case "handed_over":
                self.ledger.handed_over(MessageId(frame.handed_over.message_id))
            case "live":
                self._talk.hear(frame.live.sealed, self._by_relay)
            case "presence":
                self._take_presence(frame.presence)

    def _take_row(self, row: Deliver) -> None:
        if not self._reader.pass_to(places.checked(row.seq)):
            return
        if row.sealed and not self._direct.has(row.message_id):  # else it is here by the direct path
            self._took(self._reader.take_row(row.sealed))

    def _took(self, read: Read) -> None:
        self._talk.row_opened(read.epoch)
        if read.revoked:
            self._pairing.revoked()
        if read.begin is not None:
            self._direct.told(read.begin)

    def _take_refusal(self, refusal: Refusal) -> None:
        if refusal.seq:
            self._reader.pass_to(places.checked(refusal.seq))
        was_ours = self.ledger.refused(
            MessageId(refusal.message_id), refusal.reason, retry_after_ms=refusal.retry_after_ms
        )
        if was_ours and refusal.reason in MENDED_BY_A_HANDSHAKE:
            self._talk.refused()

    def _take_item(self, item: words.DownLiveItem) -> None:
        match item.WhichOneof("item"):
            case "partial_text":
                for listener in list(self.partial_listeners):
                    listener(TaskId(item.partial_text.task_id), item)
            case "transfer_refused":
                for hears in list(self.refusal_listeners):
                    hears(item.transfer_refused)
            case "taken":
                self._direct.taken(MessageId(item.taken.message_id))
            case "declined":
                self._direct.declined(MessageId(item.declined.message_id), item.declined.reason)

    def _hear_host(self, word: int) -> None:
        """Take an answer of the host to what was sent when the relay had said so often how it is."""
        there = None if self._direct.is_open else self.sight.answered(word, wall_ms=self._clock.wall_ms())
        if there is not None:
            self._take_presence(there)

    def _take_presence(self, presence: Presence) -> None:
        self.sight.told(presence, now_ms=self._clock.steady_ms())
        self._talk.host_is(reachable=self.sight.reachable, instance=presence.instance)
        if self.sight.reachable:
            self.ledger.host_back()
        elif self.sight.gone and not self._direct.is_open:
            self.ledger.host_away(self.sight.cause)

    def _settle(self) -> None:
        """At the head of the log, decide the posts of earlier streams: without a row and not pending, they were never stored."""
        if self._reader.cursor < self._log_head:
            return
        for post in self.ledger.unsettled():
            if post.message_id in self._posted_here or post.message_id in self._pending:
                continue
            self.ledger.never_stored(post, attended=self.attended)

    @contextlib.contextmanager
    def _step(self) -> Iterator[None]:
        """One transaction; when it fails, memory goes back to what the store has."""
        try:
            with self._store.transaction():
                yield
        except BaseException:
            self.ledger.forget()
            self._talk.forget()
            self._pairing.forget()
            self._reader = self._read_anew()
            raise

    def _read_anew(self) -> Reader:
        pairing = self._store.pairings.get(self.pair_id)
        if pairing is None:
            raise errors.NotPaired
        return Reader(self._store, pairing, self.ledger, own_key=self._own_key)

    # ---- What falls due by time.

    async def _tend(self) -> None:
        while True:
            wait_ms = await self._do_due()
            await self.bell.heard(None if wait_ms is None else max(wait_ms, 1) / 1000)

    async def _do_due(self) -> int | None:
        """Do what is due; gives the ms until something else is, None if nothing is by time alone."""
        now_ms = self._clock.steady_ms()
        waits = self._word_due(now_ms)
        if not self.path:
            return min(waits + self._contact_due(now_ms), default=None)
        waits += self._direct.due(now_ms)
        handshake_ms = self._talk.handshake_in_ms(now_ms) if self.relay_open else None
        if handshake_ms == 0:
            await self._shake_hands()
        elif handshake_ms is not None:
            waits.append(handshake_ms)
        waits += self._talk.due(now_ms, caught_up=self.caught_up)
        return min(waits, default=None)

    def _word_due(self, now_ms: int) -> list[int]:
        next_ms = self.ledger.next_due_ms()
        if next_ms is None:
            return []
        if next_ms > now_ms:
            return [next_ms - now_ms]
        with self._step():
            self.ledger.overdue(now_ms)
        self.bell.ring()
        return []

    def _contact_due(self, now_ms: int) -> list[int]:
        if self.sight.no_path_since_ms is None:
            return []
        left_ms = self.sight.no_path_since_ms + self.ledger.word_within_ms - now_ms
        if left_ms > 0:
            return [left_ms]
        with self._step():
            self.ledger.host_away(Reason.REASON_NO_NETWORK)
        self.sight.no_path_since_ms = None
        self.bell.ring()
        return []

    async def _shake_hands(self) -> None:
        grant = await self._talk.grant()
        if grant is None:
            self._talk.tried()
        elif self.relay_open:
            self._by_relay(self._talk.message1(grant))
            self._talk.tried()

    def _on_path_in_use(self, sealed: bytes) -> None:
        (self._direct.say if self._direct.is_open else self._by_relay)(sealed)

    def _by_relay(self, sealed: bytes) -> bool:
        return self.client.send(DeviceFrame(live=Live(sealed=sealed)))
