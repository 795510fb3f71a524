"""Tasks and the commands that made them. Functions over a step's transaction; which step may follow is `dispatch_host.tasks`'."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable

from dispatch import errors
from dispatch.api.error.v1.error_pb2 import Reason
from dispatch.ids import MessageId, PairId, TaskId

from dispatch_host.journal.values import StoredCommand, StoredTask, Verdict
from dispatch_host.journal.writer import Tx
from dispatch_host.tasks import OPEN, OUTCOMES, QUEUED, Event, State, after

NO_REASON = Reason.REASON_UNSPECIFIED


def find(tx: Tx, task_id: bytes) -> StoredTask | None:
    """Give a task."""
    return _one(tx.execute("SELECT * FROM task WHERE task_id = ?", (task_id,)).fetchone())


def open_task(tx: Tx, task_id: bytes) -> StoredTask:
    """Give a task that its owner may say something about. Raises TaskOver; TaskUnknown also of a command that never began."""
    task = find(tx, task_id)
    if task is None or task.state in {State.HANDED_OVER, State.REFUSED}:
        raise errors.TaskUnknown
    if task.state not in OPEN:
        raise errors.TaskOver
    return task


def in_states(tx: Tx, states: Iterable[State]) -> list[StoredTask]:
    """List tasks by state, in the order in which they were accepted."""
    wanted = list(states)
    marks = ", ".join("?" * len(wanted))
    rows = tx.execute(f"SELECT * FROM task WHERE state IN ({marks}) ORDER BY place", wanted)  # noqa: S608 -- marks only
    return [_task(row) for row in rows]


def count_queued(tx: Tx) -> int:
    """Count the tasks that are accepted and not started, over all threads."""
    return len(in_states(tx, QUEUED))


def newest_over(tx: Tx, *, limit: int) -> list[StoredTask]:
    """Give the newest tasks that are over, of all threads, oldest first."""
    marks = ", ".join("?" * len(OUTCOMES))
    rows = tx.execute(
        f"SELECT * FROM task WHERE state IN ({marks}) ORDER BY place DESC LIMIT ?",  # noqa: S608 -- marks only
        (*OUTCOMES, limit),
    )
    return [_task(row) for row in rows][::-1]


def of_thread(tx: Tx, thread: int, *, limit: int) -> list[StoredTask]:
    """Give a thread's newest accepted tasks, oldest first."""
    rows = tx.execute(
        "SELECT * FROM task WHERE thread = ? AND place IS NOT NULL ORDER BY place DESC LIMIT ?", (thread, limit)
    )
    return [_task(row) for row in rows][::-1]


def ids_of_thread(tx: Tx, thread: int) -> list[TaskId]:
    """Give the ids of all tasks of a thread."""
    return [TaskId(task_id) for (task_id,) in tx.execute("SELECT task_id FROM task WHERE thread = ?", (thread,))]


def hand_over(tx: Tx, task_id: TaskId, *, pair_id: PairId, thread: int, attempt: int, action: bytes, text: str) -> None:
    """Journal a task, or the next attempt of one that has no go."""
    known = find(tx, task_id)
    if known is None:
        tx.execute(
            "INSERT INTO task (task_id, thread, pair_id, state, attempt, action, text) VALUES (?, ?, ?, ?, ?, ?, ?)",
            (task_id, thread, pair_id, State.HANDED_OVER, attempt, action, text),
        )
        return
    tx.execute(
        "UPDATE task SET state = ?, attempt = ?, action = ?, pair_id = ? WHERE task_id = ?",
        (after(known.state, Event.RETRY), attempt, action, pair_id, task_id),
    )


def begin(tx: Tx, task_id: TaskId, *, pair_id: PairId, thread: int, text: str, at_ms: int) -> StoredTask:
    """Make a task of the host's own: accepted from the start, since nobody else decides about it."""
    tx.execute(
        "INSERT INTO task (task_id, thread, pair_id, state, attempt, action, text, accepted_at_ms, place)"
        " VALUES (?, ?, ?, ?, 0, x'', ?, ?, (SELECT coalesce(max(place), 0) + 1 FROM task))",
        (task_id, thread, pair_id, State.ACCEPTED, text, at_ms),
    )
    made = find(tx, task_id)
    assert made is not None  # noqa: S101 -- it was just put there
    return made


