"""Everyday work in one thread, from the phone and with real processes: found, packed, converted, compared, run, undone."""

from __future__ import annotations

import os
import shutil
import subprocess
import zipfile
from collections.abc import AsyncIterator
from datetime import datetime
from pathlib import Path

import openpyxl
import pytest

from deploy.demo.samples import write_pdf
from tests.support.processes import Event, run
from tests.support.world import World
from tests.unit.assistant.conftest import rows

pytestmark = [
    pytest.mark.big,
    pytest.mark.timeout(600),  # some thirty programs, one after the other, each with a worker
    pytest.mark.skipif(shutil.which("git") is None, reason="git is not on this machine"),
]

LONG_AGO = datetime(2024, 3, 1, 12)  # noqa: DTZ001 -- the host's own zone, as it reads the dates that it is asked for
RECENT = {
    "draft.txt": datetime(2025, 6, 1, 12),  # noqa: DTZ001 -- as above
    "plan.txt": datetime(2025, 6, 2, 12),  # noqa: DTZ001 -- as above
}
TESTS = """\
import unittest
from adding import add

class Adding(unittest.TestCase):
    def test_two_and_two(self):
        self.assertEqual(add(2, 2), 4)
"""


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    """Give a phone and a running host, with files that may be changed, a project among them, and a terminal."""
    async with World(tmp_path) as world:
        await world.services()
        fill(tmp_path / "files")
        host = await world.devices()
        await host.stop()
        for permitted in (("folder", str(tmp_path / "files"), "--write"), ("terminal",)):
            code, events = await run("dispatch-host", "permissions", "allow", *permitted, "--home", world.home("desk"))
            assert code == 0, events
        await world.run_host("desk")
        yield world


def fill(folder: Path) -> None:
    """Write what a person might have, all of it long ago but for two files."""
    letters, copies = folder / "letters", folder / "copies"
    for one in (folder, letters, copies):
        one.mkdir()
    write_pdf(letters / "invoice April.pdf", "Invoice of April", ["The lamp costs forty and is due in May."])
    write_pdf(letters / "invoice March.pdf", "Invoice of March", ["The kettle costs thirty and is due in April."])
    write_pdf(letters / "lease.pdf", "Lease", ["The rent is due on the third day."])
    for name in ("one.txt", "two.txt"):
        (copies / name).write_text("the same words\n")
    (copies / "three.txt").write_text("other words, o\n")  # as long as they are
    book = openpyxl.Workbook()
    for title, amount in (("May", 2.5), ("June", 7)):
        sheet = book.create_sheet(title)
        sheet.append(["day", "amount"])
        sheet.append([1, amount])
    book.save(folder / "spending.xlsx")
    project(folder / "adder")
    for name in RECENT:
        (folder / name).write_text(f"{name}\n")
    for path in folder.rglob("*"):
        os.utime(path, (RECENT.get(path.name, LONG_AGO).timestamp(),) * 2)


def project(folder: Path) -> None:
    """Make a small program with its tests, in a repository that nothing was committed to."""
    folder.mkdir()
    git(folder, "init", "-q")
    git(folder, "config", "user.name", "Ada")
    git(folder, "config", "user.email", "ada@example.com")
    (folder / "adding.py").write_text("def add(one, other):\n    return one + other\n")
    (folder / "test_adding.py").write_text(TESTS)
    (folder / ".gitignore").write_text("__pycache__\n")


def git(folder: Path, *words: str) -> str:
    done = subprocess.run(["git", "-C", str(folder), *words], capture_output=True, text=True, check=True)
    return done.stdout


def picture(folder: Path) -> dict[str, bytes]:
    """Take what lies in a folder, its project aside: programs write there."""
    files = [path for path in folder.rglob("*") if path.is_file() and "adder" not in path.parts]
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


async def asks(world: World, words: str) -> str:
    """Send what needs no permission; gives the answer."""
    code, events = await world.send(words)
    assert (code, events[-1]["event"]) == (0, "done"), events
    assert not [event for event in events if event["event"] == "asking"], events
    return str(events[-1]["text"])


async def agrees(world: World, words: str) -> tuple[Event, str]:
    """Send what asks first, and say yes on the phone; gives the question and the answer."""
    sending = await world.start("dispatch-phone", "send", words, "--home", world.home("pocket"))
    question = await sending.event("asking")
    code, events = await run("dispatch-phone", "answer", question["task_id"], "once", "--home", world.home("pocket"))
    assert (code, events[-1]["event"]) == (0, "answered"), events
    assert await sending.ended() == 0, sending
    return question, str((await sending.event("done"))["text"])


