"""Watches everything that a person may look at on a screen, and says what is new for as long as they look. Called by `desk`.

What is there when the look begins comes first: how the phone and its computers are, then each thread, oldest first. From then on
only what changed is said; docs/phone.md, "On a screen".
"""

from __future__ import annotations

import contextlib
from uuid import UUID

from dispatch import errors
from dispatch.api.thread.v1.thread_pb2 import DownLiveItem
from dispatch.ids import PairId, TaskId

from mobile_sim.bell import Bell
from mobile_sim.hosts import Hosts
from mobile_sim.line import Line
from mobile_sim.outbox import Outbox
from mobile_sim.owner import Event, Hear, Request, Say
from mobile_sim.phone import Phone
from mobile_sim.store import Pairing, PairingState, Task
from mobile_sim.task_view import ON_THE_WAY, UNSENT, WITH_HOST
from mobile_sim.thread_view import line_of

_OPEN = ON_THE_WAY | WITH_HOST | UNSENT
_PASSES_BY_ITSELF = frozenset({"heard_ms_ago", "asked_for_ms"})
"""What grows with time alone is no news."""


class Watching:
    """All that a phone has to show, for those who watch it."""

    def __init__(self, phone: Phone, hosts: Hosts, outbox: Outbox) -> None:
        self._phone = phone
        self._hosts = hosts
        self._outbox = outbox
        self._changed = Bell()
        self._changes = 0

    def something_changed(self) -> None:
        """Hear that a command is through: there may be another sign-in, another pairing, another task."""
        self._changes += 1
        self._changed.ring()

    async def watch(self, request: Request, say: Say, _: Hear) -> int:
        """Say all that there is, `last` events of each thread at most, then all that is new. Ends by being cancelled only."""
        bell = Bell()
        with contextlib.ExitStack() as stack:
            stack.enter_context(self._changed.also_ringing(bell))
            looks = _Looks(self._phone, bell, say)
            stack.callback(looks.close)
            news = _News(self._phone, self._hosts, self._outbox, looks, last=request["last"], say=say)
            while True:
                looks.keep(self._phone.hosts(), self._changes)
                news.tell()
                await bell.heard()


class _Looks:
    """The lines that are looked at: each rings the bell, and brings what is said in passing."""

    def __init__(self, phone: Phone, bell: Bell, say: Say) -> None:
        self._phone = phone
        self._bell = bell
        self._say = say
        self._lines: dict[PairId, Line] = {}
        self._kept: dict[PairId, contextlib.ExitStack] = {}
        self._tried: dict[PairId, int] = {}

    def line(self, pair_id: PairId) -> Line | None:
        """Give the line of a pairing; one that is over says why."""
        return self._lines.get(pair_id)

    def keep(self, hosts: list[Pairing], changes: int) -> None:
        """Look at these and no others. One that is over is opened anew when a command has changed something."""
        for gone in self._kept.keys() - {host.pair_id for host in hosts}:
            self._drop(gone)
        for host in hosts:
            line = self._lines.get(host.pair_id)
            if (line is None or line.final) and self._tried.get(host.pair_id) != changes:
                self._tried[host.pair_id] = changes
                self._look_at(host)

    def close(self) -> None:
        """Look away from all."""
        for pair_id in list(self._kept):
            self._drop(pair_id)

    def _look_at(self, host: Pairing) -> None:
        try:
            line = self._phone.line(host)
        except errors.DispatchError:
            return  # not signed in, or the keys are gone: the status says so
        self._drop(host.pair_id)
        stack = self._kept[host.pair_id] = contextlib.ExitStack()
        stack.enter_context(line.bell.also_ringing(self._bell))
        stack.enter_context(line.looked_at())

        def partial(task_id: TaskId, item: DownLiveItem) -> None:
            said = item.partial_text
            event = {"event": "text", "partial": True, "delta": said.delta, "offset": said.offset}
            self._say(event | {"task_id": str(UUID(bytes=task_id))} | _place(host))

        line.partial_listeners.add(partial)
        stack.callback(line.partial_listeners.discard, partial)
        self._lines[host.pair_id] = line

    def _drop(self, pair_id: PairId) -> None:
        self._lines.pop(pair_id, None)
        if (stack := self._kept.pop(pair_id, None)) is not None:
            stack.close()


