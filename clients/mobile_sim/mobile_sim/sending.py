"""Brings one command to the host: attempt after attempt, until there is a verdict or its time is over.

A command lives for ten seconds from the moment the person sent it. Nothing is sent after that, whatever comes back later:
a host that was away finds nothing waiting for it. docs/phone.md "Sending". Called by `desk`.
"""

from __future__ import annotations

from dataclasses import dataclass

from dispatch import errors
from dispatch.api.error.v1.error_pb2 import Reason
from dispatch.api.relay.v1 import relay_pb2 as relay
from dispatch.api.thread.v1 import thread_pb2 as words
from dispatch.clock import Clock
from dispatch.encoding import message_id as id_of
from dispatch.ids import ID_BYTES, MessageId, Rng, TaskId
from dispatch.sealed.history import sign_task

from mobile_sim.ledger import TASK, UNDECIDED
from mobile_sim.line import Line
from mobile_sim.patience import Patience
from mobile_sim.store import Post, Store, Verdict
from mobile_sim.talk import MENDED_BY_A_HANDSHAKE
from mobile_sim.task_view import OUTCOMES, WITH_HOST

MOST_ATTEMPTS = 6

_WORTH_ONE_MORE = errors.word(Reason.REASON_DEADLINE_PASSED)
"""In time here and late there: one more in another session, whose clock is new. Late in that one, too, is late."""
_WORTH_ANOTHER = frozenset(errors.word(reason) for reason in MENDED_BY_A_HANDSHAKE) - {_WORTH_ONE_MORE}


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """What a person wants of the host."""

    task_id: TaskId
    what: str
    """`ledger.TASK`, `CANCEL`, `ANSWER` or `STEER`."""
    action: bytes
    """A serialized Action: exactly what is signed."""


class Sender:
    """Sends commands on one line."""

    def __init__(self, line: Line, store: Store, *, clock: Clock, rng: Rng, patience: Patience) -> None:
        self._line = line
        self._store = store
        self._clock = clock
        self._rng = rng
        self._patience = patience

    async def send(self, command: Command) -> Post | None:
        """Send until there is a verdict; gives the post that has it, or the last one if its time ran out without.

        None when nothing was posted. A task that no relay has got is noted as not sent; one that a relay has got and gives no
        verdict on is unconfirmed by then (`Ledger.overdue`).
        """
        line = self._line
        end_ms = self._clock.steady_ms() + round(self._patience.command_seconds * 1000)
        first = len(self._store.tasks.posts(command.task_id, command.what))
        post: Post | None = None
        was_late = False
        line.attended.add(command.task_id)
        try:
            for attempt in range(first + 1, first + 1 + MOST_ATTEMPTS):
                if not await self._can_post(end_ms):
                    break
                if (posted := self._post(command, attempt, end_ms)) is None:
                    continue
                post = await self._verdict(command, posted, end_ms)
                if self._host_has(command):
                    break
                late = post.reason == _WORTH_ONE_MORE and not was_late
                was_late = was_late or late
                if not (late or post.verdict is Verdict.NEVER_STORED or post.reason in _WORTH_ANOTHER):
                    break
            never = post is None or post.verdict is Verdict.NEVER_STORED
            if command.what == TASK and never and not self._host_has(command):
                with self._store.transaction():
                    line.ledger.not_sent(command.task_id, why_not(line).reason)
            return post
        finally:
            line.attended.discard(command.task_id)
            line.bell.ring()

    async def _can_post(self, end_ms: int) -> bool:
        """Wait until the command can go: sealed to a host that is there, or bare so that the relay says why it is not."""
        line = self._line
        while await line.bell.until(lambda: line.final or line.met, self._left(end_ms, self._patience.connect_seconds)):
            await line.bell.until(
                lambda: line.final or not line.open or line.ready or line.host_absent,
                self._left(end_ms, self._patience.shake_seconds),
            )
            if line.final or self._clock.steady_ms() >= end_ms:
                return False
            if line.open:
                return True
        return False

    def _left(self, end_ms: int, most_seconds: float) -> float:
        """Give the seconds until the end, at most so many."""
        return min((end_ms - self._clock.steady_ms()) / 1000, most_seconds)

    def _verdict_by_ms(self, end_ms: int) -> int:
        return end_ms + round(self._patience.verdict_seconds * 1000)

    def _post(self, command: Command, attempt: int, end_ms: int) -> Post | None:
        """Commit an attempt, then send it. None when the stream broke in between: it was certainly not sent."""
        line, now_ms = self._line, self._clock.steady_ms()
        left_ms = end_ms - now_ms
        sealed = self._sealed(command, attempt, left_ms) if line.in_session else b""
        direct = line.decides
        post = Post(
            message_id=id_of(sealed) if sealed else MessageId(self._rng(ID_BYTES)),
            pair_id=line.pair_id,
            task_id=command.task_id,
            action=command.what,
            attempt=attempt,
            posted_at_ms=self._clock.wall_ms(),
            direct=direct,
        )
        with self._store.transaction():
            line.ledger.posted(post, until_ms=self._verdict_by_ms(end_ms))
        words_out = relay.Post(
            message_id=post.message_id,
            task_id=command.task_id,
            kind=relay.Kind.KIND_COMMAND,
            sealed=sealed,
            valid_for_ms=left_ms,
        )
        sent = line.post_directly(words_out, until_ms=end_ms) if direct else line.post(words_out)
        line.bell.ring()
        if sent:
            return post
        with self._store.transaction():
            line.ledger.never_stored(post, attended=line.attended)
        return None

    def _sealed(self, command: Command, attempt: int, left_ms: int) -> bytes:
        line = self._line
        head = line.head
        signature = sign_task(
            line.sign,
            pair_id=line.pair_id,
            task_id=command.task_id,
            attempt=attempt,
            body=command.action,
            head=head,
        )
        body = words.UpCommand(
            pair_id=line.pair_id,
            task_id=command.task_id,
            attempt=attempt,
            deadline_ms=line.deadline_ms(valid_for_ms=left_ms),
            action=command.action,
            head=words.Head(number=head.number, hash=head.hash),
            signature=signature,
            direct=line.decides,
        )
        return line.seal_command(body.SerializeToString())

    async def _verdict(self, command: Command, post: Post, end_ms: int) -> Post:
        """Wait for the verdict, on this stream or a later one, until the command's time is over for the relay, too."""

        def now() -> Post:
            return self._store.tasks.post(post.message_id) or post

        left_ms = self._verdict_by_ms(end_ms) - self._clock.steady_ms()
        await self._line.bell.until(
            lambda: now().verdict not in UNDECIDED or self._line.final or self._host_has(command), left_ms / 1000
        )
        return now()

    def _host_has(self, command: Command) -> bool:
        """Whether the host itself has said that it has the task: then no verdict and no further attempt is needed."""
        state = self._line.ledger.view(command.task_id).state
        return command.what == TASK and (state in WITH_HOST or state in OUTCOMES)


def why_not(line: Line) -> errors.DispatchError:
    """Say why nothing could be sent."""
    if line.error is not None and not isinstance(line.error, errors.LeaseLost):
        return line.error  # a connection that went silent is tried again by itself, and the command is not
    return errors.NotTakenInTime() if line.open else errors.NoNetwork()


def refusal_of(post: Post) -> errors.DispatchError:
    """Rebuild the refusal of a post."""
    if post.reason == errors.word(errors.StoreFailedThere.reason):
        return errors.StoreFailedThere(retry_after_ms=post.retry_after_ms)
    return errors.of_word(post.reason, retry_after_ms=post.retry_after_ms)
