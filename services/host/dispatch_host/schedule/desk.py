"""The schedule as its owner sets it up: entries added, listed, paused, taken out. Called by the operations, with or without a host.

Translates between the contract and the entries, and nothing else of the host does.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from dispatch import errors
from dispatch.api.host.v1 import host_pb2 as pb
from dispatch.ids import ID_BYTES

from dispatch_host import entries
from dispatch_host.admission import TEXT_BYTES
from dispatch_host.journal import Tx, schedules, tasks, threads
from dispatch_host.journal.values import Pairing
from dispatch_host.owned import Owned
from dispatch_host.schedule import words
from dispatch_host.schedule.entry import Entry
from dispatch_host.schedule.times import Times, checked, first_after
from dispatch_host.task_desk import task_status
from dispatch_host.tasks import State

MOST_ENTRIES = 64

ENDS_WITH_ITS_ENTRY = frozenset({State.WAITING, State.ACCEPTED, State.ASKING})
"""What becomes of an entry's run when the entry is taken out: one that works on goes on."""


class ScheduleDesk:
    """The owner's side of the schedule. `changed` is said when a running host has to look again."""

    def __init__(self, owned: Owned, *, changed: Callable[[], None]) -> None:
        self._owned = owned
        self._changed = changed

    async def add(self, wanted: pb.Schedule, pairing: Pairing) -> pb.Schedule:
        """Set up an entry for a phone. Raises BadRequest, TooLarge."""
        now_ms, zone = self._owned.clock.wall_ms(), self._owned.zone()
        text = entries.clean(wanted.text)
        if not text.strip():
            raise errors.BadRequest("there is nothing to do", metadata={"field": "text"})
        if len(text.encode()) > TEXT_BYTES:
            raise errors.TooLarge
        missed = words.missed(wanted)
        if missed is None:
            raise errors.BadRequest("missed is skip or once", metadata={"field": "missed"})
        entry = Entry(
            schedule_id=self._owned.rng(ID_BYTES),
            thread=pairing.thread,
            text=text,
            times=checked(Times(cron=wanted.cron, at=wanted.at), now_ms=now_ms, zone=zone),
            missed=missed,
            made_at_ms=now_ms,
            dealt_ms=now_ms,
        )

        def write(tx: Tx) -> pb.Schedule:
            if len(schedules.every(tx)) >= MOST_ENTRIES:
                raise errors.BadRequest(f"at most {MOST_ENTRIES} entries", metadata={"field": "schedule"})
            schedules.add(tx, entry)
            return self._told(tx, entry)

        added = await self._owned.journal.step(write)
        self._changed()
        return added

    async def listed(self) -> pb.ListSchedulesResponse:
        """List the entries, with when each is due next and what became of it last."""
        found = await self._owned.journal.step(lambda tx: [self._told(tx, entry) for entry in schedules.every(tx)])
        return pb.ListSchedulesResponse(schedules=found, zone=str(self._owned.zone()))

    async def remove(self, word: str) -> pb.Schedule:
        """Take an entry out. Raises ScheduleUnknown, TargetNeeded."""

        def write(tx: Tx) -> pb.Schedule:
            entry = _meant(tx, word)
            schedules.remove(tx, entry.schedule_id)
            return self._told(tx, replace(entry, paused=True))

        return await self._owned.journal.step(write)

    async def pause(self, word: str, *, paused: bool) -> pb.Schedule:
        """Let an entry rest, or go on behind this moment. Raises ScheduleUnknown, TargetNeeded."""
        now_ms = self._owned.clock.wall_ms()

        def write(tx: Tx) -> pb.Schedule:
            entry = _meant(tx, word)
            if entry.paused != paused:
                schedules.pause(tx, entry.schedule_id, paused=paused, now_ms=now_ms)
            return self._told(tx, _meant(tx, word))

        now = await self._owned.journal.step(write)
        self._changed()
        return now

    def _told(self, tx: Tx, entry: Entry) -> pb.Schedule:
        names = {pairing.thread: pairing.phone_name for pairing in threads.pairings(tx)}
        after_ms = max(entry.dealt_ms, self._owned.clock.wall_ms())
        following = None if entry.paused else first_after(entry.times, after_ms, self._owned.zone())
        told = pb.Schedule(
            schedule_id=entry.schedule_id,
            phone_name=names.get(entry.thread, ""),
            text=entry.text,
            missed=words.MISSED[entry.missed],
            paused=entry.paused,
            next_at_ms=following or 0,
            last_due_at_ms=entry.last_due_ms,
        )
        if entry.times.at:
            told.at = entry.times.at
        else:
            told.cron = entry.times.cron
        if (last := tasks.find(tx, entry.last_task_id)) is not None:
            told.last.CopyFrom(task_status(last, names))
        return told


def _meant(tx: Tx, word: str) -> Entry:
    """Find the entry whose id begins so."""
    found = [entry for entry in schedules.every(tx) if word and entry.schedule_id.hex().startswith(word.lower())]
    if not found:
        raise errors.ScheduleUnknown
    if len(found) > 1:
        raise errors.TargetNeeded("the ids of several entries begin so")
    return found[0]
