"""What a person asks of a computer: a task to be sent, or sent again. Called by `desk`; docs/phone.md "Sending"."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import ExitStack
from uuid import UUID

from dispatch import errors
from dispatch.api.error.v1.error_pb2 import Reason
from dispatch.api.thread.v1 import thread_pb2 as words
from dispatch.cli import exit_of
from dispatch.device.telling import task_word
from dispatch.ids import TaskId

from mobile_sim.files import Attached, Files
from mobile_sim.follow import Follow
from mobile_sim.here import Here
from mobile_sim.ledger import TASK
from mobile_sim.line import Line
from mobile_sim.outbox import Outbox
from mobile_sim.owner import Event, Hear, Request, Say
from mobile_sim.patience import Patience
from mobile_sim.phone import Phone
from mobile_sim.routing import Choice
from mobile_sim.sending import Command, Sender
from mobile_sim.store import Pairing, Post, Task
from mobile_sim.task_view import State

LONGEST_TEXT_BYTES = 48 * 1024


class Asking:
    """The tasks of one phone on their way."""

    def __init__(self, phone: Phone, *, files: Files, outbox: Outbox, patience: Patience) -> None:
        self._phone = phone
        self._store = phone.store
        self._files = files
        self._outbox = outbox
        self._here = Here(phone)
        self._patience = patience

    async def send(self, request: Request, say: Say, _: Hear) -> int:
        """Send a task and follow it. Raises BadRequest, TargetNeeded and its kin."""
        with ExitStack() as stack:
            return await self._send_with(request, say, stack)

    async def _send_with(self, request: Request, say: Say, stack: ExitStack) -> int:
        """Send a task; its files stay open in the stack."""
        text, task_id = request["text"], TaskId(UUID(request["id"]).bytes)
        _check_text(text)
        known = self._store.tasks.get(task_id)
        host = self._phone.host(request["host"] or (known.pair_id.hex() if known else None))
        refused = _refused_here(text, known, host)
        if refused is not None:
            say(_last_of(task_id, host, refused, self._phone.clock.wall_ms()))
            return exit_of(refused)
        choice = Choice(request.get("route", Choice.AUTO))
        attached = await self._attached(request, stack, known, task_id=task_id, host=host)
        self._here.check(choice, attached=bool(attached))
        line = self._phone.line(host)
        if known is None:
            known = Task(
                task_id=task_id,
                pair_id=host.pair_id,
                text=text,
                made_at_ms=self._phone.clock.wall_ms(),
                after_number=line.head.number,
                state=State.NEW,
                # Every attempt sends these bytes, whatever happens here meanwhile.
                action=_action(task_id, text, attached),
            )
            with self._store.transaction():
                self._store.tasks.add(known)
        action = known.action or _action(task_id, text, attached)
        follow = Follow(
            line, self._store, known, host=host.host_name, clock=self._phone.clock, patience=self._patience, say=say
        )
        if follow.resolved_by(request) and task_id not in line.attended:  # else somebody here is sending it already
            command = Command(task_id=task_id, what=TASK, action=action)
            line.attended.add(task_id)

            def say_of_task(event: Event) -> None:
                say({"task_id": task_word(task_id), "host": host.host_name, "at": self._phone.clock.wall_ms()} | event)

            sending = asyncio.create_task(self._answer_or_bring(line, command, text, choice, attached, say_of_task))
            # However it ends, and where it breaks, too: who follows the task looks at it when the bell rings.
            sending.add_done_callback(lambda _: line.bell.ring())
        else:
            sending = None

        async def stop_sending() -> None:
            if sending is not None:
                await _stop(sending)
                line.attended.discard(task_id)
                self._give_up(line, task_id)
                line.bell.ring()  # others may follow it

        try:
            with line.looked_at():
                return await follow.to_the_end(request["wait"], sending=sending, stop_sending=stop_sending)
        finally:
            await stop_sending()

    async def _attached(
        self, request: Request, stack: ExitStack, known: Task | None, *, task_id: TaskId, host: Pairing
    ) -> list[Attached]:
        """Open the files of a task: those that the person names, or those of the attempt before."""
        paths, most_bytes = request.get("attach", []), request["most_bytes"]
        if known is not None and known.action:
            return await self._files.opened_again(paths, stack, task=known, most_bytes=most_bytes)
        return await self._files.opened(paths, stack, pairing=host, task_id=task_id, most_bytes=most_bytes)

    async def _answer_or_bring(
        self,
        line: Line,
        command: Command,
        text: str,
        choice: Choice,
        attached: Sequence[Attached],
        say: Say,
    ) -> Post | None:
        """Answer a task on this phone if that is where it belongs, else bring it. What was sent once stays with the host."""
        fresh = not self._store.tasks.posts(command.task_id, TASK)
        if fresh and await self._here.answered(line, command.task_id, text, attached=bool(attached), choice=choice):
            line.attended.discard(command.task_id)
            return None
        return await self._bring(line, command, attached, say)

    async def _bring(self, line: Line, command: Command, attached: Sequence[Attached], say: Say) -> Post | None:
        """Bring the files of a task to the host, then the task. Files that do not get there leave the task unsent."""
        try:
            await self._files.attach(line, attached, say)
        except errors.HostAbsent:
            pass  # the task goes all the same: its refusal names the cause, and is counted
        except errors.DispatchError as error:
            with self._store.transaction():
                line.ledger.not_sent(command.task_id, error.reason)
            line.attended.discard(command.task_id)
            return None
        return await self._sender(line).send(command)

    def _sender(self, line: Line) -> Sender:
        return Sender(line, self._store, clock=self._phone.clock, rng=self._phone.rng, patience=self._patience)

    async def resend(self, request: Request, say: Say, hear: Hear) -> int:
        """Send a task again: its next attempt, or what has become of it meanwhile."""
        task = self._outbox.task(request["id"])
        again = {"text": task.text, "host": task.pair_id.hex(), "wait": request["wait"], "id": request["id"]}
        return await self.send(request | again, say, hear)

    def _give_up(self, line: Line, task_id: TaskId) -> None:
        """Leave no task in the air: what was never posted will never be."""
        if line.ledger.view(task_id).state is State.NEW:
            with self._store.transaction():
                line.ledger.not_sent(task_id, Reason.REASON_NO_NETWORK)


def _action(task_id: TaskId, text: str, attached: Sequence[Attached]) -> bytes:
    """Write what is asked of the host: exactly what is signed."""
    task = words.Task(text=text, attachments=[one.file.attachment() for one in attached])
    return words.Action(task=task, action_id=task_id).SerializeToString()


def _check_text(text: str) -> None:
    if not text.strip():
        raise errors.BadRequest("there is nothing to send", metadata={"field": "text"})
    if len(text.encode()) > LONGEST_TEXT_BYTES:
        raise errors.BadRequest(f"at most {LONGEST_TEXT_BYTES:,} bytes of text can be sent", metadata={"field": "text"})


def _refused_here(text: str, known: Task | None, host: Pairing) -> errors.DispatchError | None:
    """Say no to what need not go anywhere to be refused."""
    if known is not None and (known.text != text or known.pair_id != host.pair_id):
        return errors.IdReused()
    first = text.split(maxsplit=1)[0].lower()
    return errors.ScheduleOnHost() if first == "/schedule" else None


def _last_of(task_id: TaskId, host: Pairing, error: errors.DispatchError, at_ms: int) -> Event:
    return {
        "event": "refused",
        "state": "refused",
        "task_id": task_word(task_id),
        "host": host.host_name,
        "at": at_ms,
        "text": error.sentence,
        "reason": errors.word(error.reason),
        "advice": error.advice,
    }


async def _stop(task: asyncio.Task[object]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
