"""Does what a command asks of the phone: one method a command. Events go out through `say` as docs/cli.md has them.

Runs in the process that owns the home, for itself and for others (`owner`). Prints nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

from dispatch import errors
from dispatch.api.relay.v1.relay_pb2 import DeviceKind
from dispatch.cli import Exit
from dispatch.clock import Clock
from dispatch.device.home import Home
from dispatch.device.keys import DeviceKey
from dispatch.device.pairing_client import PairingClient
from dispatch.device.sign_in import SignIn
from dispatch.ids import Rng
from dispatch.tracing import UNTOLD, Traces

from mobile_sim.account import Account
from mobile_sim.answering import Answering
from mobile_sim.asking import Asking
from mobile_sim.direct import Way
from mobile_sim.files import Files
from mobile_sim.hosts import Hosts
from mobile_sim.line import Line
from mobile_sim.outbox import Outbox
from mobile_sim.owner import Hear, Request, Say
from mobile_sim.patience import USUAL, Patience
from mobile_sim.phone import Phone
from mobile_sim.shown import Shown
from mobile_sim.store import Pairing, PairingState
from mobile_sim.thread_view import lines_of
from mobile_sim.watching import Watching

_ABOUT_A_TASK = frozenset({"resend", "drop", "dismiss", "cancel", "answer", "steer"})


class Desk:
    """Carries out requests on one phone."""

    def __init__(self, phone: Phone, patience: Patience = USUAL) -> None:
        self._phone = phone
        self._patience = patience
        self._account = Account(phone)
        self._files = Files(phone, patience)
        self._outbox = Outbox(phone)
        self._asking = Asking(phone, files=self._files, outbox=self._outbox, patience=patience)
        self._hosts = Hosts(phone, self._outbox, patience)
        self._shown = Shown(phone.store)
        self._answering = Answering(phone, patience, self._shown)
        self._watching = Watching(phone, self._hosts, self._outbox)
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
            "send": self._asking.send,
            "files": self._list_files,
            "files_get": self._get_file,
            "resend": self._asking.resend,
            "outbox": self._outbox.show,
            "drop": self._outbox.drop,
            "tasks": self._tasks,
            "dismiss": self._outbox.dismiss,
            "cancel": self._answering.cancel,
            "answer": self._answering.answer,
            "steer": self._answering.steer,
            "thread": self._thread,
            "status": self._hosts.status,
            "doctor": self._doctor,
            "notifications": self._notify,
            "notifications_set": self._notify,
            "notifications_open": self._notify,
            "unpair": self._unpair,
            "devices": self._account.as_owner,
            "rename": self._account.as_owner,
            "revoke": self._account.as_owner,
            "history": self._account.as_owner,
        }
        if request["do"] == "watch":
            return await self._watching.watch(request, say, hear)
        if request["do"] in _ABOUT_A_TASK:
            request = request | {"id": self._outbox.whole(request["id"])}
        try:
            with self._shown.noted(request, say) as say_and_note:
                return await commands[request["do"]](request, say_and_note, hear)
        finally:
            self._watching.something_changed()

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
        if request.get("verify") or request.get("export") is not None:
            from mobile_sim import proving  # noqa: PLC0415 -- what a proof is made of

            if request.get("verify"):
                return await proving.verify(self._phone, host, say)
            return await proving.write(self._phone, host, Path(request["export"]), replace=request["force"], say=say)
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

    async def _notify(self, request: Request, say: Say, hear: Hear) -> int:
        from mobile_sim.notifying import Notifying  # noqa: PLC0415 -- the keys of pushes, which these commands need

        return await Notifying(self._phone, self._patience).do(request, say, hear)

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
    home: Home,
    *,
    clock: Clock,
    rng: Rng,
    plaintext: bool,
    way: Way = Way.AUTO,
    patience: Patience = USUAL,
    traces: Traces = UNTOLD,
) -> AsyncIterator[Desk]:
    """Open the phone of a home that this process owns, and a desk on it."""
    async with Phone.opened(home, clock=clock, rng=rng, plaintext=plaintext, way=way, traces=traces) as phone:
        desk = Desk(phone, patience)
        telling = asyncio.create_task(desk.tell_service())
        try:
            yield desk
        finally:
            telling.cancel()
            await asyncio.gather(telling, return_exceptions=True)


def _quiet(line: Line) -> bool:
    """Whether nothing more will come: the log is read and the host is away."""
    return line.caught_up and line.host_absent