class _News:
    """What one watcher has been told, and what is new."""

    def __init__(self, phone: Phone, hosts: Hosts, outbox: Outbox, looks: _Looks, *, last: int, say: Say) -> None:
        self._phone = phone
        self._store = phone.store
        self._hosts = hosts
        self._outbox = outbox
        self._looks = looks
        self._last = last
        self._say = say
        self._status: Event = {}
        self._numbers: dict[PairId, int] = {}
        self._tasks: dict[TaskId, Event] = {}
        self._open: dict[PairId, set[TaskId]] = {}

    def tell(self) -> None:
        """Say what is new."""
        every = self._store.pairings.all()
        self._tell_status(every)
        for pairing in every:
            if pairing.pair_id not in self._numbers:
                self._tell_past(pairing)
            else:
                self._tell_tasks(pairing)
                self._tell_events(pairing)

    def _tell_status(self, every: list[Pairing]) -> None:
        current = [one for one in every if one.state is not PairingState.ENDED]
        status = self._hosts.who() | {
            "hosts": [self._hosts.known(one, self._looks.line(one.pair_id)) | _place(one) for one in current],
            "former": [_place(one) for one in every if one.state is PairingState.ENDED],
        }
        if _lasting(status) != self._status:
            self._status = _lasting(status)
            self._say(status)

    def _tell_past(self, pairing: Pairing) -> None:
        """Say a thread from where the look begins: the host's events, and between them the tasks that it never had."""
        first = max(0, self._store.thread.last_number(pairing.pair_id) - self._last)
        self._numbers[pairing.pair_id] = first
        if first:
            self._say({"event": "earlier", "number": first} | _place(pairing))
        tasks = [
            task
            for task in self._store.tasks.of_pairing(pairing.pair_id)
            if task.state in _OPEN or (task.here and task.after_number >= first)
        ]
        for task in sorted(tasks, key=lambda one: one.after_number):
            self._tell_events(pairing, up_to=task.after_number)
            self._tell_task(pairing, task)
        self._open[pairing.pair_id] = {task.task_id for task in tasks}
        self._tell_events(pairing)

    def _tell_events(self, pairing: Pairing, *, up_to: int | None = None) -> None:
        for stored in self._store.thread.events(pairing.pair_id, after=self._numbers[pairing.pair_id]):
            if up_to is not None and stored.number > up_to:
                return
            self._numbers[pairing.pair_id] = stored.number
            if stored.shown:
                self._say(line_of(stored) | _place(pairing))

    def _tell_tasks(self, pairing: Pairing) -> None:
        now = {task.task_id: task for task in self._store.tasks.in_states(pairing.pair_id, _OPEN)}
        for gone in self._open.get(pairing.pair_id, set()) - now.keys():
            if (task := self._store.tasks.get(gone)) is not None:
                self._tell_task(pairing, task)
        for task in now.values():
            self._tell_task(pairing, task)
        self._open[pairing.pair_id] = set(now)

    def _tell_task(self, pairing: Pairing, task: Task) -> None:
        told = self._outbox.stands(task) | _place(pairing)
        if _lasting(told) != self._tasks.get(task.task_id):
            self._tasks[task.task_id] = _lasting(told)
            self._say(told)


def _place(pairing: Pairing) -> Event:
    """Name the thread: that of a host's key, which outlives its pairings."""
    return {"host": pairing.host_name, "pair_id": pairing.pair_id.hex(), "thread": pairing.host_key.hex()}


def _lasting(event: Event) -> Event:
    kept = {name: value for name, value in event.items() if name not in _PASSES_BY_ITSELF}
    return kept | ({"hosts": [_lasting(host) for host in event["hosts"]]} if "hosts" in event else {})
