"""What becomes of a command that reaches the host: opened, checked, journalled, and started when its go comes.

Each decision is a step of the journal, committed before anyone hears of it. Knows no stream: the link brings what a path
brought, and says what comes of it. docs/protocol.md "Commands and the commit point".
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from dispatch import errors
from dispatch.api.error.v1.error_pb2 import Reason
from dispatch.api.thread.v1 import thread_pb2 as pb
from dispatch.encoding import message_id
from dispatch.ids import MessageId
from dispatch.sealed.head import Head
from dispatch.sealed.history import verify_task
from dispatch.sealed.session import Confirmed, HostSession, Unopened

from dispatch_host import admission, steps
from dispatch_host.admission import Readable
from dispatch_host.journal import tasks
from dispatch_host.journal.values import Pairing
from dispatch_host.shared import Common
from dispatch_host.steps import Then, Word

Confirm = Callable[[Confirmed], Awaitable[Reason.ValueType | None]]
"""Switches to the epoch that a frame has confirmed; the reason when the old one stays."""


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

    async def consider(self, message: MessageId, task_id: bytes | None, sealed: bytes) -> Reason.ValueType | None:
        """Open a command, check it, and journal it; the reason when it is not taken. Raises StoreFailed.

        One that is in the journal is taken without a look: it came before. By the direct path none is named outside (`task_id`
        is None), and the phone decides; so nothing that came by one way is taken by the other, where somebody else decides.
        """
        direct = task_id is None
        known = await self._common.journal.step(lambda tx: tasks.find_command(tx, message))
        if known is not None:
            return None if known.direct == direct else Reason.REASON_ID_REUSED
        if not sealed:
            return Reason.REASON_SESSION_NEEDED
        if message_id(sealed) != message:
            return Reason.REASON_PROTOCOL_VIOLATION
        opened = self._session.open_command(sealed, now_ms=self._common.clock.boot_ms())
        if isinstance(opened, Unopened):
            return Reason.REASON_STALE_EPOCH
        if opened.confirmed is not None and (refused := await self._confirm(opened.confirmed)):
            return refused
        asked = admission.read(opened.body, pair_id=self._pairing.pair_id, task_id=task_id)
        if not isinstance(asked, Readable):
            return asked
        if not self._signed(asked.command):
            return Reason.REASON_SIGNATURE_INVALID
        return await self._journal(message, asked, direct=direct)

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
                lambda tx: steps.take(
                    tx,
                    self._pairing.pair_id,
                    message,
                    asked,
                    undecided=undecided,
                    direct=direct,
                    takes_words=common.takes_words,
                )
            )
        except errors.StoreFailed:
            del common.undecided.deadlines_ms[message]
            raise
        if reason is not None:
            del common.undecided.deadlines_ms[message]
        return reason

    async def go(self, word: Word) -> None:
        """Take the go. A failure here breaks the stream, and the go comes again."""
        common, message = self._common, word.message_id
        deadline_ms = common.undecided.deadlines_ms.get(message)
        in_time = deadline_ms is not None and common.clock.boot_ms() <= deadline_ms
        now_ms = common.clock.wall_ms()
        gone = await common.journal.step(
            lambda tx: steps.go(tx, common.scribe, self._pairing.pair_id, word, in_time=in_time, now_ms=now_ms)
        )
        if gone.decided:
            common.undecided.deadlines_ms.pop(message, None)
        self._wrote()
        if gone.ended is not None:
            common.ended(gone.ended)
        if gone.then is Then.RUN:
            common.runner.wake()
        elif gone.then is Then.CANCEL:
            common.runner.cancel(gone.task_id)
        elif gone.then is Then.LOOK:
            common.runner.look(gone.task_id)

    async def withdrawn(self, word: Word) -> None:
        """Take the word that a command will never get its go."""
        common = self._common
        now_ms = common.clock.wall_ms()
        ended = await common.journal.step(
            lambda tx: steps.withdraw(tx, common.scribe, self._pairing.pair_id, word, now_ms=now_ms)
        )
        common.undecided.deadlines_ms.pop(word.message_id, None)
        if ended is not None:
            self._wrote()
            common.ended(ended)

    async def undecided_directly(self) -> list[MessageId]:
        """List the commands of which the phone has still to say what becomes of them."""
        return await self._common.journal.step(lambda tx: tasks.undecided_directly(tx, self._pairing.pair_id))
