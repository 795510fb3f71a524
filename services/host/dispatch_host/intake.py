"""What becomes of a command that reaches the host: opened, checked, journalled, answered, and started when its go comes.

Each decision is a step of the journal, committed before anyone hears of it; what follows from one that is on the disk is done
whatever becomes of the stream that brought it. docs/protocol.md "Commands and the commit point".
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from typing import Any, TypeVar

from dispatch import errors
from dispatch.api.error.v1.error_pb2 import Reason
from dispatch.api.thread.v1 import thread_pb2 as pb
from dispatch.encoding import message_id
from dispatch.endings import UnderWay
from dispatch.ids import MessageId
from dispatch.runtime.logs import get_logger
from dispatch.sealed.chain import DIRECT_LEAP, FURTHEST_AHEAD
from dispatch.sealed.head import Head
from dispatch.sealed.history import verify_task
from dispatch.sealed.session import Confirmed, HostSession, Unopened

from dispatch_host import admission, command_steps
from dispatch_host.admission import Readable
from dispatch_host.command_steps import Word
from dispatch_host.journal import tasks
from dispatch_host.journal.values import Pairing
from dispatch_host.path import Heard, Path, shown_by
from dispatch_host.shared import Common
from dispatch_host.steps import Then

Confirm = Callable[[Confirmed], Awaitable[Reason.ValueType | None]]
"""Switches to the epoch that a frame has confirmed; the reason when the old one stays."""


T = TypeVar("T")

_LOG = get_logger()


@dataclass(frozen=True, slots=True)
class _Considered:
    """What comes of a command: taken, or refused with a reason; and what it shows of who sent it."""

    refused: Reason.ValueType | None
    heard: Heard = Heard.PHONE


class Intake:
    """The commands of one pairing. Called by one task at a time."""

    def __init__(
        self,
        pairing: Pairing,
        *,
        common: Common,
        session: HostSession,
        confirm: Confirm,
        wrote: Callable[[], None],
    ) -> None:
        self._pairing = pairing
        self._common = common
        self._session = session
        self._confirm = confirm
        self._wrote = wrote
        # Set once, by `close`.
        self._closed: Reason.ValueType | None = None
        self._under_way = UnderWay()

    def close(self, reason: Reason.ValueType) -> None:
        """Take nothing more: what comes is declined with this reason, and what gets its go ends without a start."""
        self._closed = reason

    async def settled(self) -> None:
        """Wait until everything that was begun is done."""
        await self._under_way.finish()

    async def answer(self, message: MessageId, task_id: bytes | None, sealed: bytes, path: Path) -> Heard:
        """Open a command, check it, journal it, and say on its path what comes of it; gives what it shows of who sent it.

        By the direct path none is named outside (`task_id` is None), and the phone decides; so nothing that came by one way is
        taken by the other, where somebody else decides.
        """
        if task_id is None and message_id(sealed) != message:
            # The relay looks at that; here anybody could have a word of ours put on a command of the phone's.
            self._common.refused(Reason.REASON_PROTOCOL_VIOLATION)
            return Heard.FORGED
        try:
            considered = await self._consider(message, task_id, sealed)
        except errors.StoreFailed as failure:
            _LOG.error("journal can't be used", detail=failure.detail)
            considered = _Considered(failure.reason)
        refused = considered.refused
        if refused is None:
            path.take(message)
            return considered.heard
        self._common.refused(refused)
        # Else anybody on the network can have it said at will.
        if task_id is not None or considered.heard is Heard.PHONE:
            _LOG.info(
                "command declined", pairing=self._pairing.pair_id, task=task_id or b"", reason=errors.word(refused)
            )
        path.decline(message, refused)
        return considered.heard

    async def _consider(self, message: MessageId, task_id: bytes | None, sealed: bytes) -> _Considered:
        """Open a command, check it, and journal it. Raises StoreFailed.

        One that is in the journal is taken without a look: it came before, and shows nobody.
        """
        direct = task_id is None
        known = await self._common.journal.step(lambda tx: tasks.find_command(tx, message))
        if known is not None:
            return _Considered(None if known.direct == direct else Reason.REASON_ID_REUSED, Heard.NOBODY)
        if not sealed:
            return _Considered(Reason.REASON_SESSION_NEEDED, Heard.NOBODY)
        if message_id(sealed) != message:
            return _Considered(Reason.REASON_PROTOCOL_VIOLATION, Heard.NOBODY)
        opened = self._session.open_command(
            sealed, now_ms=self._common.clock.boot_ms(), furthest=DIRECT_LEAP if direct else FURTHEST_AHEAD
        )
        if isinstance(opened, Unopened):
            return _Considered(Reason.REASON_STALE_EPOCH, shown_by(opened.why))
        if opened.confirmed is not None and (refused := await self._confirm(opened.confirmed)):
            return _Considered(refused)
        if self._closed is not None:
            return _Considered(self._closed)
        asked = admission.read(opened.body, pair_id=self._pairing.pair_id, task_id=task_id)
        if not isinstance(asked, Readable):
            return _Considered(asked)
        if not self._signed(asked.command):
            return _Considered(Reason.REASON_SIGNATURE_INVALID)
        return _Considered(await self._done(self._journal(message, asked, direct=direct)))

    async def _done(self, work: Coroutine[Any, Any, T]) -> T:
        """Do it to the end, though whoever waits for it is cut off with its stream: a step and what follows from it are one."""
        return await self._under_way.carry_out(self._logged(work))

    async def _logged(self, work: Coroutine[Any, Any, T]) -> T:
        try:
            return await work
        except Exception as failure:
            # Whoever waits has it as well. Who does not wait any more is told again by the peer: nothing is on the disk.
            _LOG.info("step not done", pairing=self._pairing.pair_id, cause=type(failure).__name__)
            raise

    def _signed(self, command: pb.UpCommand) -> bool:
        try:
            head = Head(command.head.number, command.head.hash or bytes(32))
        except ValueError:
            return False
        return verify_task(
            self._pairing.phone_key,
            command.signature,
            pair_id=self._pairing.pair_id,
            task_id=command.task_id,
            attempt=command.attempt,
            body=command.action,
            head=head,
        )

    async def _journal(self, message: MessageId, asked: Readable, *, direct: bool) -> Reason.ValueType | None:
        common, now_ms = self._common, self._common.clock.boot_ms()
        left_ms = asked.command.deadline_ms - self._session.epoch_ms(now_ms)
        if left_ms < 0:
            return Reason.REASON_DEADLINE_PASSED
        undecided = common.undecided.count(now_ms)
        # Noted first: should the stream end while the journal writes, the command is on the disk, and its go may come by another.
        common.undecided.deadlines_ms[message] = now_ms + left_ms
        try:
            reason = await common.journal.step(
                lambda tx: command_steps.take(
                    tx,
                    self._pairing.pair_id,
                    message,
                    asked,
                    undecided=undecided,
                    direct=direct,
                    takes_words=common.takes_words(),
                )
            )
        except errors.StoreFailed:
            common.undecided.deadlines_ms.pop(message, None)
            raise
        if reason is not None:
            common.undecided.deadlines_ms.pop(message, None)
        return reason

    async def go(self, word: Word) -> None:
        """Take the go. A failure here breaks the stream, and the go comes again."""
        await self._done(self._go(word))

    async def _go(self, word: Word) -> None:
        common, message = self._common, word.message_id
        deadline_ms = common.undecided.deadlines_ms.get(message)
        in_time = self._closed is None and deadline_ms is not None and common.clock.boot_ms() <= deadline_ms
        now_ms = common.clock.wall_ms()
        gone = await common.journal.step(
            lambda tx: command_steps.go(tx, common.scribe, self._pairing.pair_id, word, in_time=in_time, now_ms=now_ms)
        )
        if gone.decided:
            common.undecided.deadlines_ms.pop(message, None)
        self._wrote()
        if gone.ended is not None:
            common.ended(gone.ended)
            common.runner.moved_up()
        if gone.then is Then.RUN:
            _LOG.info("task accepted", task=gone.task_id, pairing=self._pairing.pair_id)
            common.runner.wake()
        elif gone.then is Then.CANCEL:
            common.runner.cancel(gone.task_id)
        elif gone.then is Then.LOOK:
            common.runner.look(gone.task_id)

    async def withdrawn(self, word: Word) -> None:
        """Take the word that a command will never get its go."""
        await self._done(self._withdrawn(word))

    async def _withdrawn(self, word: Word) -> None:
        common = self._common
        now_ms = common.clock.wall_ms()
        ended = await common.journal.step(
            lambda tx: command_steps.withdraw(tx, common.scribe, self._pairing.pair_id, word, now_ms=now_ms)
        )
        common.undecided.deadlines_ms.pop(word.message_id, None)
        if ended is not None:
            self._wrote()
            common.ended(ended)

    async def undecided_directly(self) -> list[MessageId]:
        """List the commands of which the phone has still to say what becomes of them."""
        return await self._common.journal.step(lambda tx: tasks.undecided_directly(tx, self._pairing.pair_id))
