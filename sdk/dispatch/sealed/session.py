"""The two ends of a session, as machines without time, randomness or a store of their own.

What must survive comes back as values for the caller to commit (the rule is: commit, then send); what must not
survive stays in here: up chains, down live, open handshakes, the epoch clock. A new process can therefore neither
send nor take a command before a handshake. Called by the thread client of each device. docs/encryption.md "Session".
"""

from __future__ import annotations

from dataclasses import dataclass, field
from hashlib import sha256
from typing import NamedTuple

from dispatch.ids import Rng
from dispatch.sealed import chain, kem
from dispatch.sealed.chain import Chain
from dispatch.sealed.errors import SealError, Why
from dispatch.sealed.frame import FrameClass, parse
from dispatch.sealed.handshake import Epoch, PhoneHandshake, answer
from dispatch.sealed.head import Head
from dispatch.sealed.keys import PairKeys, Role

HANDSHAKE_LIMIT_MS = 5_000
"""A handshake that takes longer is dropped, on either side."""
RENEW_AFTER_MS = 24 * 60 * 60 * 1_000
"""How long a connected phone stays in one epoch."""
_BURST = 5
_ONE_EACH_MS = 1_000
REPLAYS_KNOWN = 1_024
"""So many of the phone's handshakes a host remembers. Nobody but the phone can push one out: only what opened is kept."""


class NoSession(RuntimeError):
    """Something was to be sealed or reckoned in a session that there is not. Ask `ready` first."""


class Undecided(RuntimeError):
    """A new epoch was confirmed and the caller has neither switched to it nor refused it: one thing at a time."""


@dataclass(frozen=True, slots=True)
class Unopened:
    """Something did not open.

    A command is then refused with STALE_EPOCH, a live frame dropped, a row counted as a hole.
    """

    why: Why


@dataclass(frozen=True, slots=True)
class Busy:
    """Too many handshakes of this pairing in too short a time."""

    retry_after_ms: int


@dataclass(frozen=True, slots=True)
class Begun:
    """The phone's handshake is through. Commit the keep chains, then send Confirm."""

    epoch: bytes
    version: int
    keep_chain: Chain
    """The new epoch's, to be added by `keep.prune`."""
    host_epoch: bytes | None
    """Where the host seals until it has the Confirm; None if nowhere yet."""


class PhoneSession:
    """The phone's end: shakes hands, seals commands and live frames, opens live ones.

    Keep rows are `keep.open_keep`'s.
    """

    def __init__(self, keys: PairKeys, *, rng: Rng) -> None:
        if keys.role is not Role.PHONE:
            raise ValueError("these are the host's keys")
        self._keys = keys
        self._rng = rng
        self._open: PhoneHandshake | None = None
        self._current: Epoch | None = None

    @property
    def ready(self) -> bool:
        """Whether commands can be sealed."""
        return self._current is not None

    @property
    def epoch(self) -> bytes | None:
        """The session's epoch."""
        return self._current.epoch if self._current else None

    def start(self, *, grant: bytes, head: Head, now_ms: int) -> bytes:
        """Make message 1, to be sent live.

        An earlier handshake that is still open is given up; the session goes on meanwhile.
        """
        self._open = PhoneHandshake(self._keys, grant=grant, head=head, now_ms=now_ms, rng=self._rng)
        return self._open.message1

    def finish(self, message2: bytes, *, now_ms: int) -> Begun | None:
        """Take message 2 and be in the new epoch; None if it does not fit the open handshake, which then stays open."""
        if self._open is None or now_ms - self._open.started_ms > HANDSHAKE_LIMIT_MS:
            self._open = None
            return None
        try:
            epoch, host_epoch = self._open.finish(message2, now_ms=now_ms)
        except SealError:
            return None
        self._open, self._current = None, epoch
        return Begun(epoch.epoch, epoch.version, epoch.down_keep, host_epoch)

    def seal_command(self, body: bytes) -> bytes:
        """Seal a command. Raises NoSession, or ValueError for a body that is too long."""
        current = self._session()
        sealed, current.up_command = chain.seal(current.up_command, body, self._rng)
        return sealed

    def seal_live(self, body: bytes) -> bytes:
        """Seal a live frame; the first of an epoch, empty or not, is its Confirm. Raises NoSession, or ValueError."""
        current = self._session()
        sealed, current.up_live = chain.seal(current.up_live, body, self._rng)
        return sealed

    def open_live(self, sealed: bytes, *, furthest: int = chain.FURTHEST_AHEAD) -> bytes | Unopened:
        """Open a live frame of the host; `furthest` as of `chain.open_`."""
        if self._current is None:
            return Unopened(Why.UNKNOWN_EPOCH)
        try:
            body, self._current.down_live = chain.open_(self._current.down_live, sealed, furthest=furthest)
        except SealError as error:
            return Unopened(error.why)
        return body

    def epoch_ms(self, now_ms: int) -> int:
        """Tell the epoch clock, reckoned from when message 2 was *received*: never ahead of the host's.

        Raises NoSession.
        """
        return now_ms - self._session().started_ms

    def deadline_ms(self, *, now_ms: int, valid_for_ms: int) -> int:
        """Tell what to write into a command as its deadline. Raises NoSession."""
        return self.epoch_ms(now_ms) + valid_for_ms

    def renewal_in_ms(self, now_ms: int) -> int | None:
        """Tell in how many ms the session is old enough for a new handshake, while connected: 0 is now, None without a session."""
        if self._current is None:
            return None
        return max(0, self._current.started_ms + RENEW_AFTER_MS - now_ms)

    def end(self) -> None:
        """Be in no session any more: another is due. A handshake that is open goes on."""
        self._current = None

    def drop(self) -> None:
        """Forget everything: the stream was superseded, or what `finish` gave could not be committed."""
        self._open = self._current = None

    def _session(self) -> Epoch:
        if self._current is None:
            raise NoSession
        return self._current


