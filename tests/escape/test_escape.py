"""The escape suite: every tool against every bait, archives that lead out, and swaps raced in a loop."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.escape.given import WITHOUT_A_PATH, given
from tests.escape.ground import BAITS, CANARY, Bait, Ground, NotHere, archive
from tests.escape.more import undone
from tests.escape.tools import BY_THE_KERNEL, RACED, TOOLS

TURNS = 100
PASSWD = Path("/etc/passwd").read_text().splitlines()[0]


@pytest.fixture
def ground(tmp_path: Path) -> Ground:
    laid = Ground(tmp_path.resolve())
    laid.lay()
    return laid


async def tries(tool: str, ground: Ground, path: str) -> None:
    """Let a tool try, and see that nothing got out and nothing came in."""
    before = ground.watched()
    try:
        said = await TOOLS[tool](ground, path)
    except NotHere as missing:
        pytest.skip(f"NOT TESTED: {missing}")
    assert CANARY not in said
    assert tool in BY_THE_KERNEL or PASSWD not in said  # programs see the system's own files, as they need to
    assert ground.watched() == before
    assert ground.leaks() == []


@pytest.mark.parametrize("bait", BAITS, ids=lambda bait: bait.name)
@pytest.mark.parametrize(
    "tool", [pytest.param(tool, marks=pytest.mark.big) if tool in BY_THE_KERNEL else tool for tool in TOOLS]
)
async def test_no_tool_gets_out(ground: Ground, tool: str, bait: Bait) -> None:
    if bait.is_the_file and tool in BY_THE_KERNEL:
        pytest.skip("a hard link in an approved folder is a file of that folder to a program")
    try:
        path = bait.lay(ground)
    except NotHere as missing:
        pytest.skip(f"NOT TESTED: {missing}")
    await tries(tool, ground, path)


@pytest.mark.parametrize("tool", [tool for tool in TOOLS if tool not in BY_THE_KERNEL])
async def test_no_tool_gets_out_with_all_baits_at_once(ground: Ground, tool: str) -> None:
    """What walks a folder meets them all."""
    for bait in BAITS:
        if "/" not in bait.path:
            within = ground.approved / bait.name.replace(" ", "-").replace("'", "")
            within.mkdir()
            if len(bait.path) < 200:
                with suppress(NotHere):
                    Bait(bait.name, f"{within.name}/{bait.path}").lay(ground)

    await tries(tool, ground, f"{ground.approved}/plain.txt")


async def test_an_archive_leads_nowhere_but_into_its_folder(ground: Ground) -> None:
    archive(ground.approved / "evil.zip")
    (ground.approved / "linked").symlink_to(ground.outside)

    await tries('assistant: unzip "{path}"', ground, f"{ground.approved}/evil.zip")

    made = {str(path.relative_to(ground.approved / "evil")) for path in (ground.approved / "evil").rglob("*")}
    assert "good.txt" in made
    assert all(not path.is_symlink() for path in (ground.approved / "evil").rglob("*"))
    assert (ground.host / "device").read_text() != "pwned"


@contextmanager
def swapping(ground: Ground, what: str) -> Iterator[str]:
    """Swap a file or the folder above it for a link outside and back, again and again; give the path that is tried."""
    over = threading.Event()
    swaps: list[int] = []
    turning, aside = ground.approved / "turning", ground.approved / "aside"
    turning.mkdir()
    (turning / "inner.txt").write_text("harmless")
    if what == "folder":
        here, to = turning, ground.outside / "folder"
    else:
        here, to = turning / "inner.txt", ground.secret
        aside = turning / "aside.txt"

    def swap() -> None:
        link = ground.approved / "waiting"
        while not over.is_set():
            try:
                os.symlink(to, link)
                os.rename(here, aside)
                os.rename(link, here)
                os.unlink(here)
                os.rename(aside, here)
                swaps.append(1)
            except OSError:  # the tool was faster: begin anew
                for left in (link, here):
                    with suppress(OSError):
                        if left.is_symlink():
                            left.unlink()
                with suppress(OSError):
                    turning.mkdir(exist_ok=True)
                    (turning / "inner.txt").write_text("harmless")

    thread = threading.Thread(target=swap)
    thread.start()
    try:
        yield f"{turning}/inner.txt"
    finally:
        over.set()
        thread.join()
    assert swaps


@pytest.mark.big
@pytest.mark.parametrize("what", ["file", "folder"])
@pytest.mark.parametrize("tool", RACED)
async def test_no_tool_gets_out_by_a_race(ground: Ground, tool: str, what: str) -> None:
    before = ground.watched()
    with swapping(ground, what) as path:
        for _ in range(TURNS if tool not in BY_THE_KERNEL else 5):
            assert CANARY not in await TOOLS[tool](ground, path)
    assert ground.watched() == before
    assert ground.leaks() == []


@pytest.mark.parametrize(
    "tool",
    [
        "model: read_file",
        "model: search_in_files",
        "external agent: read",
        "skill: read_skill_file",
        "desktop: desktop_open_document",
    ],
)
async def test_a_tool_that_gets_nowhere_does_get_to_what_is_approved(ground: Ground, tool: str) -> None:
    (ground.approved / "plain.txt").write_text("canary words, nothing else\n")

    assert "canary words" in await TOOLS[tool](ground, f"{ground.approved}/plain.txt")


async def test_what_sends_and_what_opens_does_get_to_what_is_approved(ground: Ground) -> None:
    plain = f"{ground.approved}/plain.txt"

    assert "Sent `approved/plain.txt`" in await TOOLS["external agent: send_file"](ground, plain)
    assert "plain words" in await TOOLS["assistant opens"](ground, plain)


async def test_a_model_does_undo_what_nobody_swapped(ground: Ground) -> None:
    said = await undone(ground, None)

    assert said.count("Everything is as it was before") == 2
    assert (ground.approved / "edited" / "inner.txt").read_text() == "harmless"
    assert (ground.approved / "emptied" / "inner.txt").read_text() == "harmless"


@pytest.mark.big
async def test_a_program_of_the_assistants_does_get_to_what_is_approved(ground: Ground) -> None:
    try:
        said = await TOOLS["assistant runs: cat"](ground, f"{ground.approved}/plain.txt")
    except NotHere as missing:
        pytest.skip(f"NOT TESTED: {missing}")

    assert "plain words" in said


async def test_each_tool_that_an_agent_can_be_given_is_in_the_suite_or_says_why_not(ground: Ground) -> None:
    """A tool more is an attempt more. Tools of connectors are their servers': they get words, and nothing of ours."""
    tried = {
        name.partition(": ")[2].split()[0]
        for name in TOOLS
        if name.startswith(("model: ", "browser: ", "desktop: ", "skill: "))
    }

    assert not tried & set(WITHOUT_A_PATH)
    assert await given(ground) == tried | set(WITHOUT_A_PATH)


