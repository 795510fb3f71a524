"""The built-in assistant changes files on a real host: the phone sees the whole plan, says yes, and has it taken back."""

from __future__ import annotations

import os
import zipfile
from collections.abc import AsyncIterator
from hashlib import sha256
from pathlib import Path

import pytest
from dispatch.api.error.v1.error_pb2 import Reason
from dispatch.api.host.v1 import host_pb2
from dispatch.api.relay.v1.relay_pb2 import Outcome
from dispatch.api.thread.v1 import thread_pb2 as pb
from dispatch_host.agents.builtin.driver import BuiltIn
from dispatch_host.changes import Records

from tests.support.host_bench import Bench


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path.resolve() / "Photos"
    folder.mkdir()
    for name in ("a.jpg", "b.jpg", "note.txt"):
        (folder / name).write_text(name)
    return folder


@pytest.fixture
async def bench(tmp_path: Path, photos: Path) -> AsyncIterator[Bench]:
    """Give a host that runs the built-in assistant and may change one folder."""
    async with Bench(tmp_path) as bench:
        await starts(bench, photos)
        yield bench


async def starts(bench: Bench, photos: Path) -> None:
    assistant = BuiltIn(keep_out=[bench.home.path], records=bench.home.path / "changes", environment=os.environ)
    bench.agent = assistant  # type: ignore[assignment]  # in place of the one that follows a script
    await bench.ready()
    async with bench.control() as control:
        await control.add_folder(host_pb2.Folder(path=str(photos), writable=True))


def picture(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


async def asked(bench: Bench, text: str) -> tuple[bytes, pb.Question]:
    sent = await bench.phone.sends(text)
    return sent.task_id, (await bench.phone.sees(sent.task_id, "question")).question


async def answered(bench: Bench, task_id: bytes, question: pb.Question, approval: pb.Approval.ValueType) -> pb.Ended:
    assert await bench.phone.posts(bench.phone.answer(task_id, question.question_id, approval=approval)) is None
    return await bench.phone.sees_end(task_id)


async def done(bench: Bench, text: str) -> str:
    """Send what needs no answer, and give its result."""
    task_id = (await bench.phone.sends(text)).task_id
    ended = await bench.phone.sees_end(task_id)
    assert ended.outcome == Outcome.OUTCOME_DONE, ended
    return "".join(event.result_text.text for event in bench.phone.of(task_id) if event.HasField("result_text"))


async def test_a_plan_is_asked_for_carried_out_and_taken_back(bench: Bench, photos: Path) -> None:
    before = picture(photos)
    await done(bench, "find jpg files in Photos")

    task_id, question = await asked(bench, "zip those and call it trip")
    assert picture(photos) == before
    assert "new archive `trip.zip` of 2 files" in question.preview
    assert "`a.jpg`, `b.jpg`" in question.preview
    assert question.rule == f"change files in {photos}"

    ended = await answered(bench, task_id, question, pb.APPROVAL_ONCE)
    assert ended.outcome == Outcome.OUTCOME_DONE
    assert zipfile.ZipFile(photos / "trip.zip").namelist() == ["a.jpg", "b.jpg"]
    (record,) = Records(bench.home.path / "changes").of(task_id.hex())
    assert question.action_digest == record.plan.digest == sha256((record.folder / "plan").read_bytes()).digest()

    assert "Everything is as it was before" in await done(bench, "undo that")
    assert picture(photos) == before


async def test_a_no_changes_nothing(bench: Bench, photos: Path) -> None:
    before = picture(photos)
    task_id, question = await asked(bench, "rename the files in Photos to trip 1, trip 2")

    ended = await answered(bench, task_id, question, pb.APPROVAL_DENY)

    assert (ended.outcome, ended.reason) == (Outcome.OUTCOME_DENIED, Reason.REASON_PERSON_DENIED)
    assert picture(photos) == before


@pytest.mark.big
async def test_always_is_for_this_folder_and_ends_with_the_leave_to_write(bench: Bench, photos: Path) -> None:
    task_id, question = await asked(bench, "rename a.jpg to c.jpg")
    await answered(bench, task_id, question, pb.APPROVAL_ALWAYS)

    await done(bench, "rename c.jpg to d.jpg")
    assert (photos / "d.jpg").exists()
    async with bench.control() as control:
        await control.add_folder(host_pb2.Folder(path=str(photos)))
    ended = await bench.phone.sees_end((await bench.phone.sends("rename d.jpg to e.jpg")).task_id)

    assert (ended.outcome, ended.reason) == (Outcome.OUTCOME_FAILED, Reason.REASON_FOLDER_NOT_APPROVED)
    assert (photos / "d.jpg").exists()


async def test_a_folder_taken_back_while_it_is_asked_for_is_not_changed(bench: Bench, photos: Path) -> None:
    before = picture(photos)
    task_id, _ = await asked(bench, "sort Photos into folders by type")

    async with bench.control() as control:
        await control.remove_folder(str(photos))
    ended = await bench.phone.sees_end(task_id)

    assert ended.outcome == Outcome.OUTCOME_FAILED
    assert picture(photos) == before


@pytest.mark.big
async def test_what_a_task_changed_is_undone_after_the_host_was_started_anew(bench: Bench, photos: Path) -> None:
    """Nothing but the disk remembers: the task's own end, with what the assistant keeps in mind, may never have been written."""
    before = picture(photos)
    task_id, question = await asked(bench, "sort Photos into folders by type")
    await answered(bench, task_id, question, pb.APPROVAL_ONCE)
    assert picture(photos).keys() == {"Pictures/a.jpg", "Pictures/b.jpg", "Texts/note.txt"}
    record = next(Records(bench.home.path / "changes").of(task_id.hex()))
    (record.folder / "log").write_bytes(b"".join((record.folder / "log").read_bytes().splitlines(keepends=True)[:-1]))

    await bench.stops()
    await bench.ready()

    assert "Everything is as it was before" in await done(bench, "undo that")
    assert picture(photos) == before
    assert set(os.listdir(photos)) == {"a.jpg", "b.jpg", "note.txt"}


async def test_every_change_is_in_the_audit_log(bench: Bench, photos: Path) -> None:
    task_id, question = await asked(bench, "rename a.jpg to c.jpg")
    await answered(bench, task_id, question, pb.APPROVAL_ONCE)

    async with bench.control() as control:
        lines = [line async for line in control.read_audit(100, task_id)]

    assert any("changed" in str(line) for line in lines)
