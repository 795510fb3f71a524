"""The phone's line to one host: puts the parts of one pairing together, and answers what the rest of the phone asks of it.

What the streams bring is the business of its sides, what is said in passing that of `talk`; docs/phone.md "A line and its parts".
Here is what concerns both paths: which is in use, the step in which all work, and what falls due by time. What a person wants
goes through `sending`.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
from collections.abc import Awaitable, Callable, Iterator, Sequence

from dispatch import errors
from dispatch.api.error.v1.error_pb2 import Reason
from dispatch.api.relay.v1.relay_pb2 import Post, PushTarget, PushTargetKept
from dispatch.api.thread.v1 import thread_pb2 as words
from dispatch.clock import Clock
from dispatch.failures import place_of
from dispatch.ids import Instance, MessageId, PairId, Rng, TaskId
from dispatch.sealed.head import Head
from dispatch.sealed.keys import PairKeys
from dispatch.thread import Identity, Right
from dispatch.thread.client import FINAL
from dispatch.tracing import UNTOLD, Traces

from mobile_sim.direct import Way
from mobile_sim.direct_side import DirectSide
from mobile_sim.ledger import Ledger
from mobile_sim.own_pairing import OwnPairing
from mobile_sim.probing import Answer
from mobile_sim.reading import Reader
from mobile_sim.relay_side import RelaySide
from mobile_sim.shared import Common
from mobile_sim.store import Store
from mobile_sim.talk import Talk

log = logging.getLogger(__name__)

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
        traces: Traces = UNTOLD,
    ) -> None:
        # Fixed after __init__.
        self.way = way
        self.pair_id = pair_id
        self.identity = identity
        self.instance = instance
        self.sign = identity.sign
        self._own_key = keys.own_ed25519
        self._store = store
        self._clock = clock
        self.ledger = Ledger(store, pair_id, clock, traces)
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
            say=self._say_on_path_in_use,
            answered=lambda word: self._relay.answered(word),  # noqa: PLW0108 -- there is no relay's side yet
            heard=self._heard,
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
        self._relay = RelaySide(
            common=self._common,
            talk=self._talk,
            pairing=self._pairing,
            direct=self._direct,
            identity=identity,
            instance=instance,
            rng=rng,
            chance=chance,
        )
        # Made anew when a step fails.
        self._reader = self._read_anew()
        # Written when `run` ends, read by everybody.
        self._over: errors.DispatchError | None = None
        # Added to and taken from by those who listen.
        self.partial_listeners: set[PartialListener] = set()
        self.refusal_listeners: set[RefusalListener] = set()

    # ---- How things are.

    @property
    def error(self) -> errors.DispatchError | None:
        """Why there is no stream to the relay; None while there is one, or before the first try."""
        return self._over or self._relay.error

    @property
    def final(self) -> bool:
        """Whether the error stays until a person does something."""
        return self._over is not None

    @property
    def relay_open(self) -> bool:
        """Whether there is a stream to the relay."""
        return self._relay.is_open

    @property
    def relay_address(self) -> str:
        """The relay that was dialled last; empty before the first."""
        return self._relay.address

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
        return self._relay.caught_up if self.relay_open else self._direct.is_open

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

    # ---- What the person's side wants.

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
        return self._relay.post(post)

    def say(self, item: words.UpLiveItem) -> None:
        """Say something in passing to a host with which there is a session (`ready`). Nobody answers for its arrival."""
        self._talk.say(item)

    def looked_at(self) -> contextlib.AbstractContextManager[None]:
        """Tell the relay that a person looks, for as long as the context lasts."""
        return self._relay.looked_at()

    async def right(self, *, fresh: bool) -> Right:
        """Give the right to attach. Raises DispatchError."""
        return await self._common.right(fresh)

    async def presence_now(self, within_seconds: float) -> None:
        """Have the relay say once more how the host is, so that what is shown is not as old as its last change."""
        told = self.sight.times_told
        if self._relay.say_looking():
            await self.bell.until(lambda: self.final or not self.open or self.sight.times_told > told, within_seconds)

    @property
    def push_key(self) -> bytes:
        """With which the relay calls; empty when it calls nobody, or was not met."""
        return self._relay.push_key

    async def tell_push_target(self, target: PushTarget, within_seconds: float) -> PushTargetKept | None:
        """Tell the relay where and when to call; None when it did not answer in that time."""
        if not self._relay.say_push_target(target):
            return None
        await self.bell.until(
            lambda: self.final or not self.relay_open or self._relay.push_target_kept is not None, within_seconds
        )
        return self._relay.push_target_kept

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
        self._relay.leave()

    async def run(self) -> None:
        """Hold the line until `leave`, or until only a person can help (`final`). Never raises: `error` says what happened."""
        try:
            self._direct.recover()
            async with asyncio.TaskGroup() as group:
                beside = [group.create_task(self._tend()), group.create_task(self._direct.run())]
                await self._relay.run()
                self._direct.leave()
                if self._direct.is_open:
                    await asyncio.wait(beside[1:], timeout=GOODBYE_SECONDS)
                for task in beside:
                    task.cancel()
            # Whoever still follows a task here hears that the line is gone: the pairing is over, or the process ends.
            self._end(errors.NotPaired("the line was closed"))
        except* Exception as several:
            self._break(several.exceptions[0])

    def _break(self, failure: Exception) -> None:
        if not isinstance(failure, errors.DispatchError):
            log.error("the line broke", extra={"where": place_of(failure)})
        self._end(failure if isinstance(failure, errors.DispatchError) else errors.Internal(type(failure).__name__))
        if isinstance(failure, FINAL):
            with contextlib.suppress(errors.StoreFailed), self._store.transaction():
                self._store.pairings.set_reason(self.pair_id, errors.word(failure.reason))

    def _end(self, why: errors.DispatchError) -> None:
        self._over = why
        self._relay.over()
        self.bell.ring()

    # ---- What the parts hand up.

    def _heard(self, item: words.DownLiveItem) -> None:
        """Take what the host says of tasks, files, and commands of the direct path. It is sealed, so it may come by either path."""
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

    def _say_on_path_in_use(self, sealed: bytes) -> None:
        (self._direct if self._direct.is_open else self._relay).say(sealed)

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
            # Taken before it looks, which may wait for a grant: what changes meanwhile may be due sooner.
            ring = self.bell.next_ring()
            wait_ms = await self._do_due()
            await self.bell.heard(None if wait_ms is None else max(wait_ms, 1) / 1000, ring=ring)

    async def _do_due(self) -> int | None:
        """Do what is due; gives the ms until something else is, None if nothing is by time alone."""
        now_ms = self._clock.steady_ms()
        waits = self._word_due(now_ms)
        if not self.path:
            return min(waits + self._contact_due(now_ms), default=None)
        waits += self._direct.due(now_ms)
        waits += await self._handshake_due(now_ms)
        waits += await self._direct.shake_hands_due(now_ms)
        waits += self._talk.due(now_ms, caught_up=self.caught_up)
        return min(waits, default=None)

    def _word_due(self, now_ms: int) -> list[int]:
        next_ms = self.ledger.next_due_ms()
        if next_ms is not None and next_ms <= now_ms:
            with self._step():
                self.ledger.overdue(now_ms)
            self.bell.ring()
            next_ms = self.ledger.next_due_ms()
        return [] if next_ms is None else [next_ms - now_ms]

    async def _handshake_due(self, now_ms: int) -> list[int]:
        """Begin a handshake by the relay when it is time; gives the ms until the next, which is another try if nobody answers."""
        wait_ms = self._talk.handshake_in_ms(now_ms) if self.relay_open else None
        if wait_ms == 0:
            await self._relay.shake_hands()
            wait_ms = self._talk.handshake_in_ms(self._clock.steady_ms()) if self.relay_open else None
        return [] if wait_ms is None else [wait_ms]

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
