"""Saving what a site offers: through the scope, asked for as it is, and never in the place of anything."""

from __future__ import annotations

import os
from collections.abc import Awaitable
from pathlib import Path

import pytest
from dispatch import errors
from dispatch_host.agents import Allowed, Approval, Denied, NobodyAnswered, Reach
from dispatch_host.browser import pictures, saving
from dispatch_host.scope import Folder

from tests.support.agents import Nobody, OpenGate
from tests.support.slow_threads import SlowThreads

YES = Allowed(Reach.ONCE, "phone")


def opened(tmp_path: Path, data: bytes) -> int:
    path = tmp_path / "from the sandbox"
    path.write_bytes(data)
    return os.open(path, os.O_RDONLY)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "Downloads"
    folder.mkdir()
    return folder


def saves(tmp_path: Path, folder: Path, *, ask: Nobody, name: str = "a.pdf", writable: bool = True) -> Awaitable[Path]:
    return saving.save(
        opened(tmp_path, b"data"),
        name=name,
        url="https://x.example/a.pdf?secret",
        folder=folder,
        gate=OpenGate([Folder(folder, writable)]),
        ask=ask,
        keep_out=[],
    )


@pytest.mark.parametrize(
    ("name", "kept"),
    [("../../x", "x"), ("/etc/passwd", "passwd"), (".bashrc", "bashrc"), ("a\u202eb", "a_b"), ("", "file")],
)
async def test_a_name_leads_nowhere(tmp_path: Path, folder: Path, name: str, kept: str) -> None:
    assert await saves(tmp_path, folder, ask=Nobody(YES), name=name) == folder / kept
    assert os.listdir(folder) == [kept]


async def test_the_question_says_name_size_and_origin_and_no_more_of_the_address(tmp_path: Path, folder: Path) -> None:
    ask = Nobody(YES)
    await saves(tmp_path, folder, ask=ask)

    (question,) = ask.asked
    assert isinstance(question, Approval)
    assert "`a.pdf` (4 B) from https://x.example" in question.text
    assert "secret" not in question.preview


@pytest.mark.parametrize("reply", [Denied("phone"), None])
async def test_without_a_yes_nothing_is_saved(tmp_path: Path, folder: Path, reply: Denied | None) -> None:
    ask = Nobody() if reply is None else Nobody(reply)
    with pytest.raises(saving.NotSaved) as failure:
        await saves(tmp_path, folder, ask=ask)

    assert failure.value.by_person
    assert os.listdir(folder) == []


async def test_a_name_that_is_taken_stays_as_it_is_also_when_it_was_taken_during_the_question(
    tmp_path: Path, folder: Path
) -> None:
    class Slow(Nobody):
        async def may(self, question: Approval) -> Allowed | Denied | NobodyAnswered:
            (folder / "a.pdf").symlink_to(tmp_path / "elsewhere")
            return await super().may(question)

    with pytest.raises(saving.NotSaved, match="already"):
        await saves(tmp_path, folder, ask=Slow(YES))
    with pytest.raises(saving.NotSaved, match="already"):
        await saves(tmp_path, folder, ask=Nobody(YES))

    assert not (tmp_path / "elsewhere").exists()


async def test_a_folder_for_reading_is_not_written_to_and_nobody_is_asked(tmp_path: Path, folder: Path) -> None:
    ask = Nobody(YES)
    with pytest.raises(errors.NotPermitted):
        await saves(tmp_path, folder, ask=ask, writable=False)

    assert ask.asked == []


def test_of_pictures_the_last_hundred_are_kept(tmp_path: Path) -> None:
    kept = [pictures.keep(tmp_path / "pictures", opened(tmp_path, b"png"), task_id="abcdef0123") for _ in range(103)]

    assert len(os.listdir(tmp_path / "pictures")) == pictures.MOST
    assert kept[-1].read_bytes() == b"png"
    assert kept[-1].name.startswith("screenshot-abcdef01-")


def test_a_picture_that_is_too_large_leaves_nothing(tmp_path: Path) -> None:
    huge = tmp_path / "huge"
    with huge.open("wb") as file:
        file.truncate(pictures.MOST_BYTES + 1)

    with pytest.raises(pictures.TooLarge):
        pictures.keep(tmp_path / "pictures", os.open(huge, os.O_RDONLY), task_id="t")

    assert os.listdir(tmp_path / "pictures") == []


@pytest.mark.parametrize("slow", ["_read", "_check", "_write"])
async def test_a_task_that_is_cancelled_waits_for_what_is_being_read_or_written(
    tmp_path: Path, folder: Path, slow: str
) -> None:
    async def work() -> None:
        await saves(tmp_path, folder, ask=Nobody(YES))

    assert await SlowThreads(slow).outlived_by(work())
