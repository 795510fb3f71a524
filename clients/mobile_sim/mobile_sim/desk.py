"""Does what a command asks of the phone: one method a command. Events go out through `say` as docs/cli.md has them.

Runs in the process that owns the home, for itself and for others (`owner`). Prints nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from uuid import UUID

from dispatch import errors
from dispatch.api.error.v1.error_pb2 import Reason
from dispatch.api.relay.v1.relay_pb2 import DeviceKind
from dispatch.api.thread.v1 import thread_pb2 as words
from dispatch.cli import Exit, exit_of
from dispatch.clock import Clock
from dispatch.device.home import Home
from dispatch.device.keys import DeviceKey
from dispatch.device.pairing_client import PairingClient
from dispatch.device.sign_in import SignIn
from dispatch.ids import ID_BYTES, Rng, TaskId

from mobile_sim import proving
from mobile_sim.account import Account
from mobile_sim.direct import Way
from mobile_sim.files import Attached, Files
from mobile_sim.follow import Follow
from mobile_sim.hosts import Hosts
from mobile_sim.ledger import CANCEL, TASK
from mobile_sim.line import Line
from mobile_sim.outbox import Outbox
from mobile_sim.owner import Event, Hear, Request, Say
from mobile_sim.patience import USUAL, Patience
from mobile_sim.phone import Phone
from mobile_sim.sending import Command, Sender, refusal_of
from mobile_sim.store import Pairing, PairingState, Post, Task, Verdict
from mobile_sim.task_view import State, last_line
from mobile_sim.thread_view import lines_of

LONGEST_TEXT_BYTES = 48 * 1024


class Desk:
    """Carries out requests on one phone."""

    def __init__(self, phone: Phone, patience: Patience = USUAL) -> None:
        self._phone = phone
        self._patience = patience
        self._account = Account(phone)
        self._files = Files(phone)
        self._outbox = Outbox(phone)
        self._hosts = Hosts(phone, self._outbox, patience)
        self._store = phone.store

    async def do(self, request: Request, *, say: Say, hear: Hear) -> int:
        """Do what is asked. Raises DispatchError when it can't be done."""
        commands: dict[str, Callable[[Request, Say, Hear], Awaitable[int]]] = {
            "login": self._account.log_in,
            "login_at_provider": self._account.log_in_at_provider,
            "signup": self._account.sign_up,
            "logout": self._account.log_out,
            "password": self._account.change_password,
            "pair": self._pair,
            "hosts": self._hosts.show,
            "send": self._send,
            "files": self._list_files,
            "files_get": self._get_file,
            "resend": self._resend,
            "outbox": self._outbox.show,
            "drop": self._outbox.drop,
            "tasks": self._tasks,
            "dismiss": self._outbox.dismiss,
            "cancel": self._cancel,
            "thread": self._thread,
            "status": self._hosts.status,
            "doctor": self._doctor,
            "unpair": self._unpair,
            "devices": self._account.as_owner,
            "rename": self._account.as_owner,
            "revoke": self._account.as_owner,
            "history": self._account.as_owner,
        }
        return await commands[request["do"]](request, say, hear)

    # ---- Pairings.

    async def _pair(self, request: Request, say: Say, hear: Hear) -> int:
        from mobile_sim.meeting import meet, not_paired  # noqa: PLC0415 -- the ceremony, which one command needs

        try:
            pairing = await meet(self._phone, request["link"], say=say, hear=hear, patience=self._patience)
        except errors.DispatchError as error:
            say(not_paired(error))
            return Exit.DENIED if isinstance(error, errors.RefusedByPerson) else Exit.FAILED
        say({"event": "paired", "host": pairing.host_name, "pair_id": pairing.pair_id.hex()})
        return Exit.DONE

    async def _unpair(self, request: Request, say: Say, _: Hear) -> int:
        host = self._phone.host(request["host"])
        await self._phone.drop_line(host.pair_id)
        self._phone.end_locally(host.pair_id)
        told = await self.tell_service()
        say({"event": "unpaired", "host": host.host_name, "pair_id": host.pair_id.hex(), "service_told": told})
        return Exit.DONE

    async def tell_service(self) -> bool:
        """Tell the pairing service which pairings were ended here; tells whether it knows of all of them."""
        told = True
        for pairing in self._store.pairings.all():
            if pairing.state is PairingState.ENDED and not pairing.service_told:
                try:
                    async with asyncio.timeout(self._patience.told_seconds), self._client() as client:
                        await client.end_pairing(pairing.pair_id)
                except (errors.DispatchError, TimeoutError):
                    told = False
                    continue
                with self._store.transaction():
                    self._store.pairings.set_told(pairing.pair_id)
        return told

    def _client(self) -> PairingClient:
        """Open a line to the pairing service as a device: ending a pairing needs the key and no sign-in."""
        signed_in, key = SignIn.required(self._phone.home), DeviceKey.load(self._phone.secrets)
        if key is None:
            raise errors.SignInRequired
        identity = key.identity(DeviceKind.DEVICE_KIND_PHONE)
        return PairingClient(
            server=signed_in.server,
            identity=identity,
            dialler=signed_in.dialler(plaintext=self._phone.plaintext),
        )

    # ---- Tasks.

    async def _send(self, request: Request, say: Say, _: Hear) -> int:
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
        attached = await self._attached(request, stack, known, task_id=task_id, host=host)
        line = self._phone.line(host)
        if known is None:
            known = Task(
                task_id=task_id,
                pair_id=host.pair_id,
                text=text,
                made_at_ms=self._phone.clock.wall_ms(),
                after_number=line.head.number,
                state=State.NEW,
                action=_action(
                    task_id, text, attached
                ),  # every attempt sends these bytes, whatever happens here meanwhile
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
                say(
                    {"task_id": str(UUID(bytes=task_id)), "host": host.host_name, "at": self._phone.clock.wall_ms()}
                    | event
                )

            sending = asyncio.create_task(self._bring(line, command, attached, say_of_task))
        else:
            sending = None

        async def stop_sending() -> None:
            if sending is not None:
                await _stop(sending)
                line.attended.discard(task_id)
                self._give_up(line, task_id)

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
            line.bell.ring()
            return None
        return await self._sender(line).send(command)

    def _sender(self, line: Line) -> Sender:
        return Sender(line, self._store, clock=self._phone.clock, rng=self._phone.rng, patience=self._patience)

    async def _resend(self, request: Request, say: Say, hear: Hear) -> int:
        """Send a task again: its next attempt, or what has become of it meanwhile."""
        task = self._outbox.task(request["id"])
        again = {"text": task.text, "host": task.pair_id.hex(), "wait": request["wait"], "id": request["id"]}
        return await self._send(request | again, say, hear)

    def _give_up(self, line: Line, task_id: TaskId) -> None:
        """Leave no task in the air: what was never posted will never be."""
        if line.ledger.view(task_id).state is State.NEW:
            with self._store.transaction():
                line.ledger.not_sent(task_id, Reason.REASON_NO_NETWORK)

    async def _cancel(self, request: Request, say: Say, _: Hear) -> int:
        task = self._store.tasks.get(TaskId(UUID(request["id"]).bytes))
        pairing = self._store.pairings.get(task.pair_id) if task is not None else None
        if task is None or pairing is None:
            raise errors.TaskUnknown
        line = self._phone.line(pairing)
        if line.ledger.view(task.task_id).over:
            raise errors.TaskOver
        action = words.Action(cancel=words.Cancel(), action_id=self._phone.rng(ID_BYTES))
        command = Command(task_id=task.task_id, what=CANCEL, action=action.SerializeToString())
        post = await self._sender(line).send(command)
        if post is None or post.verdict is Verdict.NEVER_STORED:
            raise errors.NoNetwork
        if post.verdict is Verdict.REFUSED:
            raise refusal_of(post)
        if post.verdict is Verdict.TAKEN:
            say({"event": "cancelling", "task_id": str(UUID(bytes=task.task_id)), "at": self._phone.clock.wall_ms()})
        await line.bell.until(lambda: line.ledger.view(task.task_id).over, self._patience.cancelled_seconds)
        view = line.ledger.view(task.task_id)
        say(last_line(view) | {"task_id": str(UUID(bytes=task.task_id)), "host": pairing.host_name})
        if view.state is State.CANCELLED:
            return Exit.DONE
        return Exit.REFUSED if view.over else Exit.NOT_OVER

    # ---- What there is to see.

    async def _tasks(self, request: Request, say: Say, hear: Hear) -> int:
        await asyncio.gather(*(self._sync(host) for host in self._phone.hosts()))
        return await self._outbox.list_tasks(request, say, hear)

    async def _sync(self, host: Pairing) -> None:
        """Hear what is new, for a moment at most. What is known is shown without a network, too."""
        if host.state is PairingState.ENDED:
            return
        with contextlib.suppress(errors.SignInRequired, errors.NotPaired):
            line = self._phone.line(host)
            await line.bell.until(lambda: line.final or line.complete or _quiet(line), self._patience.sync_seconds)

    async def _thread(self, request: Request, say: Say, _: Hear) -> int:
        every = self._store.pairings.all()
        host = self._with_thread(request["host"], every)
        if request.get("verify"):
            return await proving.verify(self._phone, host, say)
        if (file := request.get("export")) is not None:
            return await proving.write(self._phone, host, Path(file), replace=request["force"], say=say)
        await self._sync(host)
        for pairing in every:
            if pairing.host_key == host.host_key:
                for event in lines_of(self._store, pairing):
                    say(event)
        return Exit.DONE

    async def _list_files(self, request: Request, say: Say, _: Hear) -> int:
        every = self._store.pairings.all()
        host = self._with_thread(request["host"], every)
        await self._sync(host)
        self._files.listed([one for one in every if one.host_key == host.host_key], say)
        return Exit.DONE

    async def _get_file(self, request: Request, say: Say, _: Hear) -> int:
        host = self._phone.host(request["host"])
        await self._sync(host)
        return await self._files.get(
            request["what"],
            Path(request["into"]),
            host,
            replace=request["force"],
            most_bytes=request["most_bytes"],
            say=say,
        )

    def _with_thread(self, name: str | None, every: list[Pairing]) -> Pairing:
        """Find the host whose thread is meant; one that is no longer paired has one, too."""
        former = [one for one in every if one.state is PairingState.ENDED and name in (None, one.host_name)]
        current = [one.host_name for one in self._phone.hosts()]
        if former and (not current if name is None else name not in current):
            return former[-1]
        return self._phone.host(name)

    async def _doctor(self, request: Request, say: Say, _: Hear) -> int:
        from dispatch.doctor import telling  # noqa: PLC0415 -- one command needs it

        from mobile_sim.doctor import examine  # noqa: PLC0415 -- as above

        every = []
        async for found in examine(self._phone, host=request["host"], patience=self._patience):
            every.append(found)
            say(telling.event_of(found))
        verdict = telling.verdict_of(every)
        say(verdict)
        return telling.exit_of_verdict(verdict)


@contextlib.asynccontextmanager
async def opened_desk(
    home: Home, *, clock: Clock, rng: Rng, plaintext: bool, way: Way = Way.AUTO, patience: Patience = USUAL
) -> AsyncIterator[Desk]:
    """Open the phone of a home that this process owns, and a desk on it."""
    async with Phone.opened(home, clock=clock, rng=rng, plaintext=plaintext, way=way) as phone:
        desk = Desk(phone, patience)
        telling = asyncio.create_task(desk.tell_service())
        try:
            yield desk
        finally:
            await _stop(telling)


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
        "task_id": str(UUID(bytes=task_id)),
        "host": host.host_name,
        "at": at_ms,
        "text": error.sentence,
        "reason": errors.word(error.reason),
        "advice": error.advice,
    }


def _quiet(line: Line) -> bool:
    """Whether nothing more will come: the log is read and the host is away."""
    return line.caught_up and line.host_absent


async def _stop(task: asyncio.Task[object] | None) -> None:
    if task is not None:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
