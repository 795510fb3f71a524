"""Does what a command asks of the phone: one method a command. Events go out through `say` as docs/cli.md has them.

Runs in the process that owns the home, for itself and for others (`owner`). Prints nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from uuid import UUID

from dispatch import errors
from dispatch.api.error.v1.error_pb2 import Reason
from dispatch.api.relay.v1.relay_pb2 import DeviceKind, Reachability
from dispatch.api.thread.v1 import thread_pb2 as words
from dispatch.cli import Exit, exit_of
from dispatch.clock import Clock
from dispatch.device import awake_words, service_clock
from dispatch.device.home import Home
from dispatch.device.keys import DeviceKey
from dispatch.device.pairing_client import PairingClient
from dispatch.device.sign_in import SignIn
from dispatch.ids import ID_BYTES, Rng, TaskId

from mobile_sim import proving
from mobile_sim.account import Account
from mobile_sim.follow import Follow
from mobile_sim.ledger import CANCEL, TASK
from mobile_sim.line import Line
from mobile_sim.owner import Event, Hear, Request, Say
from mobile_sim.phone import Phone
from mobile_sim.sending import Command, Sender, refusal_of
from mobile_sim.store import Pairing, PairingState, Task, Verdict
from mobile_sim.task_view import ON_THE_WAY, WITH_HOST, State, last_line
from mobile_sim.thread_view import lines_of

LONGEST_TEXT_BYTES = 48 * 1024
SYNC_SECONDS = 2.0
STATUS_SECONDS = 3.0
CANCELLED_WITHIN_SECONDS = 15.0
GOODBYE_SECONDS = 3.0


class Desk:
    """Carries out requests on one phone."""

    def __init__(self, phone: Phone) -> None:
        self._phone = phone
        self._account = Account(phone)
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
            "hosts": self._hosts,
            "send": self._send,
            "cancel": self._cancel,
            "thread": self._thread,
            "status": self._status,
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
            pairing = await meet(self._phone, request["link"], say=say, hear=hear)
        except errors.DispatchError as error:
            say(not_paired(error))
            return Exit.DENIED if isinstance(error, errors.RefusedByPerson) else Exit.FAILED
        say({"event": "paired", "host": pairing.host_name, "pair_id": pairing.pair_id.hex()})
        return Exit.DONE

    async def _hosts(self, _request: Request, say: Say, _: Hear) -> int:
        for host in self._phone.hosts():
            say({"event": "host", **_host(host)})
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
                    async with asyncio.timeout(GOODBYE_SECONDS), self._client() as client:
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
        text, task_id = request["text"], TaskId(UUID(request["id"]).bytes)
        _check_text(text)
        known = self._store.tasks.get(task_id)
        host = self._phone.host(request["host"] or (known.pair_id.hex() if known else None))
        refused = _refused_here(text, known, host)
        if refused is not None:
            say(_last_of(task_id, host, refused, self._phone.clock.wall_ms()))
            return exit_of(refused)
        line = self._phone.line(host)
        if known is None:
            known = Task(
                task_id=task_id,
                pair_id=host.pair_id,
                text=text,
                made_at_ms=self._phone.clock.wall_ms(),
                after_number=line.head.number,
                state=State.NEW,
            )
            with self._store.transaction():
                self._store.tasks.add(known)
        follow = Follow(line, self._store, known, host=host.host_name, clock=self._phone.clock, say=say)
        if follow.resolved_by(request):
            action = words.Action(task=words.Task(text=text), action_id=task_id)
            command = Command(task_id=task_id, what=TASK, action=action.SerializeToString())
            sender = Sender(line, self._store, clock=self._phone.clock, rng=self._phone.rng)
            line.attended.add(task_id)
            sending = asyncio.create_task(sender.send(command))
        else:
            sending = None

        async def stop_sending() -> None:
            await _stop(sending)
            line.attended.discard(task_id)
            self._give_up(line, task_id)

        try:
            with line.looked_at():
                return await follow.to_the_end(request["wait"], sending=sending, stop_sending=stop_sending)
        finally:
            await stop_sending()

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
        post = await Sender(line, self._store, clock=self._phone.clock, rng=self._phone.rng).send(command)
        if post is None or post.verdict is Verdict.NEVER_STORED:
            raise errors.NoNetwork
        if post.verdict is Verdict.REFUSED:
            raise refusal_of(post)
        say({"event": "cancelling", "task_id": str(UUID(bytes=task.task_id)), "at": self._phone.clock.wall_ms()})
        await line.bell.until(lambda: line.ledger.view(task.task_id).over, CANCELLED_WITHIN_SECONDS)
        view = line.ledger.view(task.task_id)
        say(last_line(view) | {"task_id": str(UUID(bytes=task.task_id)), "host": pairing.host_name})
        if view.state is State.CANCELLED:
            return Exit.DONE
        return Exit.REFUSED if view.over else Exit.NOT_OVER

    # ---- What there is to see.

    async def _thread(self, request: Request, say: Say, _: Hear) -> int:
        every = self._store.pairings.all()
        host = self._with_thread(request["host"], every)
        if request.get("verify"):
            return await proving.verify(self._phone, host, say)
        if (file := request.get("export")) is not None:
            return await proving.write(self._phone, host, Path(file), replace=request["force"], say=say)
        if host.state is not PairingState.ENDED:
            with contextlib.suppress(errors.SignInRequired, errors.NotPaired):
                line = self._phone.line(host)
                await line.bell.until(lambda: line.final or line.complete or _quiet(line), SYNC_SECONDS)
        for pairing in every:
            if pairing.host_key == host.host_key:
                for event in lines_of(self._store, pairing):
                    say(event)
        return Exit.DONE

    def _with_thread(self, name: str | None, every: list[Pairing]) -> Pairing:
        """Find the host whose thread is meant; one that is no longer paired has one, too."""
        former = [one for one in every if one.state is PairingState.ENDED and name in (None, one.host_name)]
        current = [one.host_name for one in self._phone.hosts()]
        if former and (not current if name is None else name not in current):
            return former[-1]
        return self._phone.host(name)

    async def _status(self, _request: Request, say: Say, _: Hear) -> int:
        signed_in = SignIn.load(self._phone.home)
        status: Event = {
            "event": "status",
            "signed_in": signed_in is not None and bool(self._phone.session.token),
            "account": signed_in.account if signed_in else None,
            "server": signed_in.server if signed_in else None,
            "device": signed_in.device_name if signed_in else None,
            "key_store": self._phone.secrets.kind,
            "clock_off_ms": None,
        }
        status["hosts"] = await asyncio.gather(*(self._host_status(host) for host in self._phone.hosts()))
        status["clock_off_ms"] = service_clock.off_ms(self._phone.home)  # behind the lines, which may hear the time
        say(status)
        return Exit.DONE

    async def _host_status(self, host: Pairing) -> Event:
        status = _host(host)
        reason = ""
        try:
            line = self._phone.line(host)
            await line.bell.until(
                lambda: line.final or line.presence is not None or line.error is not None, STATUS_SECONDS
            )
            if line.presence is not None:
                status |= _presence(line)
                status["keep_awake"] = await self._awake(line)
            elif line.error is not None:
                reason = errors.word(line.error.reason)
            else:
                reason = errors.word(Reason.REASON_NO_NETWORK)
        except errors.DispatchError as error:
            reason = errors.word(error.reason)
        if reason:
            why = errors.of_word(reason)
            status |= {"reachability": "unknown", "reason": reason, "text": why.sentence, "advice": why.advice}
        tasks = self._store.tasks.in_states(host.pair_id, ON_THE_WAY | WITH_HOST)
        status["tasks"] = [
            {"task_id": str(UUID(bytes=task.task_id)), "state": task.state, "text": task.text} for task in tasks
        ]
        return status

    async def _awake(self, line: Line) -> Event | None:
        """Give what the host says of being kept awake; one that is there has a moment to say how it is now."""
        await line.bell.until(lambda: line.final or line.host_absent or line.complete, STATUS_SECONDS)
        pairing = self._store.pairings.get(line.pair_id)
        return _host(pairing)["keep_awake"] if pairing is not None else None


@contextlib.asynccontextmanager
async def opened_desk(home: Home, *, clock: Clock, rng: Rng, plaintext: bool) -> AsyncIterator[Desk]:
    """Open the phone of a home that this process owns, and a desk on it."""
    async with Phone.opened(home, clock=clock, rng=rng, plaintext=plaintext) as phone:
        desk = Desk(phone)
        telling = asyncio.create_task(desk.tell_service())
        try:
            yield desk
        finally:
            await _stop(telling)


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


def _host(host: Pairing) -> Event:
    event: Event = {
        "host": host.host_name,
        "pair_id": host.pair_id.hex(),
        "state": host.state.value,
        "paired_at": host.made_at_ms,
        "holes": host.holes,
        "keep_awake": awake_words.told(words.KeepAwake.FromString(host.keep_awake)) if host.keep_awake else None,
    }
    return event | ({"reason": host.reason} if host.reason else {})


_REACHABILITY = {
    Reachability.REACHABILITY_REACHABLE: "reachable",
    Reachability.REACHABILITY_RECONNECTING: "reconnecting",
    Reachability.REACHABILITY_ABSENT: "absent",
}


def _presence(line: Line) -> Event:
    if line.presence is None:
        return {}
    event: Event = {
        "reachability": _REACHABILITY.get(line.presence.state, "unknown"),
        "since": line.presence.since_ms,
        "last_heard": line.presence.last_heard_ms,
    }
    if line.presence.state == Reachability.REACHABILITY_ABSENT:
        error = errors.of(line.absence)
        event |= {"reason": errors.word(error.reason), "text": error.sentence, "advice": error.advice}
    return event


def _quiet(line: Line) -> bool:
    """Whether nothing more will come: the log is read and the host is away."""
    return line.caught_up and line.host_absent


async def _stop(task: asyncio.Task[object] | None) -> None:
    if task is not None:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