@dataclass(frozen=True, slots=True)
class Confirmed:
    """A phone has confirmed a new epoch.

    Check the grant, reconcile the heads, commit the keep chain, then `switch`; or `refuse`.
    """

    epoch: bytes
    version: int
    grant: bytes = field(repr=False)
    """As the phone wrote it in message 1; not checked by anybody yet."""
    head: Head
    """The phone's head, from message 1."""
    keep_chain: Chain
    """Takes the place of the old one in the switching transaction."""


class Opened(NamedTuple):
    """A body from the phone. With `confirmed` set it counts only once the caller has switched."""

    body: bytes
    confirmed: Confirmed | None


@dataclass(frozen=True, slots=True, repr=False)
class _Pending:
    epoch: Epoch
    grant: bytes
    head: Head


@dataclass(slots=True)
class Budget:
    """How many handshakes are answered: five at once, then one a second. One for each way in."""

    _allowance_ms: int = _BURST * _ONE_EACH_MS
    _refilled_ms: int | None = None

    def take(self, now_ms: int) -> Busy | None:
        """Take one; says when to come back if there is none left."""
        since_ms = now_ms - (now_ms if self._refilled_ms is None else self._refilled_ms)
        self._allowance_ms = min(self._allowance_ms + since_ms, _BURST * _ONE_EACH_MS)
        self._refilled_ms = now_ms
        if self._allowance_ms < _ONE_EACH_MS:
            return Busy(_ONE_EACH_MS - self._allowance_ms)
        self._allowance_ms -= _ONE_EACH_MS
        return None


