"""What phone and host say to each other in passing, and how their session begins. docs/encryption.md "Session" has the table.

Knows no stream: what a path brought comes in, and what is to be said goes to the path that it came by, or to the one in use.
Called by a `line` and its sides.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable
from enum import Enum

from dispatch import errors
from dispatch.api.error.v1.error_pb2 import Reason
from dispatch.api.thread.v1 import thread_pb2 as words
from dispatch.encoding import message_id as id_of
from dispatch.ids import MessageId, Rng
from dispatch.sealed.chain import FURTHEST_AHEAD
from dispatch.sealed.errors import FORGED
from dispatch.sealed.handshake import is_handshake
from dispatch.sealed.head import Head
from dispatch.sealed.keys import PairKeys
from dispatch.sealed.session import PhoneSession, Unopened
from dispatch.thread.client import FINAL
from google.protobuf.message import DecodeError

from mobile_sim.own_pairing import OwnPairing
from mobile_sim.probing import Answer, Probing
from mobile_sim.reading import Read
from mobile_sim.shared import Common
from mobile_sim.tending import Tending

SEEN_EVERY_MS = 500
RESEND_EVERY_MS = 3_000
MENDED_BY_A_HANDSHAKE = (Reason.REASON_STALE_EPOCH, Reason.REASON_SESSION_NEEDED, Reason.REASON_DEADLINE_PASSED)
"""Refusals of what was sealed in a session that the host has not, or has no more, or of which its clock says otherwise.

