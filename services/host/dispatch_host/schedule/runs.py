"""What becomes of due times in one transaction: tasks begun, events written, and up to when all was dealt with, together.

Called by the scheduler through `Journal.step`. A crash leaves all of it on the disk or nothing: each due time has at most one
task.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import tzinfo

from dispatch import errors
from dispatch.api.error.v1.error_pb2 import Reason
from dispatch.ids import ID_BYTES, MessageId

from dispatch_host import entries, in_line
from dispatch_host.admission import WAITING_LIMIT
from dispatch_host.journal import Tx, outbox, schedules, tasks, threads
from dispatch_host.schedule.entry import Deal, Entry, Hold, Rest, Run, Tell, look, task_id_of
from dispatch_host.scribe import Scribe
from dispatch_host.tasks import OPEN

NO_REASON = Reason.REASON_UNSPECIFIED


@dataclass(slots=True)
class Looked:
    """What a look at all entries led to."""

    next_ms: int | None = None
    on_time: int = 0
    late: int = 0
    missed: int = 0

    @property
    def wrote(self) -> bool:
        return bool(self.on_time or self.late or self.missed)


def look_at_all(tx: Tx, scribe: Scribe, *, now_ms: int, undecided: int, zone: tzinfo) -> Looked:
    """Deal with everything that is due; gives when to look again. `undecided` counts commands that may become waiting tasks."""
    looked = Looked()
    for entry in schedules.every(tx):
        match look(entry, now_ms=now_ms, zone=zone, hindered=_hindered(tx, entry, undecided=undecided)):
            case Rest(until_ms=until_ms):
                if until_ms is not None:
                    looked.next_ms = min(until_ms, looked.next_ms or until_ms)
            case Hold(why=why):
                if why != entry.held:
                    schedules.hold(tx, entry.schedule_id, why)
            case Deal() as deal:
                _deal(tx, scribe, entry, deal, looked, now_ms=now_ms)
                looked.next_ms = now_ms  # look again: for the next time
    return looked


def _hindered(tx: Tx, entry: Entry, *, undecided: int) -> Reason.ValueType:
    """Say why no task of an entry can be begun."""
    if threads.pairing_of(tx, entry.thread) is None:
        return errors.NotPaired.reason
    last = tasks.find(tx, entry.last_task_id)
    if last is not None and last.state in OPEN:
        return errors.RunOvertaken.reason
    return errors.QueueFull.reason if tasks.count_queued(tx) + undecided >= WAITING_LIMIT else NO_REASON


def _deal(tx: Tx, scribe: Scribe, entry: Entry, deal: Deal, looked: Looked, *, now_ms: int) -> None:
    schedules.deal(tx, entry.schedule_id, until_ms=deal.until_ms)
    if deal.tell is not None:
        _tell(tx, scribe, entry, deal.tell)
        looked.missed += deal.tell.count
    if deal.run is not None and _begin(tx, scribe, entry, deal.run, now_ms=now_ms):
        looked.missed += deal.run.instead_of
        looked.late += deal.run.late
        looked.on_time += not deal.run.late


def _tell(tx: Tx, scribe: Scribe, entry: Entry, tell: Tell) -> None:
    pair_id = threads.pairing_of(tx, entry.thread)
    if pair_id is not None:
        scribe.write(tx, pair_id, [entries.missed(entry.schedule_id, entry.text, tell)])


def _begin(tx: Tx, scribe: Scribe, entry: Entry, run: Run, *, now_ms: int) -> bool:
    """Begin a task; False when this due time has one: the clock was set back over it."""
    task_id = task_id_of(entry.schedule_id, run.due_ms)
    pair_id = threads.pairing_of(tx, entry.thread)
    if pair_id is None or tasks.find(tx, task_id) is not None:
        return False
    task = tasks.begin(tx, task_id, pair_id=pair_id, thread=entry.thread, text=entry.text, at_ms=now_ms)
    schedules.ran(tx, entry.schedule_id, task_id, due_ms=run.due_ms)
    # The relay has not seen it, and is to report it, and to call the person should this host go away in the middle.
    outbox.add_go(tx, pair_id, MessageId(scribe.rng(ID_BYTES)), task_id)
    first = entries.scheduled(task_id, entry.schedule_id, entry.text, run)
    scribe.tell(tx, task, [first, *in_line.joins(tx, task)])
    return True
