"""A host takes tasks, runs them one at a time and in order, and says how each ended."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from hashlib import sha256
from pathlib import Path

import pytest
from dispatch.api.error.v1.error_pb2 import Reason
from dispatch.api.host.v1 import host_pb2
from dispatch.api.relay.v1.relay_pb2 import Outcome, PushHint
from dispatch.api.thread.v1 import thread_pb2 as pb
from dispatch.clock import SystemClock
from dispatch.files.description import Described
from dispatch.ids import FileId
from dispatch_host.agents import Artifact, NotDone, NotDoneReason, Progress, Result, Step, Text
from dispatch_host.at_work import FILES
from dispatch_host.journal import files
from dispatch_host.journal.values import FileKind, StoredFile
from dispatch_host.limits import Limits

from tests.support.host_bench import Bench


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    """Give a host that runs and has a session with its phone."""
    async with Bench(tmp_path) as bench:
        yield await bench.ready()


async def test_a_task_runs_and_its_result_is_in_the_thread(bench: Bench) -> None:
    sent = await bench.phone.sends("count the files")
    await bench.phone.sees(sent.task_id, "started")
    bench.agent.says("count the files", Step("Looking", "in Downloads"), Result("**42** files"))

    ended = await bench.phone.sees_end(sent.task_id)

    assert ended.outcome == Outcome.OUTCOME_DONE
    assert bench.phone.kinds(sent.task_id) == ["accepted", "started", "step", "result_text", "ended"]
    accepted, _, step, result, _ = bench.phone.of(sent.task_id)
    assert (accepted.accepted.text, accepted.accepted.attempt) == ("count the files", 1)
    assert (step.step.title, step.step.detail) == ("Looking", "in Downloads")
    assert result.result_text.text == "**42** files"


async def test_one_task_sends_so_many_files_to_the_phone_and_no_more(bench: Bench, tmp_path: Path) -> None:
    (sending := tmp_path / "sending").mkdir()
    for number in range(FILES + 1):
        (sending / f"{number}.txt").write_text("words")
    every = [Artifact(sending / f"{number}.txt") for number in range(FILES + 1)]
    async with bench.control() as control:
        await control.add_folder(host_pb2.Folder(path=str(sending)))
    floods, sends = await bench.phone.sends("floods"), await bench.phone.sends("sends")

    bench.agent.says("floods", *every, Result("done"))
    bench.agent.says("sends", *every[:-1], *every[:-1], Result("done"))

    ended = await bench.phone.sees_end(floods.task_id)
    assert (ended.outcome, ended.reason) == (Outcome.OUTCOME_FAILED, Reason.REASON_LIMIT_REACHED)
    assert "100 files" in ended.text
    assert bench.phone.kinds(floods.task_id).count("artifact") == FILES
    assert (await bench.phone.sees_end(sends.task_id)).outcome == Outcome.OUTCOME_DONE
    assert bench.phone.kinds(sends.task_id).count("artifact") == FILES


async def test_a_file_that_is_sent_again_as_it_was_is_in_the_thread_once(bench: Bench, tmp_path: Path) -> None:
    (sending := tmp_path / "sending").mkdir()
    (file := sending / "a.txt").write_text("words")
    async with bench.control() as control:
        await control.add_folder(host_pb2.Folder(path=str(sending)))
    sent = await bench.phone.sends("again")

    async def changes_it(*_: object) -> None:
        file.write_text("other words")

    bench.agent.says("again", *[Artifact(file)] * 2 * FILES, changes_it, Artifact(file), Result("done"))

    assert (await bench.phone.sees_end(sent.task_id)).outcome == Outcome.OUTCOME_DONE
    assert bench.phone.kinds(sent.task_id).count("artifact") == 2


async def test_only_the_last_row_of_a_task_says_in_clear_how_it_ended(bench: Bench) -> None:
    sent = await bench.phone.sends("quick")
    await bench.phone.sees_end(sent.task_id)

    rows = [row for row in bench.relay.kept if row.task_id == sent.task_id]

    assert [row.outcome for row in rows] == [0] * (len(rows) - 1) + [Outcome.OUTCOME_DONE]
    assert [row.push_hint for row in rows] == [0] * (len(rows) - 1) + [PushHint.PUSH_HINT_NEWS]
    assert b"quick" not in b"".join(row.SerializeToString() for row in bench.relay.kept)


async def test_tasks_run_one_at_a_time_in_the_order_of_their_go(bench: Bench) -> None:
    texts = ["first", "second", "third"]
    sent = [await bench.phone.sends(text) for text in texts]
    waiting = [(await bench.phone.sees(one.task_id, "waiting")).waiting.position for one in sent[1:]]

    for number, text in enumerate(texts, start=1):
        await bench.phone.sees(sent[number - 1].task_id, "started")
        bench.agent.says(text, Result(text))
        await bench.phone.sees_end(sent[number - 1].task_id)

    assert waiting == [1, 2]
    assert [task.text for task in bench.agent.runs] == texts
    assert bench.agent.closed == texts


async def test_a_running_task_is_cancelled(bench: Bench) -> None:
    sent = await bench.phone.sends("never ends")
    await bench.phone.sees(sent.task_id, "started")
    bench.agent.says("never ends", Step("Half of it", ""))
    await bench.phone.sees(sent.task_id, "step")

    assert await bench.phone.posts(bench.phone.cancel(sent.task_id)) is None
    ended = await bench.phone.sees_end(sent.task_id)

    assert (ended.outcome, ended.reason) == (Outcome.OUTCOME_CANCELLED, Reason.REASON_CANCELLED_BY_PERSON)
    assert bench.agent.closed == ["never ends"]


async def test_whoever_waits_is_told_anew_where_when_the_line_moves(bench: Bench) -> None:
    first, second, third, fourth = [await bench.phone.sends(text) for text in ("first", "second", "third", "fourth")]
    await bench.phone.sees(fourth.task_id, "waiting")

    assert await bench.phone.posts(bench.phone.cancel(second.task_id)) is None
    await bench.phone.sees_end(second.task_id)
    bench.agent.says("first", Result("done"))
    await bench.phone.sees(third.task_id, "started")
    bench.agent.says("third", Result("done"))
    await bench.phone.sees(fourth.task_id, "started")

    def places(task_id: bytes) -> list[int]:
        return [event.waiting.position for event in bench.phone.of(task_id) if event.HasField("waiting")]

    assert [places(one.task_id) for one in (first, second, third, fourth)] == [[], [1], [2, 1], [3, 2, 1]]


async def test_a_waiting_task_is_cancelled_and_never_starts(bench: Bench) -> None:
    first = await bench.phone.sends("first")
    second = await bench.phone.sends("second")
    await bench.phone.sees(second.task_id, "waiting")

    assert await bench.phone.posts(bench.phone.cancel(second.task_id)) is None
    ended = await bench.phone.sees_end(second.task_id)
    bench.agent.says("first", Result(""))
    await bench.phone.sees_end(first.task_id)

    assert ended.outcome == Outcome.OUTCOME_CANCELLED
    assert [task.text for task in bench.agent.runs] == ["first"]


async def test_what_the_agent_could_not_do_is_failed_with_its_reason(bench: Bench) -> None:
    sent = await bench.phone.sends("paint it")
    bench.agent.says("paint it", NotDone(NotDoneReason.NEEDS_AGENT, "I can't paint."))

    ended = await bench.phone.sees_end(sent.task_id)

    assert (ended.outcome, ended.reason) == (Outcome.OUTCOME_FAILED, Reason.REASON_NEEDS_AGENT)
    assert ended.text == "I can't paint."
    assert bench.relay.kept[-1].reason == Reason.REASON_NEEDS_AGENT


@pytest.mark.parametrize(
    "broken",
    [RuntimeError("secret words"), TimeoutError(), StopAsyncIteration(), asyncio.CancelledError("secret words")],
)
async def test_an_agent_that_breaks_is_one_outcome_and_the_next_task_runs(
    bench: Bench, broken: BaseException, capsys: pytest.CaptureFixture[str]
) -> None:
    first = await bench.phone.sends("breaks")
    bench.agent.says("breaks", Step("A step", ""), broken)
    second = await bench.phone.sends("quick")

    ended = await bench.phone.sees_end(first.task_id)
    after = await bench.phone.sees_end(second.task_id)

    assert (ended.outcome, ended.reason) == (Outcome.OUTCOME_FAILED, Reason.REASON_AGENT_FAILED)
    assert bench.phone.kinds(first.task_id).count("step") == 1
    assert after.outcome == Outcome.OUTCOME_DONE
    assert "secret words" not in "".join(capsys.readouterr())


async def test_an_agent_that_says_nothing_is_ended_by_the_watchdog(tmp_path: Path) -> None:
    async with Bench(tmp_path, limits=Limits(watchdog_seconds=0.2)) as bench:
        await bench.ready()
        sent = await bench.phone.sends("sits there")

        ended = await bench.phone.sees_end(sent.task_id)

        assert (ended.outcome, ended.reason) == (Outcome.OUTCOME_FAILED, Reason.REASON_WATCHDOG)
        # A slow machine may not have begun within 0.2 s.
        assert bench.agent.closed == [run.text for run in bench.agent.runs]


async def test_an_agent_that_reports_progress_for_ever_is_ended_at_last(tmp_path: Path) -> None:
    async with Bench(tmp_path, limits=Limits(longest_seconds=0.5)) as bench:
        await bench.ready()
        sent = await bench.phone.sends("never done")
        ending = asyncio.create_task(bench.phone.sees_end(sent.task_id))

        while not ending.done():
            bench.agent.says("never done", Progress(1, 2, "files"))
            await asyncio.wait([ending], timeout=0.01)

        ended = ending.result()
        assert (ended.outcome, ended.reason) == (Outcome.OUTCOME_FAILED, Reason.REASON_WATCHDOG)
        assert ended.text == "It ran for longer than a task may."
        assert bench.agent.closed == [run.text for run in bench.agent.runs]


async def test_a_long_result_comes_in_parts_that_are_the_whole(bench: Bench) -> None:
    text = "äöü line\n" * 30_000
    sent = await bench.phone.sends("long")
    bench.agent.says("long", Result(text))

    await bench.phone.sees_end(sent.task_id)

    parts = [event.result_text.text for event in bench.phone.of(sent.task_id) if event.HasField("result_text")]
    assert len(parts) > 4
    assert "".join(parts) == text


async def test_later_tasks_know_the_earlier_ones_of_their_thread(bench: Bench) -> None:
    first = await bench.phone.sends("one")
    bench.agent.says("one", Result("the answer", {"files": ["a.txt"]}))
    await bench.phone.sees_end(first.task_id)
    second = await bench.phone.sends("quick two")
    await bench.phone.sees_end(second.task_id)

    (turn,) = bench.agent.histories[1]

    assert (turn.task_text, turn.outcome, turn.result_text) == ("one", "done", "the answer")
    assert turn.memory == {"files": ["a.txt"]}


async def test_what_a_task_left_that_was_not_done_is_known_too(bench: Bench) -> None:
    first = await bench.phone.sends("one")
    bench.agent.says("one", NotDone(NotDoneReason.INPUT_UNREADABLE, "broken", {"files": ["a.pdf"]}))
    await bench.phone.sees_end(first.task_id)
    second = await bench.phone.sends("quick two")
    await bench.phone.sees_end(second.task_id)

    (turn,) = bench.agent.histories[1]

    assert (turn.outcome, turn.memory) == ("failed", {"files": ["a.pdf"]})


async def test_folders_approved_while_it_runs_are_there_for_the_next_task(bench: Bench, tmp_path: Path) -> None:
    files = tmp_path / "files"
    files.mkdir()
    before = await bench.phone.sends("quick before")
    await bench.phone.sees_end(before.task_id)
    async with bench.control() as control:
        await control.add_folder(host_pb2.Folder(path=str(files), writable=True))
    after = await bench.phone.sends("quick after")
    await bench.phone.sees_end(after.task_id)

    assert bench.agent.folders[0] == []
    assert [(folder.path, folder.writable) for folder in bench.agent.folders[1]] == [(files, True)]


async def test_text_and_progress_are_shown_as_they_come_but_not_too_often(bench: Bench) -> None:
    sent = await bench.phone.sends("slow")
    await bench.phone.sees(sent.task_id, "started")
    for number in range(500):
        bench.agent.says("slow", Text(f"{number} "), Progress(number, 500, "files"))
    whole = "".join(f"{number} " for number in range(500))

    def shown() -> str:
        return "".join(item.partial_text.delta for item in bench.phone.live if item.HasField("partial_text"))

    await bench.relay.until(lambda: shown() == whole)
    await bench.relay.until(lambda: any(item.progress.done == 499 for item in bench.phone.live))
    frames = [frame for frame in bench.relay.frames if frame.HasField("live")]
    bench.agent.says("slow", Result(whole))
    await bench.phone.sees_end(sent.task_id)

    assert len(frames) < 50
    texts = [item.partial_text for item in bench.phone.live if item.HasField("partial_text")]
    assert [text.offset for text in texts] == [len("".join(t.delta for t in texts[:n])) for n in range(len(texts))]


async def test_nothing_is_shown_in_passing_to_a_phone_that_is_away(bench: Bench) -> None:
    sent = await bench.phone.sends("slow")
    await bench.phone.sees(sent.task_id, "started")
    await bench.relay.presence(attached=False)
    seen = len([frame for frame in bench.relay.frames if frame.HasField("live")])
    await bench.knows(lambda status: not status.pairings[0].phone_attached)
    bench.agent.says("slow", Text("more"), Step("Now", ""), Result("more"))
    await bench.phone.sees_end(sent.task_id)

    assert len([frame for frame in bench.relay.frames if frame.HasField("live")]) == seen


async def test_two_tasks_at_once_are_never_worked_on_together(bench: Bench) -> None:
    sent = await asyncio.gather(*(bench.phone.sends(f"quick {number}") for number in range(10)))
    for one in sent:
        await bench.phone.sees_end(one.task_id)

    assert sorted(bench.agent.closed) == sorted(f"quick {number}" for number in range(10))
    order = [event for event in bench.phone.events if event.WhichOneof("event") in {"started", "ended"}]
    assert [event.WhichOneof("event") for event in order] == ["started", "ended"] * 10


async def with_report(bench: Bench) -> tuple[Path, pb.Attachment]:
    """Let a report have arrived from the phone, before the host starts."""
    content, folder = b"city,sales", bench.home / "attachments" / "1"
    folder.mkdir(parents=True)
    path = folder / "report.csv"
    path.write_bytes(content)
    file = Described(
        file_id=FileId(bytes(16)), key=bytes(32), name=path.name, size=len(content), sha256=sha256(content).digest()
    )
    stored = StoredFile(
        file=file, thread=1, kind=FileKind.ATTACHMENT, path=path, mtime_ns=0, at_ms=SystemClock().wall_ms()
    )
    with bench.owned() as owned:
        await owned.journal.step(lambda tx: files.add(tx, stored))
    return path, file.attachment()


async def test_each_task_gets_the_files_that_it_names_though_others_name_them_too(tmp_path: Path) -> None:
    async with Bench(tmp_path) as bench:
        path, report = await with_report(bench)
        await bench.ready()
        slow = await bench.phone.sends("slow", attachments=[report])
        await bench.phone.sees(slow.task_id, "started")
        others = [await bench.phone.sends(f"quick {number}", attachments=[report]) for number in range(2)]
        without = await bench.phone.sends("quick without")

        bench.agent.says("slow", Result("done"))
        await bench.phone.sees_end(without.task_id)

        assert [await bench.phone.sees_end(one.task_id) for one in others]
        assert [task.attachments for task in bench.agent.runs] == [[path], [path], [path], []]


async def test_a_task_whose_file_is_gone_when_its_turn_comes_fails_and_does_not_run_without(tmp_path: Path) -> None:
    async with Bench(tmp_path) as bench:
        path, report = await with_report(bench)
        await bench.ready()
        slow = await bench.phone.sends("slow")
        waiting = await bench.phone.sends("quick", attachments=[report])
        path.unlink()

        bench.agent.says("slow", Result("done"))
        ended = await bench.phone.sees_end(waiting.task_id)

        assert (ended.outcome, ended.reason) == (Outcome.OUTCOME_FAILED, Reason.REASON_ATTACHMENT_MISSING)
        assert [task.text for task in bench.agent.runs] == ["slow"]
        assert await bench.phone.sees_end(slow.task_id)