class HostSession:
    """The host's end: answers handshakes, opens commands and live frames, seals live ones.

    Keep rows are `chain.seal`'s.

    One object serves one pairing for as long as the process lives. Between an Opened with `confirmed` and `switch` or
    `refuse` (or `cut_off`) nothing else may be answered or opened (Undecided): the caller deals with one frame of a pairing at a
    time.
    """

    def __init__(
        self,
        keys: PairKeys,
        *,
        keep_epoch: bytes | None,
        rng: Rng,
        encapsulate: kem.Encapsulate = kem.encapsulate,
    ) -> None:
        """Begin without a session. `keep_epoch` is that of the journal's keep chain, None before the first session."""
        if keys.role is not Role.HOST:
            raise ValueError("these are the phone's keys")
        self._keys = keys
        self._keep_epoch = keep_epoch
        self._rng = rng
        self._encapsulate = encapsulate
        self._current: Epoch | None = None
        self._pending: _Pending | None = None
        self._offered: Epoch | None = None
        self._budget = Budget()
        self._answered: dict[bytes, None] = {}  # digests of message 1, oldest first

    @property
    def ready(self) -> bool:
        """Whether there is a session: commands can be opened and live frames sealed."""
        return self._current is not None

    @property
    def epoch(self) -> bytes | None:
        """The session's epoch."""
        return self._current.epoch if self._current else None

    def answer(self, message1: bytes, *, now_ms: int, budget: Budget | None = None) -> bytes | Busy | Unopened:
        """Answer message 1 with message 2. The epoch it would begin replaces one that nobody has confirmed yet.

        `budget` is another way's than the relay's: a flood there must not take from what comes by the relay.

        Changes nothing else: whoever wrote message 1 has shown nothing so far. A message that was answered before is
        not answered again: it would take the place of the phone's own handshake, and lead nowhere.
        """
        self._must_be_decided()
        if busy := (budget or self._budget).take(now_ms):
            return busy
        digest = sha256(message1).digest()
        if digest in self._answered:
            return Unopened(Why.REPLAYED)
        try:
            answered = answer(
                self._keys,
                message1,
                host_epoch=self._keep_epoch,
                now_ms=now_ms,
                rng=self._rng,
                encapsulate=self._encapsulate,
            )
        except SealError as error:
            return Unopened(error.why)
        self._answered[digest] = None
        if len(self._answered) > REPLAYS_KNOWN:
            del self._answered[next(iter(self._answered))]
        self._pending = _Pending(answered.epoch, answered.grant, answered.head)
        return answered.message2

    def open_command(self, sealed: bytes, *, now_ms: int, furthest: int = chain.FURTHEST_AHEAD) -> Opened | Unopened:
        """Open a command; one that does not open is refused with STALE_EPOCH. `furthest` as of `chain.open_`."""
        return self._open(sealed, FrameClass.COMMAND, now_ms, furthest)

    def open_live(self, sealed: bytes, *, now_ms: int, furthest: int = chain.FURTHEST_AHEAD) -> Opened | Unopened:
        """Open a live frame of the phone; one that does not open is dropped. `furthest` as of `chain.open_`."""
        return self._open(sealed, FrameClass.LIVE, now_ms, furthest)

    def switch(self) -> None:
        """Be in the epoch that was confirmed: the caller has checked the grant and committed the keep chain."""
        if self._offered is None:
            raise NoSession
        self._current, self._offered = self._offered, None
        self._keep_epoch = self._current.epoch

    def refuse(self) -> None:
        """Stay in the old epoch: the grant is not good, or the commit failed."""
        self._offered = None

    def cut_off(self) -> None:
        """Stay in the old epoch without knowing whether the keep chain was committed.

        The next message 2 names no epoch, so that the phone holds on to the chains of both.
        """
        self._offered = self._keep_epoch = None

    def seal_live(self, body: bytes) -> bytes:
        """Seal a live frame. Raises NoSession, or ValueError for a body that is too long."""
        if self._current is None:
            raise NoSession
        sealed, self._current.down_live = chain.seal(self._current.down_live, body, self._rng)
        return sealed

    def epoch_ms(self, now_ms: int) -> int:
        """Tell the epoch clock: ms since message 2 was written, on a clock that runs during sleep. Raises NoSession."""
        if self._current is None:
            raise NoSession
        return now_ms - self._current.started_ms

    def drop(self) -> None:
        """Forget the session and open handshakes: the stream was superseded.

        The keep chain, which is the caller's, stays.
        """
        self._current = self._pending = self._offered = None

    def _open(self, sealed: bytes, frame_class: FrameClass, now_ms: int, furthest: int) -> Opened | Unopened:
        self._must_be_decided()
        pending = self._pending
        try:
            epoch = parse(sealed).epoch
            if self._current is not None and epoch == self._current.epoch:
                return Opened(_turn(self._current, frame_class, sealed, furthest), None)
            if pending is None or epoch != pending.epoch.epoch:
                return Unopened(Why.UNKNOWN_EPOCH)
            if now_ms - pending.epoch.started_ms > HANDSHAKE_LIMIT_MS:
                self._pending = None
                return Unopened(Why.UNKNOWN_EPOCH)
            body = _turn(pending.epoch, frame_class, sealed, furthest)
        except SealError as error:
            return Unopened(error.why)
        self._pending, self._offered = None, pending.epoch
        new = pending.epoch
        return Opened(body, Confirmed(new.epoch, new.version, pending.grant, pending.head, new.down_keep))

    def _must_be_decided(self) -> None:
        if self._offered is not None:
            raise Undecided


def _turn(epoch: Epoch, frame_class: FrameClass, sealed: bytes, furthest: int) -> bytes:
    """Open a frame of the phone and turn its chain."""
    if frame_class is FrameClass.COMMAND:
        body, epoch.up_command = chain.open_(epoch.up_command, sealed, furthest=furthest)
    else:
        body, epoch.up_live = chain.open_(epoch.up_live, sealed, furthest=furthest)
    return body
