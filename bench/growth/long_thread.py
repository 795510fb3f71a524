"""Fills a relay's store with a long thread before the relay starts, through the relay's own writer. Called by `threads`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from random import Random

from dispatch.api.relay.v1.relay_pb2 import OUTCOME_DONE
from dispatch.ids import ID_BYTES, MessageId, PairId, TaskId
from dispatch_relay.log import Acked, Decide, Failed, Keep, Op, Reported
from dispatch_relay.migrating import STORE
from dispatch_relay.presence import End
from dispatch_relay.sqlite import version as sqlite_version
from dispatch_relay.sqlite.connecting import connect
from dispatch_relay.sqlite.writer import Writer
from dispatch_relay.verdict import Event

SEALED = bytes(16)
"""Small: what is asked is what many rows cost, not what many bytes do."""
TASKS_AT_ONCE = 10_000
"""In one transaction."""
MOST_BYTES = 2**40
"""Of a thread: nothing is to be trimmed."""


def fill(data: Path, pair_id: bytes, rows: int, *, now_ms: int, rng: Random) -> int:
    """Make a relay's data folder with a thread of so many rows, an even number; gives the bytes of its file.

    A thread of N rows is N/2 tasks that are over: the row of a command, and the row that ended its task. All of them were reported,
    and both ends have all rows. Raises RuntimeError when the writer refuses one.
    """
    data.mkdir(parents=True, mode=0o700)
    path = data / STORE
    sqlite_version.upgrade(path)
    db = connect(path)
    # The folder is made anew whenever something goes wrong: the disk is not waited for. And the indexes stay in memory.
    db.execute("PRAGMA synchronous = OFF")
    db.execute("PRAGMA cache_size = -400000")
    writer = Writer(db, thread_bytes=MOST_BYTES)
    try:
        for first in range(0, rows // 2, TASKS_AT_ONCE):
            count = min(TASKS_AT_ONCE, rows // 2 - first)
            ops = [op for _ in range(count) for op in a_task(PairId(pair_id), now_ms=now_ms, rng=rng)]
            _commit(writer, ops)
            # Each task is reported twice, begun and ended, under numbers that count up from 1.
            _commit(writer, [Reported(range(2 * first + 1, 2 * (first + count) + 1))])
        _commit(writer, [Acked(PairId(pair_id), end, rows) for end in End])
    finally:
        writer.close()
    return path.stat().st_size  # the last that closes it has moved everything there


def a_task(pair_id: PairId, *, now_ms: int, rng: Random) -> Iterator[Op]:
    """Give what a task writes, from its command to its end: two rows."""
    command, task, kept = (rng.randbytes(ID_BYTES) for _ in range(3))
    yield Decide(
        pair_id, MessageId(command), Event.POSTED, now_ms, task_id=TaskId(task), sealed=SEALED, valid_for_ms=10_000
    )
    yield Decide(pair_id, MessageId(command), Event.TAKEN, now_ms)
    yield Keep(pair_id, MessageId(kept), TaskId(task), now_ms, SEALED, outcome=OUTCOME_DONE)


def _commit(writer: Writer, ops: list[Op]) -> None:
    for result in writer.commit(ops):
        if isinstance(result, Failed):
            raise RuntimeError(result.why)  # noqa: TRY004 -- the store failed: what was asked was of the right kind
