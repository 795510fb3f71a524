"""The journal: one transaction a step, all of it or nothing, whatever ends the process."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from dispatch import errors
from dispatch.api.error.v1.error_pb2 import Reason
from dispatch.api.relay.v1.relay_pb2 import Outcome, PushHint
from dispatch.clock import SystemClock
from dispatch.ids import MessageId, PairId, TaskId
from dispatch.sealed.head import Head
from dispatch_host import steps
from dispatch_host.journal import Tx, Writer, outbox, permissions, settings, stray_keys, tasks, threads
from dispatch_host.journal.values import Pairing, Verdict
from dispatch_host.permissions.permission import Grant, Kind, Permission
from dispatch_host.scope import Folder
from dispatch_host.scribe import Scribe
from dispatch_host.tasks import Event, NoStep, State

PAIR, OTHER_PAIR, TASK = PairId(b"p" * 16), PairId(b"q" * 16), TaskId(b"t" * 16)


def pairing(pair_id: PairId = PAIR, *, phone_key: bytes = b"k" * 32) -> Pairing:
    return Pairing(
        pair_id=pair_id,
        phone_key=phone_key,
        phone_name="pocket",
        attestation=b"a",
        phone_signature=b"b",
        host_signature=b"c",
    )


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.db"


@pytest.fixture
def journal(path: Path) -> Iterator[Writer]:
    writer = Writer(path)
    writer.open()
    yield writer
    writer.close()


async def test_a_step_that_fails_leaves_nothing_and_takes_nothing_with_it(journal: Writer) -> None:
    def fails(tx: Tx) -> None:
        settings.add_ending(tx, PAIR)
        raise RuntimeError("no")

    done = await asyncio.gather(
        journal.step(lambda tx: settings.add_ending(tx, OTHER_PAIR)),
        journal.step(fails),
        journal.step(settings.endings),
        return_exceptions=True,
    )

    assert isinstance(done[1], RuntimeError)
    assert done[2] == [OTHER_PAIR]


async def test_behind_its_end_a_journal_refuses_and_nobody_waits_for_it(journal: Writer) -> None:
    journal.close()

    with pytest.raises(errors.StoreFailed, match="closed"):
        await journal.step(settings.endings)


async def test_what_a_step_has_given_back_is_on_the_disk(journal: Writer, path: Path) -> None:
    await journal.step(lambda tx: settings.add_ending(tx, PAIR))

    with sqlite3.connect(path) as other:
        assert other.execute("SELECT pair_id FROM ending").fetchall() == [(PAIR,)]
        assert other.execute("PRAGMA journal_mode").fetchone() == ("wal",)


async def test_every_flush_is_a_full_one(journal: Writer) -> None:
    assert await journal.step(lambda tx: tx.execute("PRAGMA synchronous").fetchone()[0]) == 2


def test_only_its_owner_can_read_it(journal: Writer, path: Path) -> None:
    del journal
    old = os.umask(0)
    try:
        other = Writer(path.with_name("other.db"))
        other.open()
        other.close()
    finally:
        os.umask(old)

    assert stat.S_IMODE(path.with_name("other.db").stat().st_mode) == 0o600
    assert {stat.S_IMODE(found.stat().st_mode) for found in path.parent.glob("journal.db*")} == {0o600}


def test_a_journal_of_a_newer_version_is_not_touched(path: Path) -> None:
    with sqlite3.connect(path) as other:
        other.execute("PRAGMA user_version = 99")

    with pytest.raises(errors.StoreFailed, match="newer"):
        Writer(path).open()


async def test_a_journal_of_an_older_version_is_brought_up_to_date_with_all_that_is_in_it(
    journal: Writer, path: Path
) -> None:
    await journal.step(lambda tx: threads.join(tx, pairing()))
    journal.close()
    with sqlite3.connect(path) as other:
        other.execute("DROP TABLE stray_keys")
        other.execute("PRAGMA user_version = 1")

    journal.open()

    await journal.step(lambda tx: threads.leave(tx, PAIR))
    assert await journal.step(stray_keys.listed) == [PAIR]


def test_something_else_than_a_journal_is_refused(path: Path) -> None:
    path.write_bytes(b"not a database at all" * 100)

    with pytest.raises(errors.StoreFailed):
        Writer(path).open()


async def test_a_full_disk_is_said_and_nothing_is_half_written(journal: Writer) -> None:
    await journal.step(lambda tx: tx.execute("PRAGMA max_page_count = 40").fetchone())

    def large(tx: Tx) -> None:
        for number in range(1000):
            settings.add_ending(tx, PairId(number.to_bytes(16, "big") + bytes(4000)))

    with pytest.raises(errors.StoreFailed):
        await journal.step(large)

    assert await journal.step(settings.endings) == []
    await journal.step(lambda tx: settings.add_ending(tx, PAIR))
    assert await journal.step(settings.endings) == [PAIR]


async def test_a_step_that_is_cancelled_before_its_turn_does_not_run(journal: Writer) -> None:
    in_its_turn, release = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()

    def holds(_: Tx) -> None:
        loop.call_soon_threadsafe(in_its_turn.set)
        asyncio.run_coroutine_threadsafe(release.wait(), loop).result()

    first = asyncio.create_task(journal.step(holds))
    await in_its_turn.wait()  # else both may be taken together, and it is the turn of both
    second = asyncio.create_task(journal.step(lambda tx: settings.add_ending(tx, PAIR)))
    await asyncio.sleep(0)
    second.cancel()
    await asyncio.gather(second, return_exceptions=True)
    release.set()
    await first

    assert await journal.step(settings.endings) == []


async def test_a_thread_counts_up_and_each_event_names_the_one_before(journal: Writer) -> None:
    def write(tx: Tx) -> list[Head]:
        joined = threads.join(tx, pairing())
        assert joined is not None
        heads = [threads.head(tx, joined.thread)]
        for number in (1, 2):
            before = heads[-1]
            stored = threads.append(
                tx,
                joined.thread,
                number=number,
                previous_hash=before.hash,
                task_id=b"",
                content=b"event %d" % number,
            )
            heads.append(Head(stored.number, stored.hash))
        assert threads.has(tx, joined.thread, heads[1])
        assert not threads.has(tx, joined.thread, Head(1, bytes(31) + b"x"))
        assert not threads.has(tx, joined.thread, Head(2**63, bytes(32)))
        return heads

    heads = await journal.step(write)

    assert [head.number for head in heads] == [0, 1, 2]
    assert len({head.hash for head in heads}) == 3


async def test_a_phone_that_pairs_again_finds_its_thread_and_replaces_its_pairing(journal: Writer) -> None:
    first = await journal.step(lambda tx: threads.join(tx, pairing()))
    again = await journal.step(lambda tx: threads.join(tx, pairing(OTHER_PAIR)))
    same = await journal.step(lambda tx: threads.join(tx, pairing(OTHER_PAIR)))
    stranger = await journal.step(lambda tx: threads.join(tx, pairing(PAIR, phone_key=b"s" * 32)))

    assert first is not None
    assert again is not None
    assert stranger is not None
    assert (first.again, again.again, list(again.replaced)) == (False, True, [PAIR])
    assert again.thread == first.thread != stranger.thread
    assert same is None


async def test_a_task_that_has_an_outcome_takes_no_other(journal: Writer) -> None:
    def prepare(tx: Tx) -> None:
        joined = threads.join(tx, pairing())
        assert joined is not None
        tasks.hand_over(tx, TASK, pair_id=PAIR, thread=joined.thread, attempt=1, action=b"a", text="do it")
        tasks.accept(tx, TASK, attempt=1, action=b"a", at_ms=5)
        tasks.step(tx, TASK, Event.START)
        tasks.step(tx, TASK, Event.DONE)

    await journal.step(prepare)

    with pytest.raises(NoStep):
        await journal.step(lambda tx: tasks.step(tx, TASK, Event.CANCEL))
    found = await journal.step(lambda tx: tasks.find(tx, TASK))
    assert found is not None
    assert found.state is State.DONE


async def test_leaving_a_pairing_keeps_its_thread_and_its_tasks(journal: Writer) -> None:
    def prepare(tx: Tx) -> None:
        joined = threads.join(tx, pairing())
        assert joined is not None
        tasks.hand_over(tx, TASK, pair_id=PAIR, thread=joined.thread, attempt=1, action=b"a", text="do it")
        tasks.add_command(tx, MessageId(b"m" * 16), pair_id=PAIR, task_id=TASK, content=b"c", direct=False)
        threads.leave(tx, PAIR)

    await journal.step(prepare)

    assert await journal.step(threads.pairings) == []
    assert await journal.step(lambda tx: tasks.find(tx, TASK)) is not None
    assert await journal.step(lambda tx: tasks.find_command(tx, b"m" * 16)) is None


async def test_keys_are_astray_until_there_is_their_pairing_and_again_when_it_is_over(journal: Writer) -> None:
    async def astray() -> list[PairId]:
        return await journal.step(stray_keys.listed)

    await journal.step(lambda tx: stray_keys.add(tx, PAIR))
    assert await astray() == [PAIR]
    await journal.step(lambda tx: threads.join(tx, pairing()))
    assert await astray() == []
    # Paired again: the first is replaced.
    await journal.step(lambda tx: threads.join(tx, pairing(OTHER_PAIR)))
    assert await astray() == [PAIR]
    await journal.step(lambda tx: stray_keys.remove(tx, PAIR))
    assert await astray() == []


async def test_superseded_commands_keep_their_words_and_decided_ones_do_not(journal: Writer) -> None:
    def prepare(tx: Tx) -> None:
        threads.join(tx, pairing())
        for number in (1, 2):
            tasks.add_command(
                tx, MessageId(bytes([number]) * 16), pair_id=PAIR, task_id=TASK, content=b"words", direct=False
            )
        tasks.decide(tx, MessageId(b"\x01" * 16), Verdict.WITHDRAWN)
        tasks.supersede(tx, TASK, pair_id=PAIR)

    await journal.step(prepare)
    first, second = [await journal.step(lambda tx, n=n: tasks.find_command(tx, bytes([n]) * 16)) for n in (1, 2)]  # type: ignore[misc]

    assert first is not None
    assert second is not None
    assert (first.verdict, first.content) == (Verdict.WITHDRAWN, b"")
    assert (second.verdict, second.content) == (Verdict.SUPERSEDED, b"words")


async def test_the_ranges_of_an_outbox_are_joined_where_they_touch(journal: Writer) -> None:
    def fill(tx: Tx) -> list[tuple[int, int]]:
        for first, last in ((1, 2), (3, 3), (0, 0), (2, 4), (7, 9)):
            outbox.add(
                tx,
                PAIR,
                message_id=MessageId(os.urandom(16)),
                task_id=b"",
                sealed=b"s",
                first=first,
                last=last,
                push_hint=PushHint.PUSH_HINT_UNSPECIFIED,
                outcome=Outcome.OUTCOME_UNSPECIFIED,
                reason=Reason.REASON_UNSPECIFIED,
            )
        return outbox.clear(tx, PAIR)

    assert await journal.step(fill) == [(1, 4), (7, 9)]
    assert await journal.step(lambda tx: outbox.count(tx, PAIR, kept=False)) == 0


async def test_a_folder_whose_name_is_no_text_is_kept_as_it_is(journal: Writer) -> None:
    folder = Folder(Path(os.fsdecode(b"/tmp/\xff")), writable=True)
    grant = Grant(permission=Permission(Kind.FOLDER, str(folder.path), folder.writable))
    await journal.step(lambda tx: permissions.allow(tx, grant, 0))

    assert await journal.step(lambda tx: permissions.folders(tx, 0)) == [folder]
    assert await journal.step(lambda tx: permissions.revoke(tx, Kind.FOLDER, str(folder.path), 0))
    assert await journal.step(lambda tx: permissions.folders(tx, 0)) == []


async def test_the_end_of_a_pairing_ends_the_tasks_that_its_phone_sent_before_it_paired_again(journal: Writer) -> None:
    scribe = Scribe(sign=lambda _: bytes(64), key=bytes(32), clock=SystemClock(), rng=os.urandom)

    def runs_one_while_another_waits_and_pairs_again(tx: Tx) -> None:
        joined = threads.join(tx, pairing())
        assert joined is not None
        for place, task_id in enumerate((TASK, TaskId(b"w" * 16)), start=1):
            tasks.hand_over(tx, task_id, pair_id=PAIR, thread=joined.thread, attempt=1, action=b"", text="long")
            tasks.accept(tx, task_id, attempt=1, action=b"", at_ms=place)
        tasks.step(tx, TASK, Event.START)
        assert threads.join(tx, pairing(OTHER_PAIR)) is not None

    await journal.step(runs_one_while_another_waits_and_pairs_again)
    running, ended = await journal.step(lambda tx: steps.cancel_pairing(tx, scribe, OTHER_PAIR))

    assert (running, ended) == ([TASK], 1)
    assert [task.task_id for task in await journal.step(lambda tx: tasks.in_states(tx, [State.CANCELLED]))] == [
        b"w" * 16
    ]