async def test_everyday_work_is_done_in_one_thread_exactly_as_it_was_asked_for_and_undone(world: World) -> None:
    folder = world.folder / "files"
    before = picture(folder)

    await finds_and_packs(world, folder)
    await converts(world, folder)
    await looks_around(world)
    if shutil.which("bwrap") is not None:
        await works_on_the_project(world, folder / "adder")

    assert "Undone: Convert 1 file to CSV. Everything is as it was before." in await asks(world, "undo that")
    made = {"letters/files.zip", "letters/invoice March.txt"}
    assert picture(folder).keys() - before.keys() == made
    assert "undone already" in await asks(world, "undo that")  # the last change, and none before it
    assert {name: content for name, content in picture(folder).items() if name not in made} == before
    assert made < picture(folder).keys()


async def finds_and_packs(world: World, folder: Path) -> None:
    first = await asks(world, "find PDFs with invoice in the name, list them and summarise the first")
    assert "**2 PDFs with `invoice` in the name** in `files`" in first
    invoices = ["invoice April.pdf", "invoice March.pdf"]
    assert [row[1] for row in rows(first)] == [f"`files/letters/{name}`" for name in invoices]
    assert "> The lamp costs forty and is due in May." in first

    second = await asks(world, "and the second one?")
    assert "`files/letters/invoice March.pdf`" in second
    assert "> The kettle costs thirty and is due in April." in second
    assert "lamp" not in second

    question, done = await agrees(world, "zip those")
    assert "Zip 2 files" in question["text"] + question["detail"]
    assert "- `files/letters/files.zip`" in done.splitlines()
    with zipfile.ZipFile(folder / "letters" / "files.zip") as archive:
        packed = {name: archive.read(name) for name in archive.namelist()}
    assert packed == {name: (folder / "letters" / name).read_bytes() for name in invoices}


async def converts(world: World, folder: Path) -> None:
    _, done = await agrees(world, "extract the text from invoice March.pdf")
    assert "- `files/letters/invoice March.txt`" in done.splitlines()
    text = (folder / "letters" / "invoice March.txt").read_text()
    assert " ".join(text.split()) == "Invoice of March The kettle costs thirty and is due in April."

    question, done = await agrees(world, "convert the sheet May of spending.xlsx to csv")
    assert "sheet `May`" in question["detail"]
    assert "- `files/spending.csv`" in done.splitlines()
    assert (folder / "spending.csv").read_text().splitlines() == ["day,amount", "1,2.5"]


async def looks_around(world: World) -> None:
    alike = await asks(world, "find duplicates in copies")
    assert "**1 group of identical files** in `files/copies`: 1 surplus copy, 15 B (15 bytes)" in alike
    assert [line.strip() for line in alike.splitlines() if "`files/copies/" in line and "- " in line] == [
        "- `files/copies/one.txt`",
        "- `files/copies/two.txt`",
    ]

    changed = await asks(world, "what changed between 2025-06-01 and 2025-06-10?")
    assert "**2 files modified from 2025-06-01 00:00 until 2025-06-11 00:00** in `files`" in changed
    assert [(row[1], row[4]) for row in rows(changed)] == [
        ("`files/plan.txt`", "2025-06-02 12:00"),
        ("`files/draft.txt`", "2025-06-01 12:00"),
    ]
    later = await asks(world, "txt files changed since 2025-06-02 in files")
    assert "`files/plan.txt`" in later
    assert "`files/draft.txt`" not in later


async def works_on_the_project(world: World, folder: Path) -> None:
    question, ran = await agrees(world, "run the tests in adder")
    assert "python3 -m unittest" in question["detail"]
    assert "ended well" in ran
    assert "Ran 1 test" in ran

    _, status = await agrees(world, "git status")  # where the thread's last program ran
    assert "No commits yet" in status
    assert [name for name in ("adding.py", "test_adding.py", "__pycache__") if name in status] == [
        "adding.py",
        "test_adding.py",
    ]

    question, _ = await agrees(world, "commit this with message 'Add two numbers'")
    listed = [line for line in question["detail"].splitlines() if line.startswith("- ")]
    new = "not in git until now"
    assert listed == [f"- `{name}`: {new}" for name in (".gitignore", "adding.py", "test_adding.py")]
    assert git(folder, "log", "--format=%an: %s") == "Ada: Add two numbers\n"
    assert git(folder, "status", "--short") == ""
