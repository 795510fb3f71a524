"""The phone's store: what was committed survives a kill, what was not never happened, and only the owner can read it."""

from __future__ import annotations

import os
import signal
import sqlite3
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from dispatch import errors
from dispatch.ids import EventId, MessageId, PairId, TaskId
from mobile_sim.facts import Fact, Kind
from mobile_sim.store import Pairing, PairingState, Post, Right, Store, StoredEvent, Task, Verdict

PAIR = PairId(b"p" * 16)
TASK = TaskId(b"t" * 16)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "phone.db"


def paired(path: Path) -> Store:
    store = Store.open(path)
    pairing = Pairing(
        pair_id=PAIR, host_name="desk", host_key=bytes(32), own_key=bytes(32), state=PairingState.ACTIVE, made_at_ms=1
    )
    with store.transaction():
        store.pairings.add(pairing)
        store.tasks.add(Task(task_id=TASK, pair_id=PAIR, text="build it", made_at_ms=2, after_number=0, state="new"))
    return store


def event(number: int, event_id: bytes = b"e" * 16) -> StoredEvent:
    return StoredEvent(number=number, event_id=EventId(event_id), hash=bytes(32), content=b"content", shown=True)


def post(attempt: int = 1) -> Post:
    return Post(
        message_id=MessageId(bytes([attempt]) * 16),
        pair_id=PAIR,
        task_id=TASK,
        action="task",
        attempt=attempt,
        posted_at_ms=3,
    )


def test_it_is_the_owners_alone_from_the_first_moment(path: Path) -> None:
    before = os.umask(0)
    try:
        paired(path).close()
    finally:
        os.umask(before)

    assert all(stat.S_IMODE(file.stat().st_mode) == 0o600 for file in path.parent.glob("phone.db*"))


def test_a_step_that_fails_leaves_nothing(path: Path) -> None:
    store = paired(path)

    def step() -> None:
        with store.transaction():
            store.tasks.add_post(post())
            store.tasks.add_fact(TASK, Fact(kind=Kind.SENT, at_ms=1))
            raise RuntimeError

    with pytest.raises(RuntimeError):
        step()

    assert store.tasks.facts(TASK) == []
    assert store.tasks.open_posts(PAIR, direct=False) == []


_KILLED = """
import os, signal, sys
from pathlib import Path
from mobile_sim.store import Store
from tests.unit.phone.test_store import PAIR, TASK, event, post
from mobile_sim.facts import Fact, Kind
store = Store.open(Path(sys.argv[1]))
for number in range(1, 6):
    with store.transaction():
        store.thread.add_event(PAIR, event(number, bytes([number]) * 16))
        store.pairings.set_cursor(PAIR, number)
store._connection.execute("BEGIN IMMEDIATE")
store.tasks.add_post(post())
store.pairings.set_cursor(PAIR, 99)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_kill_in_the_middle_of_a_step_keeps_the_steps_before_and_nothing_of_it(path: Path) -> None:
    paired(path).close()
    root = Path(__file__).resolve().parents[3]
    killed = subprocess.run([sys.executable, "-c", _KILLED, str(path)], cwd=root, check=False)
    assert killed.returncode == -signal.SIGKILL

    store = Store.open(path)
    pairing = store.pairings.get(PAIR)
    assert pairing is not None
    assert pairing.cursor == 5
    assert [one.number for one in store.thread.events(PAIR)] == [1, 2, 3, 4, 5]
    assert store.tasks.open_posts(PAIR, direct=False) == []


def test_facts_keep_their_order_and_all_that_they_say(path: Path) -> None:
    store = paired(path)
    facts = [
        Fact(kind=Kind.SENT, at_ms=1, attempt=1),
        Fact(kind=Kind.ASKING, at_ms=2, text="Which?", choices=("this", "that"), question_id="ab", detail="…"),
        Fact(kind=Kind.ENDED, at_ms=3, outcome="failed", reason="NOT_UNDERSTOOD", text="Sorry."),
    ]
    with store.transaction():
        for fact in facts:
            store.tasks.add_fact(TASK, fact)
    store.close()

    assert Store.open(path).tasks.facts(TASK) == facts


def test_the_first_verdict_on_a_post_counts(path: Path) -> None:
    store = paired(path)
    with store.transaction():
        store.tasks.add_post(post())
        store.tasks.set_verdict(post().message_id, Verdict.REFUSED, reason="HOST_ASLEEP")
        store.tasks.set_verdict(post().message_id, Verdict.TAKEN)

    kept = store.tasks.post(post().message_id)
    assert kept is not None
    assert (kept.verdict, kept.reason) == (Verdict.REFUSED, "HOST_ASLEEP")
    assert store.tasks.open_posts(PAIR, direct=False) == []


def test_a_pairing_that_is_over_keeps_its_thread_and_loses_its_rights(path: Path) -> None:
    store = paired(path)
    with store.transaction():
        store.thread.add_event(PAIR, event(1))
        store.thread.set_early(PAIR, {3: b"early"})
        store.pairings.set_right(PAIR, Right(grant=b"g", relays=("relay:1",), renew_at_ms=9))
        store.pairings.set_state(PAIR, PairingState.ENDED, reason="HOST_REVOKED")

    assert store.pairings.right(PAIR) is None
    assert store.thread.early(PAIR) == {}
    assert len(store.thread.events(PAIR)) == 1
    kept = store.pairings.get(PAIR)
    assert kept is not None
    assert (kept.state, kept.reason) == (PairingState.ENDED, "HOST_REVOKED")


def test_what_is_no_database_of_ours_is_said_so_and_left_alone(path: Path) -> None:
    path.write_bytes(b"something else" * 100)
    with pytest.raises(errors.StoreFailed):
        Store.open(path)
    assert path.read_bytes() == b"something else" * 100


def test_a_database_of_another_version_is_not_touched(path: Path) -> None:
    paired(path).close()
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version=99")
    connection.close()

    with pytest.raises(errors.StoreFailed, match="another version"):
        Store.open(path)