@pytest.mark.parametrize("tool", [tool for tool in TOOLS if tool.startswith("assistant: ")])
async def test_each_request_to_the_assistant_is_understood(ground: Ground, tool: str) -> None:
    said = await TOOLS[tool](ground, f"{ground.approved}/plain.txt")

    assert "What I can do" not in said
    assert "needs a desktop agent" not in said


async def test_what_may_be_written_is_written(ground: Ground) -> None:
    for name, tool in enumerate(("model: write_file", "external agent: write", "browser: browser_download as")):
        await TOOLS[tool](ground, f"{ground.approved}/new-{name}.txt")

    written = sorted(path.name for path in ground.approved.iterdir() if path.is_file() and "pwned" in path.read_text())
    assert len(written) == 3


async def test_the_canary_would_be_seen(ground: Ground) -> None:
    """The suite is no better than its canary: what is approved, copied or changed is noticed."""
    with pytest.raises(AssertionError):
        await tries('assistant: read "{path}"', Ground(ground.root), str(_exposed(ground)))
    (ground.approved / "copy.txt").write_text(CANARY)
    assert ground.leaks() != []
    before = ground.watched()
    (ground.outside / "folder" / "new.txt").write_text("")
    assert ground.watched() != before


def _exposed(ground: Ground) -> Path:
    path = ground.approved / "exposed.txt"
    path.write_text(CANARY)
    return path