Here a session is counted from when message 2 was received, there from when it was made: what lay in between is missing of every
deadline, for as long as the session lasts.
"""

Say = Callable[[bytes], object]
"""Says something sealed on a path. Nobody answers for its arrival."""

log = logging.getLogger(__name__)


class Heard(Enum):
    """What something said in passing shows of who said it."""

    HOST = "host"  # it opened just now: the host wrote it, in this session
    NOBODY = (
        "nobody"  # a handshake, something that came before, or of a session that is over: anybody can have sent that
    )
    FORGED = "forged"  # no host writes that


class Talk:
    """The session of one pairing, and what is said in it."""

    def __init__(
        self,
        keys: PairKeys,
        *,
        common: Common,
        pairing: OwnPairing,
        rng: Rng,
        say: Say,
        answered: Callable[[int], None],
        heard: Callable[[words.DownLiveItem], None],
    ) -> None:
        # Fixed after __init__.
        self._common = common
        self._pairing = pairing
        self._rng = rng
        self._on_path_in_use = say
        self._answered = answered  # the host has answered what went out when the relay had said so often how it is
        self._heard = heard  # what else the host says: of tasks, files, and commands of the direct path
        # Memory of the session: gone with the process, as docs/encryption.md wants it.
        self._session = PhoneSession(keys, rng=rng)
        self._tending = Tending()
        self._commands: set[MessageId] = set()  # sealed in the session that there is
        # The probe that is on its way.
        self._probing = Probing()
        self._probed_at_word = 0
        # What was said last, touched by the line's task only.
        self._seen = Head()
        self._seen_at_ms = -SEEN_EVERY_MS
        self._asked: tuple[int, int] | None = None
        self._asked_at_ms = 0
        # Made in a step, said behind it.
        self._confirms: list[tuple[Say, bytes]] = []
        self._later: list[words.UpLiveItem] = []

    # ---- The session.

    @property
    def ready(self) -> bool:
        """Whether something can be sealed to the host."""
        return self._session.ready

    @property
    def confirmed(self) -> bool:
        """Whether there is a session of which the host has said that it is in it."""
        return self._session.ready and self._tending.confirmed

    def host_is(self, *, reachable: bool, instance: bytes) -> None:
        """Hear how the host is, from the relay."""
        self._tending.host_is(reachable=reachable, instance=instance)

    def handshake_in_ms(self, now_ms: int) -> int | None:
        """Give the ms until a handshake by the relay is due: 0 is now, None is not by the passing of time alone.

        A command under way keeps the session in which it is sealed from getting old.
        """
        renewal_in_ms = None if self._common.attended else self._session.renewal_in_ms(self._common.clock.boot_ms())
        return self._tending.due_in(now_ms, renewal_in_ms=renewal_in_ms)

    async def grant(self) -> bytes | None:
        """Give the grant to shake hands with; None when none is to be had now. Raises what only a person can mend (FINAL)."""
        try:
            right = await self._common.right(False)
        except FINAL:
            raise
        except errors.DispatchError as error:
            log.info("no right for a handshake", extra={"reason": errors.word(error.reason)})
            return None
        return right.grant

    def message1(self, grant: bytes) -> bytes:
        """Begin a handshake; an earlier one is given up, the session goes on meanwhile."""
        return self._session.start(grant=grant, head=self._common.reader().head, now_ms=self._common.clock.boot_ms())

    def tried(self) -> None:
        """Note a try at a handshake by the relay: the next one waits."""
        self._tending.started(self._common.clock.steady_ms())

    def row_read(self, read: Read) -> None:
        """Hear what a row shows: one of the session's that the host is in it. Within a step."""
        if read.epoch and read.epoch == self._session.epoch:
            self._tending.begun()
        if read.revoked:
            self._pairing.revoked()

    def refused(self, message_id: MessageId) -> bool:
        """Hear that a handshake would mend why a command was refused: until there is another session nothing more is sealed.

        Tells whether that was said of the session that there is. Of a command that went out bare, or in an earlier one, it says
        nothing new: the handshake that it asks for is due, under way or over.
        """
        if message_id not in self._commands:
            return False
        self._tending.refused()
        self._commands.clear()
        self._session.end()
        return True

    def relay_lost(self) -> None:
        """Hear that the relay's stream is gone, and the direct path is not: the session goes on."""
        self._tending.relay_lost()

    def lost(self) -> None:
        """Hear that the last path is gone: the next one begins with a handshake."""
        self._tending.stream_lost()
        self._commands.clear()
        self._session.drop()

    def forget(self) -> None:
        """Hear that a step failed: what the session learnt in it is gone, and so is what was to be said of it."""
        self.lost()
        self._confirms, self._later = [], []

    # ---- What comes in. Within a step; what is to be said to it waits for `flush`.

    def hear(self, sealed: bytes, answer: Say, *, probe: bool = False, furthest: int = FURTHEST_AHEAD) -> Heard:
        """Take what was said in passing; gives what it shows of who said it.

        `answer` leads where it came from, `probe` has the host asked there as soon as there is a session, `furthest` is as of
        `sealed.chain.open_`.
        """
        if is_handshake(sealed):
            self._finish(sealed, answer, probe=probe)
            return Heard.NOBODY
        body = self._session.open_live(sealed, furthest=furthest)
        if isinstance(body, Unopened):
            return Heard.FORGED if body.why in FORGED else Heard.NOBODY
        self._common.sight.heard(now_ms=self._common.clock.steady_ms())
        with contextlib.suppress(DecodeError):
            for item in words.DownLive.FromString(body).items:
                self._hear_item(item)
        return Heard.HOST

    def _finish(self, message2: bytes, answer: Say, *, probe: bool) -> None:
        begun = self._session.finish(message2, now_ms=self._common.clock.boot_ms())
        if begun is None:
            return
        self._commands.clear()
        self._common.reader().begin_epoch(begun.keep_chain, begun.host_epoch)
        self._pairing.confirmed()
        items = [words.UpLiveItem(confirm=words.Confirm())]
        if probe:
            items.append(self._probe(self._number()))
        self._confirms.append((answer, self._sealed(*items)))
        self._tending.finished(self._common.clock.steady_ms())

    def _hear_item(self, item: words.DownLiveItem) -> None:
        match item.WhichOneof("item"):
            case "keep_awake":
                self._common.reader().take_awake(item.keep_awake)
            case "permissions":
                self._common.reader().take_permissions(item.permissions)
            case "probe_reply":
                if self._probing.replied(item.probe_reply, now_ms=self._common.clock.steady_ms()):
                    self._answered(self._probed_at_word)
            case _:
                self._heard(item)

    def later(self, item: words.UpLiveItem) -> None:
        """Say something behind the step that is under way: nobody hears of a go that is not on the disk."""
        self._later.append(item)

    def flush(self) -> None:
        """Say what was made in the step before."""
        confirms, self._confirms = self._confirms, []
        for say, sealed in confirms:
            say(sealed)
        items, self._later = self._later, []
        if items and self.ready:
            self.say(*items)

    # ---- What goes out. Raises NoSession where there is none.

    def say(self, *items: words.UpLiveItem) -> None:
        """Say something on the path in use."""
        self._on_path_in_use(self._sealed(*items))

    def say_to(self, path: Say, *items: words.UpLiveItem) -> None:
        """Say something on this path."""
        path(self._sealed(*items))

    def question(self) -> bytes:
        """Give something sealed that the host answers. What comes of it shows that it lives, and is no answer to `ask`."""
        return self._sealed(self._probe(self._number()))

    def seal_command(self, body: bytes) -> bytes:
        """Seal a command. Raises NoSession, or ValueError for a body that is too long."""
        sealed = self._session.seal_command(body)
        self._commands.add(id_of(sealed))
        return sealed

    def deadline_ms(self, *, valid_for_ms: int) -> int:
        """Tell what to write into a command as its deadline. Raises NoSession."""
        return self._session.deadline_ms(now_ms=self._common.clock.boot_ms(), valid_for_ms=valid_for_ms)

    def ask(self) -> int:
        """Have the host show that it lives; gives the number of the probe, which is an earlier one's that is still on its way."""
        if (number := self._probing.open) is None:
            number = self._number()
            self._probing.ask(number, now_ms=self._common.clock.steady_ms())
            self._probed_at_word = self._common.sight.times_told
            self.say(self._probe(number))
        return number

    def answer(self, number: int) -> Answer | None:
        """Give the answer to this probe."""
        return self._probing.answer(number)

    def give_up(self, number: int) -> None:
        """Wait for the answer to this probe no longer."""
        self._probing.give_up(number)

    # ---- What falls due by time.

    def due(self, now_ms: int, *, caught_up: bool) -> list[int]:
        """Say what is due: what is missing of the thread, and what was seen of it. Gives the ms until something else is."""
        return self._resend_due(now_ms, caught_up=caught_up) + self._seen_due(now_ms)

    def _resend_due(self, now_ms: int, *, caught_up: bool) -> list[int]:
        """Ask for the events that the host has and this phone has not, once all rows are read."""
        missing = self._common.reader().missing() if self.ready and caught_up else None
        if missing is None:
            self._asked = None
            return []
        if missing == self._asked and now_ms - self._asked_at_ms < RESEND_EVERY_MS:
            return [self._asked_at_ms + RESEND_EVERY_MS - now_ms]
        self._asked, self._asked_at_ms = missing, now_ms
        self.say(words.UpLiveItem(resend=words.Resend(**{"from": missing[0], "to": missing[1]})))
        return [RESEND_EVERY_MS]

    def _seen_due(self, now_ms: int) -> list[int]:
        left_ms = self._seen_at_ms + SEEN_EVERY_MS - now_ms
        if not self.ready or self._common.reader().head == self._seen:
            return []
        if left_ms > 0:
            return [left_ms]
        self.say_seen()
        return []

    def say_seen(self) -> None:
        """Say how far the thread was read, if there is news of it and a session to say it in."""
        head = self._common.reader().head
        if self.ready and head != self._seen:
            self._seen, self._seen_at_ms = head, self._common.clock.steady_ms()
            self.say(words.UpLiveItem(seen=words.Seen(head=words.Head(number=head.number, hash=head.hash))))

    def _sealed(self, *items: words.UpLiveItem) -> bytes:
        return self._session.seal_live(words.UpLive(items=items).SerializeToString())

    def _number(self) -> int:
        return int.from_bytes(self._rng(8))

    @staticmethod
    def _probe(number: int) -> words.UpLiveItem:
        return words.UpLiveItem(probe=words.Probe(number=number))
