"""A language model starts programs as the owner permits it: in the real sandbox, in an approved folder, after a yes."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from dispatch_host.agents import Allowed, Approval, Denied, Reach, Result
from dispatch_host.agents.terminal import Terminal
from dispatch_host.permissions.permission import TERMINAL
from dispatch_host.sandbox.probe import Found, probe
from dispatch_host.sandbox.unconfined import Unconfined
from dispatch_host.scope import Folder

from tests.support.agents import Nobody
from tests.support.model_server import Call, Say
from tests.unit.llm.conftest import Desk

YES = Allowed(Reach.ONCE, "pocket")


@pytest.fixture(scope="module")
def found() -> Found:
    """Give the sandbox of this machine."""
    found = asyncio.run(probe(home=Path("/nowhere")))
    if found.programs is None:
        pytest.skip(f"no sandbox on this machine: {found.why}")
    return found


def with_terminal(desk: Desk, found: Found) -> Desk:
    """Permit programs."""

    async def look() -> Found:
        return found

    desk.terminal = Terminal(look, unconfined=Unconfined(home=desk.home))
    desk.permit(Folder(desk.files, writable=True), permissions=[TERMINAL])
    return desk


async def runs(desk: Desk, ask: Nobody, command: list[str], folder: str = "files") -> str:
    """Let the model start a program, and give what it was told."""
    desk.server.says(Say(calls=[Call("run_program", {"command": command, "folder": folder})]), Say("Done."))
    assert isinstance(await desk.does("run it", ask=ask), Result)
    return desk.given[-1]


async def test_it_is_shown_asked_for_run_and_read(one_desk: Desk, found: Found) -> None:
    desk, ask = with_terminal(one_desk, found), Nobody(YES)

    told = await runs(desk, ask, ["sh", "-c", "echo hello; exit 3"])

    assert "hello" in told
    assert "ended with code 3" in told
    (question,) = ask.asked
    assert isinstance(question, Approval)
    assert "sh -c 'echo hello; exit 3'" in question.preview
    assert "in the sandbox, without the network" in question.preview


async def test_after_a_no_nothing_was_started(one_desk: Desk, found: Found) -> None:
    desk = with_terminal(one_desk, found)

    told = await runs(desk, Nobody(Denied("pocket")), ["touch", "made.txt"])

    assert "The person said no" in told
    assert not list(desk.files.iterdir())


@pytest.mark.parametrize("folder", ["/", "..", "/etc", "files/../..", "nowhere", "~"])
async def test_it_starts_in_approved_folders_only(one_desk: Desk, found: Found, folder: str) -> None:
    desk, ask = with_terminal(one_desk, found), Nobody(YES)

    told = await runs(desk, ask, ["id"], folder)

    assert told.startswith("Not done")
    assert ask.asked == []


async def test_where_there_is_no_sandbox_it_says_so(one_desk: Desk) -> None:
    desk, ask = with_terminal(one_desk, Found(None, "bubblewrap is not installed.", "Install it.")), Nobody(YES)

    told = await runs(desk, ask, ["id"])

    assert "there is no sandbox" in told
    assert ask.asked == []
