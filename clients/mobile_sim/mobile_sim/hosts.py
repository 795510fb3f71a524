"""`hosts` and `status`: how this phone's computers are, by the relay's word, and asked for it by their own. Called by `desk`."""

from __future__ import annotations

import asyncio

from dispatch import errors
from dispatch.api.relay.v1.relay_pb2 import Reachability
from dispatch.api.thread.v1 import thread_pb2 as words
from dispatch.cli import Exit
from dispatch.device import awake_words, permission_words, service_clock
from dispatch.device.sign_in import SignIn
from dispatch.device.telling import task_word
from dispatch.words import ENGLISH

from mobile_sim.line import Line
from mobile_sim.outbox import Outbox
from mobile_sim.owner import Event, Hear, Request, Say
from mobile_sim.patience import Patience
from mobile_sim.phone import Phone
from mobile_sim.store import Pairing
from mobile_sim.task_view import State


class Hosts:
    """The computers of one phone."""

    def __init__(self, phone: Phone, outbox: Outbox, patience: Patience) -> None:
        self._phone = phone
        self._patience = patience
        self._outbox = outbox

    async def show(self, request: Request, say: Say, _: Hear) -> int:
        """List the computers, with how each is."""
        for status in await self._host_statuses(request):
            say({"event": "host"} | {name: value for name, value in status.items() if name != "tasks"})
        return Exit.DONE

    async def status(self, request: Request, say: Say, _: Hear) -> int:
        """Say who this phone is and how its computers are."""
        hosts = await self._host_statuses(request)
        say(self.who() | {"hosts": hosts})  # behind the lines, which may hear the time
        return Exit.DONE

    def who(self) -> Event:
        """Say who this phone is."""
        signed_in = SignIn.load(self._phone.home)
        return {
            "event": "status",
            "signed_in": signed_in is not None and bool(self._phone.session.token),
            "account": signed_in.account if signed_in else None,
            "server": signed_in.server if signed_in else None,
            "device": signed_in.device_name if signed_in else None,
            "key_store": self._phone.secrets.kind,
            "clock_off_ms": service_clock.off_ms(self._phone.home),
        }

    def known(self, host: Pairing, line: Line | None) -> Event:
        """Say how a computer is as far as is known now, without its tasks. Opens no line and waits for nothing."""
        status = _host(self._phone.store.pairings.get(host.pair_id) or host)
        status["path"] = line.path or None if line is not None else None
        if line is not None and line.seen:
            return status | _presence(line)
        if line is not None and line.error is not None:
            return status | _not_known(line.error)
        return status | {"reachability": "unknown"}

    async def _probe(self, line: Line) -> Event:
        """Ask the host itself, from end to end."""
        await line.bell.until(lambda: line.final or line.in_session or line.host_absent, self._patience.session_seconds)
        asked = await line.probe(self._patience.probe_seconds)
        if asked is None:
            why = errors.of(line.sight.cause) if line.host_absent else errors.PeerAbsent("the computer did not answer")
            return {"answered": False, "reason": errors.word(why.reason), "text": why.sentence, "advice": why.advice}
        running = task_word(asked.running_task_id) if asked.running_task_id else None
        return {
            "answered": True,
            "round_trip_ms": asked.round_trip_ms,
            "busy": asked.busy,
            "running_task_id": running,
            "waiting_tasks": asked.waiting_tasks,
        }

    async def _host_statuses(self, request: Request) -> list[Event]:
        probe = bool(request.get("probe"))
        return await asyncio.gather(*(self._host_status(host, probe=probe) for host in self._phone.hosts()))

    async def _host_status(self, host: Pairing, *, probe: bool) -> Event:
        try:
            status = await self._met(self._phone.line(host), host, probe=probe)
        except errors.DispatchError as error:
            status = self.known(host, None) | _not_known(error)
        status["tasks"] = [told for told in self._outbox.open_tasks(host.pair_id) if told["state"] != State.DISMISSED]
        return status

    async def _met(self, line: Line, host: Pairing, *, probe: bool) -> Event:
        """Give a host a moment to show itself, and the relay one to say how it is."""
        await line.bell.until(lambda: line.final or line.seen or line.error is not None, self._patience.status_seconds)
        await line.bell.until(lambda: line.path_settled, self._patience.direct_seconds)
        if not line.seen:
            return self.known(host, line) | ({} if line.error is not None else _not_known(errors.NoNetwork()))
        await line.presence_now(self._patience.presence_seconds)
        probed = {"probe": await self._probe(line)} if probe else {}
        # One that is there has a moment to say what it says of itself.
        await line.bell.until(lambda: line.final or line.host_absent or line.complete, self._patience.status_seconds)
        return self.known(host, line) | probed


def _host(host: Pairing) -> Event:
    event: Event = {
        "host": host.host_name,
        "pair_id": host.pair_id.hex(),
        "state": host.state.value,
        "paired_at": host.made_at_ms,
        "holes": host.holes,
        "keep_awake": awake_words.told(words.KeepAwake.FromString(host.keep_awake)) if host.keep_awake else None,
    }
    permitted = None if host.permissions is None else words.Permissions.FromString(host.permissions)
    event |= {"permissions": None, "always": None} if permitted is None else permission_words.told(permitted)
    return event | ({"reason": host.reason} if host.reason else {})


_UNSTEADY = ENGLISH.cases["UNSTEADY"].sentence
_REACHABILITY = {
    Reachability.REACHABILITY_REACHABLE: "reachable",
    Reachability.REACHABILITY_RECONNECTING: "reconnecting",
    Reachability.REACHABILITY_ABSENT: "absent",
}


def _not_known(why: errors.DispatchError) -> Event:
    return {
        "reachability": "unknown",
        "reason": errors.word(why.reason),
        "text": why.sentence,
        "advice": why.advice,
    }


def _presence(line: Line) -> Event:
    if line.direct_open:
        return {"reachability": "reachable", "heard_ms_ago": line.heard_ms_ago}
    if (presence := line.sight.presence) is None:
        return {}
    event: Event = {
        "reachability": _REACHABILITY.get(presence.state, "unknown"),
        "since": presence.since_ms,
        "last_heard": presence.last_heard_ms,
        "heard_ms_ago": line.heard_ms_ago,
    }
    if line.sight.unsteady:
        event |= {"unsteady": True, "warning": _UNSTEADY}
    if line.sight.gone:
        error = errors.of(line.sight.cause)
        event |= {"reason": errors.word(error.reason), "text": error.sentence, "advice": error.advice}
    return event