def step(tx: Tx, task_id: TaskId, event: Event, *, reason: Reason.ValueType = NO_REASON) -> State:
    """Take a task to its next state. Raises NoStep, and LookupError for an unknown task."""
    known = find(tx, task_id)
    if known is None:
        raise LookupError("no such task")
    state = after(known.state, event)
    tx.execute("UPDATE task SET state = ?, reason = ? WHERE task_id = ?", (state, reason, task_id))
    return state


def accept(tx: Tx, task_id: TaskId, *, attempt: int, action: bytes, at_ms: int) -> None:
    """Give a task its go: the attempt that has it, and its place in the order of the whole host."""
    step(tx, task_id, Event.GO)
    tx.execute(
        "UPDATE task SET attempt = ?, action = ?, accepted_at_ms = ?,"
        " place = (SELECT coalesce(max(place), 0) + 1 FROM task) WHERE task_id = ?",
        (attempt, action, at_ms, task_id),
    )


def keep_result(tx: Tx, task_id: TaskId, *, text: str, memory: str) -> None:
    """Keep what later tasks of the thread may refer to."""
    tx.execute("UPDATE task SET result = ?, memory = ? WHERE task_id = ?", (text, memory, task_id))


def find_command(tx: Tx, message_id: bytes) -> StoredCommand | None:
    """Give a command."""
    row = tx.execute("SELECT * FROM command WHERE message_id = ?", (message_id,)).fetchone()
    return None if row is None else _command(row)


def add_command(
    tx: Tx, message_id: MessageId, *, pair_id: PairId, task_id: TaskId, content: bytes, direct: bool
) -> None:
    """Journal a command that waits for its go: from the phone if it came by the direct path, else from the relay."""
    tx.execute(
        "INSERT INTO command (message_id, pair_id, task_id, content, verdict, direct) VALUES (?, ?, ?, ?, ?, ?)",
        (message_id, pair_id, task_id, content, Verdict.PENDING, direct),
    )


def undecided_directly(tx: Tx, pair_id: PairId) -> list[MessageId]:
    """List the commands that came by the direct path and of which the phone has not said what becomes of them."""
    rows = tx.execute(
        "SELECT message_id FROM command WHERE pair_id = ? AND direct = 1 AND verdict = ?", (pair_id, Verdict.PENDING)
    )
    return [MessageId(row["message_id"]) for row in rows]


def decide(tx: Tx, message_id: MessageId, verdict: Verdict) -> None:
    """Write down what became of a command. One that is no longer pending keeps only what a redelivery needs: its id."""
    tx.execute("UPDATE command SET verdict = ?, content = x'' WHERE message_id = ?", (verdict, message_id))


def supersede(tx: Tx, task_id: TaskId, *, pair_id: PairId) -> None:
    """Withdraw the older attempts of a task that wait for their go; their words stay in case a go comes all the same."""
    for command in commands_of(tx, task_id, pair_id=pair_id, verdict=Verdict.PENDING):
        tx.execute("UPDATE command SET verdict = ? WHERE message_id = ?", (Verdict.SUPERSEDED, command.message_id))


def mark_orphan(tx: Tx, message_id: MessageId) -> None:
    """Remember that a superseded command got a go."""
    tx.execute("UPDATE command SET orphan = 1 WHERE message_id = ?", (message_id,))


def commands_of(tx: Tx, task_id: TaskId, *, pair_id: PairId, verdict: Verdict) -> list[StoredCommand]:
    """List a task's commands by verdict."""
    rows = tx.execute(
        "SELECT * FROM command WHERE task_id = ? AND pair_id = ? AND verdict = ?", (task_id, pair_id, verdict)
    )
    return [_command(row) for row in rows]


def _command(row: sqlite3.Row) -> StoredCommand:
    return StoredCommand(
        message_id=MessageId(row["message_id"]),
        pair_id=PairId(row["pair_id"]),
        task_id=TaskId(row["task_id"]),
        content=row["content"],
        verdict=Verdict(row["verdict"]),
        direct=bool(row["direct"]),
        orphan=bool(row["orphan"]),
    )


def _one(row: sqlite3.Row | None) -> StoredTask | None:
    return None if row is None else _task(row)


def _task(row: sqlite3.Row) -> StoredTask:
    return StoredTask(
        task_id=TaskId(row["task_id"]),
        thread=row["thread"],
        pair_id=PairId(row["pair_id"]),
        state=State(row["state"]),
        attempt=row["attempt"],
        action=row["action"],
        text=row["text"],
        accepted_at_ms=row["accepted_at_ms"] or 0,
        reason=row["reason"],
        result=row["result"],
        memory=row["memory"],
    )
