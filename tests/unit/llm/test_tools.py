"""What a language model can do to files: looks at once, changes after a yes, and all of it undone."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from dispatch_host.agents import Allowed, Approval, Choice, Denied, Reach, Result, Said, Task
from dispatch_host.agents.asking import JSON
from dispatch_host.permissions.permission import Kind, Permission
from dispatch_host.scope import Folder

from tests.support.agents import Nobody
from tests.support.model_server import Call, Say
from tests.unit.llm.conftest import Desk

YES = Allowed(Reach.ONCE, "pocket")


async def called(desk: Desk, name: str, ask: Nobody | None = None, /, **arguments: JSON) -> str:
    """Let the model call one tool, and give what it was told."""
    desk.server.says(Say(calls=[Call(name, arguments)]), Say("Done."))
    assert isinstance(await desk.does("do it", ask=ask), Result)
    return desk.given[-1]


async def test_it_finds_its_way_through_folders(one_desk: Desk) -> None:
    work = one_desk.files / "work"
    work.mkdir()
    (work / "report.csv").write_text("name,amount\nada,3\nbob,4\n")
    (one_desk.files / "notes.txt").write_text("one\n")

    listed = await called(one_desk, "list_folder", folder="files")
    below = await called(one_desk, "list_folder", folder="files/work")
    found = await called(one_desk, "find_files", folder="files", kind="csv")

    assert "1 folder and 1 file" in listed
    assert "files/notes.txt" in listed
    assert "files/work/report.csv" in below
    assert "files/work/report.csv" in found


async def test_it_reads_a_long_text_in_parts(one_desk: Desk) -> None:
    (one_desk.files / "long.txt").write_text("".join(f"line {number}\n" for number in range(1, 1001)))

    first = await called(one_desk, "read_file", file="files/long.txt", count=3)
    rest = await called(one_desk, "read_file", file="files/long.txt", skip=998)
    usual = await called(one_desk, "read_file", file="files/long.txt")

    assert "line 1\nline 2\nline 3\n" in first
    assert "skip 3 for what follows" in first
    assert "line 999\nline 1000\n" in rest
    assert "That is its end." in rest
    assert "lines 1 to 400" in usual


async def test_it_reads_pages_of_a_pdf(one_desk: Desk) -> None:
    _pdf(one_desk.files / "book.pdf", pages=30)

    part = await called(one_desk, "read_file", file="files/book.pdf", skip=20, count=2)

    assert "pages 21 to 22 of 30" in part
    assert "This is page 21." in part
    assert "This is page 23." not in part


@pytest.mark.big
async def test_it_measures_and_searches(one_desk: Desk) -> None:
    (one_desk.files / "sales.csv").write_text("region,amount\nnorth,10\nsouth,32\n")

    rows = await called(one_desk, "read_rows", file="files/sales.csv")
    mean = await called(one_desk, "measure_column", file="files/sales.csv", column="amount", measures=["mean"])
    found = await called(one_desk, "search_in_files", phrase="south", folder="files")
    used = await called(one_desk, "disk_usage")

    assert "south" in rows
    assert "21" in mean
    assert "files/sales.csv" in found
    assert "files" in used


async def test_what_came_with_the_task_is_read_without_its_path(one_desk: Desk, tmp_path: Path) -> None:
    inbox = tmp_path / "home" / "attachments" / "1"
    inbox.mkdir(parents=True)
    (inbox / "letter.txt").write_text("Dear Ada")
    one_desk.permit()
    one_desk.server.says(Say(calls=[Call("read_file", {"file": "attached:letter.txt"})]), Say("It begins: Dear Ada"))

    end = await one_desk.does("", task=Task("task-1", "read it", inbox, [inbox / "letter.txt"]))

    assert isinstance(end, Result)
    assert "Dear Ada" in one_desk.given[0]
    assert "attached:letter.txt" in one_desk.server.asked[0].said
    assert str(tmp_path) not in one_desk.server.asked[0].said


async def test_it_sends_a_file_to_the_phone(one_desk: Desk) -> None:
    (one_desk.files / "a.txt").write_text("hello")

    await called(one_desk, "send_file", file="files/a.txt")

    assert one_desk.sent == [one_desk.files / "a.txt"]


async def test_a_change_is_shown_asked_for_made_and_undone(one_desk: Desk) -> None:
    (one_desk.files / "a b.txt").write_text("hello")
    ask = Nobody(YES, YES)

    renamed = await called(one_desk, "rename_files", ask, folder="files", rule="replace", text=" ", **{"with": "_"})
    assert (one_desk.files / "a_b.txt").read_text() == "hello"
    undone = await called(one_desk, "undo_change", ask)

    assert (one_desk.files / "a b.txt").read_text() == "hello"
    assert "Done: Rename 1 file" in renamed
    assert "Everything is as it was before" in undone
    rename, undo = ask.asked
    assert isinstance(rename, Approval)
    assert isinstance(undo, Approval)
    assert "`a b.txt` → `a_b.txt`" in rename.preview
    assert "Take this back" in undo.preview
    assert not undo.rule
    assert rename.digest != undo.digest


async def test_a_no_and_silence_are_told_apart_and_change_nothing(one_desk: Desk) -> None:
    (one_desk.files / "a.txt").write_text("hello")

    denied = await called(one_desk, "zip_files", Nobody(Denied("pocket")), folder="files")
    silent = await called(one_desk, "zip_files", Nobody(), folder="files")

    assert "The person said no" in denied
    assert "Nobody answered" in silent
    assert "not a no" in silent
    assert [path.name for path in one_desk.files.iterdir()] == ["a.txt"]


@pytest.mark.big
async def test_it_writes_a_new_file_and_never_over_one_that_is_there(one_desk: Desk) -> None:
    (one_desk.files / "old.txt").write_text("precious")
    ask = Nobody(YES, YES)

    new = await called(one_desk, "write_file", ask, file="files/new.txt", content="hello\nworld\n")
    old = await called(one_desk, "write_file", ask, file="files/old.txt", content="gone")

    assert "Done" in new
    assert (one_desk.files / "new.txt").read_text() == "hello\nworld\n"
    assert "Not done" in old
    assert (one_desk.files / "old.txt").read_text() == "precious"


@pytest.mark.big
async def test_each_change_is_asked_for_made_and_undone_byte_for_byte(one_desk: Desk) -> None:
    files = one_desk.files
    (files / "trip" / "raw").mkdir(parents=True)
    (files / "trip" / "raw" / "1.bin").write_bytes(bytes(range(256)))
    (files / "trip" / "day.txt").write_bytes(b"sun\r\nsun and rain")
    (files / "old").mkdir()
    (files / "b.txt").write_text("b")
    before = contents(files)
    for name, arguments, told, shows, then in CHANGES:
        ask = Nobody(YES, YES)

        assert told in await called(one_desk, name, ask, **arguments), name

        (question,) = ask.asked
        assert isinstance(question, Approval)
        assert shows in question.preview, name
        assert question.rule == f"change files in {files}"
        assert then(files), name
        assert contents(files) != before
        assert "Everything is as it was before" in await called(one_desk, "undo_change", ask)
        assert contents(files) == before, name


@pytest.mark.big
async def test_a_change_that_leads_out_or_over_something_is_refused_and_nothing_is_asked(
    one_desk: Desk, tmp_path: Path
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "a.txt").write_text("not yours")
    (one_desk.files / "a.txt").write_text("hello")
    ask = Nobody(*[YES] * 10)

    leading_out: dict[str, dict[str, JSON]] = {
        "delete_files": {"files": [str(outside / "a.txt")]},
        "move_files": {"files": ["files/a.txt"], "to": str(outside)},
        "copy_files": {"files": [str(outside / "a.txt")], "to": "files"},
        "make_folder": {"folder": f"{outside}/new"},
        "edit_file": {"file": str(outside / "a.txt"), "how": "append", "text": "x"},
    }
    for name, arguments in leading_out.items():
        assert (await called(one_desk, name, ask, **arguments)).startswith("Not permitted"), name
    for name, arguments, told in REFUSED:
        assert told in await called(one_desk, name, ask, **arguments), (name, arguments)

    assert ask.asked == []
    assert [path.name for path in one_desk.files.iterdir()] == ["a.txt"]
    assert [path.read_text() for path in outside.iterdir()] == ["not yours"]
    assert (Permission(Kind.FOLDER, str(outside), write=True), "move_files") in one_desk.gate.used


@pytest.mark.big
async def test_the_question_shows_all_of_a_new_file_to_its_last_line(one_desk: Desk) -> None:
    lines = [f"line {number} of many" for number in range(4000)]
    ask = Nobody(YES)
    one_desk.set(answer_tokens=32_000)  # what a model says is bounded, too

    too_long = await called(one_desk, "write_file", ask, file="files/a.txt", content="x" * 100_001)
    no_text = await called(one_desk, "write_file", ask, file="files/a.txt", content="\ud800")
    too_many_bytes = await called(one_desk, "write_file", ask, file="files/a.txt", content="é" * 70_000)
    await called(one_desk, "write_file", ask, file="files/a.txt", content="\n".join(lines))

    assert "at most 100000 characters" in too_long
    assert "half a character" in no_text
    assert "at most 128 KiB" in too_many_bytes
    (question,) = ask.asked
    assert isinstance(question, Approval)
    assert "\n".join(lines) in question.preview
    assert (one_desk.files / "a.txt").read_text() == "\n".join(lines)


@pytest.mark.big
async def test_it_packs_unpacks_sorts_and_converts(one_desk: Desk) -> None:
    (one_desk.files / "a.txt").write_text("hello")
    _pdf(one_desk.files / "b.pdf", pages=2)
    ask = Nobody(*[YES] * 4)

    await called(one_desk, "zip_files", ask, files=["files/a.txt"], target="packed")
    await called(one_desk, "unzip_file", ask, file="files/packed.zip")
    await called(one_desk, "convert_file", ask, file="files/b.pdf", into="text")
    await called(one_desk, "sort_files", ask, folder="files", by="ending")

    assert len(ask.asked) == 4
    found = {str(path.relative_to(one_desk.files)) for path in one_desk.files.rglob("*") if path.is_file()}
    assert found == {"packed/a.txt", "ZIP/packed.zip", "PDF/b.pdf", "TXT/b.txt", "TXT/a.txt"}
    assert zipfile.ZipFile(one_desk.files / "ZIP" / "packed.zip").namelist() == ["a.txt"]


async def test_where_nothing_may_be_changed_nothing_that_changes_is_offered(one_desk: Desk) -> None:
    one_desk.permit(Folder(one_desk.files))

    told = await called(one_desk, "write_file", file="files/new.txt", content="x")

    assert "no tool" in told
    assert not {"write_file", "zip_files", "rename_files", "run_program"} & set(one_desk.server.asked[0].tools)
    assert {"read_file", "ask_person"} <= set(one_desk.server.asked[0].tools)
    assert not list(one_desk.files.iterdir())


async def test_a_folder_for_reading_beside_one_for_writing_stays_as_it_is(one_desk: Desk, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    one_desk.permit(Folder(one_desk.files), Folder(tmp_path / "other", writable=True))
    ask = Nobody(YES)

    told = await called(one_desk, "write_file", ask, file="files/new.txt", content="x")

    assert told.startswith("Not permitted")
    assert not ask.asked
    assert not list(one_desk.files.iterdir())
    assert (Permission(Kind.FOLDER, str(one_desk.files), write=True), "write_file") in one_desk.gate.used


async def test_it_asks_the_person(one_desk: Desk) -> None:
    ask = Nobody(Said("the blue one", "pocket"))

    told = await called(one_desk, "ask_person", ask, question="Which one?", choices=["the blue one", "the red one"])
    silent = await called(one_desk, "ask_person", question="And now?")

    assert told == "The person says: the blue one"
    assert ask.asked == [Choice(text="Which one?", choices=["the blue one", "the red one"])]
    assert "Nobody answered" in silent


async def test_each_use_of_a_folder_is_noted_with_the_tool(one_desk: Desk, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    one_desk.permit(Folder(one_desk.files), Folder(tmp_path / "other"))

    await called(one_desk, "list_folder", folder="other")

    assert one_desk.gate.used == [(Permission(Kind.FOLDER, str(tmp_path / "other")), "list_folder")]


async def test_a_toolbox_that_breaks_is_not_the_end_of_the_task(one_desk: Desk) -> None:
    class Broken:
        async def tools(self, work: object) -> list[object]:
            raise RuntimeError("a connector that is not there")

    one_desk.toolboxes.append(Broken())  # type: ignore[arg-type]  # on purpose

    assert "0 folders and 0 files" in await called(one_desk, "list_folder", folder="files")


def contents(folder: Path) -> dict[str, bytes | None]:
    """Give what is in a folder."""
    return {str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None for path in folder.rglob("*")}


Changes = tuple[str, dict[str, JSON], str, str, Callable[[Path], bool]]
CHANGES: list[Changes] = [
    (
        "delete_files",
        {"folder": "files/trip"},
        "Done: Delete 2 folders with 2 files",
        "delete `1.bin` (256 B)",
        lambda files: not (files / "trip").exists(),
    ),
    (
        "delete_files",
        {"folder": "files", "only_files": True},
        "Done: Delete 1 file",
        "delete `b.txt`",
        lambda files: (files / "trip").exists() and not (files / "b.txt").exists(),
    ),
    (
        "move_files",
        {"folder": "files/trip", "to": "files/old"},
        "Done: Move 2 folders with 2 files",
        "into `",
        lambda files: (files / "old" / "trip" / "raw" / "1.bin").exists() and not (files / "trip").exists(),
    ),
    (
        "move_files",
        {"files": ["files/b.txt", "files/b.txt"], "name": "LICENCE"},
        "Done: Rename 1 file",
        "`b.txt` → `LICENCE`",
        lambda files: (files / "LICENCE").read_text() == "b",
    ),
    (
        "copy_files",
        {"files": ["files/b.txt", "files/trip/day.txt"], "to": "files/old"},
        "Done: Copy 2 files",
        "a copy",
        lambda files: {path.name for path in (files / "old").iterdir()} == {"b.txt", "day.txt"},
    ),
    (
        "copy_files",
        {"files": ["files/b.txt"], "name": "c"},
        "Done: Copy 1 file",
        "a copy, `c`",
        lambda files: (files / "c").read_text() == (files / "b.txt").read_text(),
    ),
    (
        "make_folder",
        {"folder": "files/there/not/yet"},
        "Done: Make the folder",
        "new folder `yet`",
        lambda files: (files / "there" / "not" / "yet").is_dir(),
    ),
    (
        "make_folder",
        {"folder": "files/trip/new"},
        "Done: Make the folder",
        "new folder `new`",
        lambda files: (files / "trip" / "new").is_dir(),
    ),
    (
        "edit_file",
        {"file": "files/trip/day.txt", "how": "replace", "text": "sun", "with": "snow"},
        "Done: Replace “sun” 2 times in",
        "+snow and rain␃",
        lambda files: (files / "trip" / "day.txt").read_bytes() == b"snow\r\nsnow and rain",
    ),
    (
        "edit_file",
        {"file": "files/trip/day.txt", "how": "append", "text": "wind\n"},
        "Done: Add a line to",
        "+wind␍",
        lambda files: (files / "trip" / "day.txt").read_bytes() == b"sun\r\nsun and rain\r\nwind\r\n",
    ),
    (
        "edit_file",
        {"file": "files/trip/day.txt", "how": "drop", "text": "rain"},
        "Done: Remove 1 line from",
        "-sun and rain␃",
        lambda files: (files / "trip" / "day.txt").read_bytes() == b"sun\r\n",
    ),
]
REFUSED: list[tuple[str, dict[str, JSON], str]] = [
    ("delete_files", {}, "either files or folder"),
    ("delete_files", {"folder": "files"}, "is an approved folder, which stays"),
    ("delete_files", {"files": ["files/none.txt"]}, "There are no files"),
    ("move_files", {"files": ["files/a.txt"]}, "to is missing"),
    ("move_files", {"files": ["files/a.txt"], "to": "files/none"}, "There is no folder"),
    ("move_files", {"files": ["files/a.txt"], "to": "none"}, "no whole path"),
    ("move_files", {"files": ["files/a.txt"], "to": "files"}, "already"),
    ("move_files", {"files": ["files/a.txt"], "name": "../b.txt"}, "can't be the name of a file"),
    ("copy_files", {"folder": "files", "name": "b.txt"}, "name is for one file"),
    ("make_folder", {"folder": "files/a.txt"}, "is there already"),
    ("make_folder", {"folder": "files/a.txt/y"}, "Not done"),
    ("edit_file", {"file": "files/a.txt", "how": "replace", "text": "sun"}, "is not in"),
    ("edit_file", {"file": "files/a.txt", "how": "append"}, "text is missing"),
    ("edit_file", {"file": "files/a.txt", "how": "append", "text": "\ud800"}, "half a character"),
    ("edit_file", {"file": "files/a.txt", "how": "append", "text": "x", "with": "y"}, "no argument with"),
]


def _pdf(path: Path, *, pages: int) -> None:
    from reportlab.pdfgen.canvas import Canvas

    canvas = Canvas(str(path))
    for number in range(1, pages + 1):
        canvas.drawString(72, 720, f"This is page {number}.")
        canvas.showPage()
    canvas.save()
