"""A host that dies behind any one of its commits: each task has one fate all the same, and the thread no gap.

The process is dead in the sense that matters: what was committed is on the disk, and nothing that follows was done or sent.
"""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import replace
from pathlib import Path

import pytest
from dispatch.api.error.v1.error_pb2 import Reason
from dispatch.api.relay.v1.relay_pb2 import Outcome
from dispatch.device.keys import PlainFiles
from dispatch.ids import PairId
from dispatch_host.agents import Choice, Result, Step
from dispatch_host.journal import threads
from dispatch_host.pairings import keep, keys_of

from tests.support.host_bench import Bench
from tests.support.phone_end import Sent
from tests.support.waiting import DEADLINE_SECONDS

COMMITS = 54
"""More than a run of this story has: those beyond its end find nothing to kill, and say so."""


async def story(bench: Bench) -> list[Sent]:
    """Send a task that takes a step, asks and is done, and one behind it. Ends early when the host dies; gives what was posted."""
    sent: list[Sent] = []
    await bench.relay.attached()
    await bench.phone.shakes_hands()
    for text in ("steps", "quick"):
        one = bench.phone.task(text)
        sent.append(one)
        await bench.phone.posts(one)
    await bench.phone.sees(sent[0].task_id, "started")
    bench.agent.says("steps", Step("One", ""))
    await bench.phone.sees(sent[0].task_id, "step")
    bench.agent.says("steps", lambda _gate, ask, _words: ask.which(Choice(text="Which one?")), Result("done"))
    question = (await bench.phone.sees(sent[0].task_id, "question")).question
    answer = bench.phone.answer(sent[0].task_id, question.question_id, text="this one")
    sent.append(answer)
    await bench.phone.posts(answer)
    for one in sent:
        await bench.phone.sees_end(one.task_id)
    return sent


@pytest.mark.parametrize(
    "commit", [pytest.param(commit, marks=[pytest.mark.big] if commit % 2 else []) for commit in range(4, COMMITS)]
)
async def test_whatever_commit_was_the_last_each_task_has_one_fate(tmp_path: Path, commit: int) -> None:
    async with Bench(tmp_path) as bench:
        await bench.ready()  # the phone has the beginning of the thread
        await bench.dies()
        bench.dies_after = commit
        bench.starts()
        telling = asyncio.create_task(story(bench))
        await bench.until(lambda: bench.dying)
        assert bench.dying is not None
        dead = asyncio.create_task(bench.dying.dead.wait())
        await asyncio.wait([telling, dead], return_when=asyncio.FIRST_COMPLETED)
        died = dead.done()
        for task in (telling, dead):
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        await bench.dies()
        runs = [task.text for task in bench.agent.runs]
        decided = {row.deliver.message_id for row in bench.relay.rows if row.HasField("deliver")}
        # What the relay never heard a Take of is refused by now.
        known = dict(bench.rows("SELECT message_id, task_id FROM command"))
        for message_id in known.keys() - decided:
            await bench.relay.withdraw(message_id)

        await bench.runs()
        await bench.phone.shakes_hands()
        await bench.phone.catches_up()
        for message_id, task_id in known.items():
            if message_id in decided:
                ended = await bench.phone.sees_end(task_id)
                assert (ended.outcome == Outcome.OUTCOME_DONE) or ended.reason in {
                    Reason.REASON_HOST_DIED,
                    Reason.REASON_NEVER_STARTED,
                }
        after = await bench.phone.sends("quick after")
        await bench.phone.sees_end(after.task_id)

        for task_id in set(known.values()):
            kinds = bench.phone.kinds(task_id)
            # Sent once each; the answer that one of them gets makes no second task of it.
            accepted = any(task == task_id and message in decided for message, task in known.items())
            assert kinds.count("question") == kinds.count("answered") <= 1
            assert kinds.count("ended") == accepted == kinds.count("accepted")
        assert [event.number for event in bench.phone.events] == list(range(1, bench.phone.head.number + 1))
        assert [task.text for task in bench.agent.runs] == [*runs, "quick after"]
        assert len(set(runs)) == len(runs)
        assert died or commit > 20


async def test_keys_of_a_pairing_go_at_the_next_start_when_the_host_died_between_its_end_and_their_deletion(
    tmp_path: Path,
) -> None:
    async with Bench(tmp_path) as bench:
        store = PlainFiles.of(bench.home)
        with bench.owned() as owned:
            await owned.journal.step(lambda tx: threads.leave(tx, bench.pair_id))
        assert keys_of(store, bench.pair_id) is not None

        bench.starts()

        await bench.until(lambda: "running" in bench.told)
        assert keys_of(store, bench.pair_id) is None


async def test_keys_of_a_pairing_that_never_came_to_be_go_at_the_next_start_and_those_of_pairings_stay(
    tmp_path: Path,
) -> None:
    async with Bench(tmp_path) as bench:
        store = PlainFiles.of(bench.home)
        kept = keys_of(store, bench.pair_id)
        assert kept is not None
        never = replace(kept, pair_id=PairId(b"n" * 16))
        with bench.owned() as owned:
            await keep(owned.journal, owned.store, never)

        await bench.ready()

        assert keys_of(store, never.pair_id) is None
        assert keys_of(store, bench.pair_id) == kept


async def test_keys_that_can_t_be_deleted_keep_no_host_from_starting_and_are_tried_again(tmp_path: Path) -> None:
    async with Bench(tmp_path) as bench:
        secret = bench.home / "keys" / f"pair-{bench.pair_id.hex()}"
        with bench.owned() as owned:
            await owned.journal.step(lambda tx: threads.leave(tx, bench.pair_id))
        secret.unlink()
        secret.mkdir()  # what can't be deleted as a file can

        bench.starts()

        await bench.until(lambda: "running" in bench.told)
        await bench.stops()
        secret.rmdir()
        secret.touch()
        bench.told.clear()
        bench.starts()
        await bench.until(lambda: "running" in bench.told)
        assert not secret.exists()


async def test_on_a_full_disk_a_command_is_declined_and_taken_when_there_is_room(tmp_path: Path) -> None:
    async with Bench(tmp_path) as bench:
        await bench.ready()
        await bench.is_quiet()
        bench.disk.full = True

        assert await bench.phone.posts(bench.phone.task("quick")) == Reason.REASON_STORE_FAILED

        bench.disk.full = False
        sent = await bench.phone.sends("quick now")
        await bench.phone.sees_end(sent.task_id)
        assert [task.text for task in bench.agent.runs] == ["quick now"]


async def test_on_a_full_disk_the_outcome_waits_for_room_and_is_not_lost(tmp_path: Path) -> None:
    async with Bench(tmp_path) as bench:
        await bench.ready()
        sent = await bench.phone.sends("works")
        await bench.phone.sees(sent.task_id, "started")
        await bench.is_quiet()
        bench.disk.full = True
        bench.agent.says("works", Step("One", ""), Result("done"))
        await bench.until(lambda: bench.disk.refused >= 2)
        assert "ended" not in bench.phone.kinds(sent.task_id)

        bench.disk.full = False

        assert (await bench.phone.sees_end(sent.task_id)).outcome == Outcome.OUTCOME_DONE
        assert bench.phone.kinds(sent.task_id) == ["accepted", "started", "step", "result_text", "ended"]


async def test_a_host_on_a_full_disk_stops_all_the_same_and_the_next_start_says_what_became_of_the_task(
    tmp_path: Path,
) -> None:
    async with Bench(tmp_path) as bench:
        await bench.ready()
        sent = await bench.phone.sends("works")
        await bench.phone.sees(sent.task_id, "started")
        await bench.is_quiet()
        bench.disk.full = True

        async with asyncio.timeout(DEADLINE_SECONDS):
            await bench.stops()

        await bench.runs()
        await bench.phone.shakes_hands()
        ended = await bench.phone.sees_end(sent.task_id)
        assert (ended.outcome, ended.reason) == (Outcome.OUTCOME_INTERRUPTED, Reason.REASON_HOST_DIED)
