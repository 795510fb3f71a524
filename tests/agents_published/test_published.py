"""Gemini CLI, Codex, Claude Code and OpenCode, as published: each starts in the sandbox, and says what it wants."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest
from dispatch_host.agents import NotDone, NotDoneReason
from dispatch_host.agents.acp.presets import PRESETS
from dispatch_host.permissions.permission import NETWORK
from dispatch_host.sandbox.bubblewrap import Bubblewrap
from dispatch_host.sandbox.probe import Found, probe

from tests.support.acp_desk import Desk
from tests.support.waiting import DEADLINE_SECONDS

MODULES = Path(__file__).parent / "node_modules"
PROGRAMS = MODULES / ".bin"
OPENCODE = MODULES / "opencode-linux-x64-baseline" / "bin"
"""Its maker's program itself: the package `opencode-ai` only picks it by a script at installation, and none runs here."""


@pytest.fixture(scope="session")
def found() -> Found:
    found = asyncio.run(probe(home=Path("/nowhere")))
    if found.programs is None:
        pytest.skip(f"no sandbox on this machine: {found.why}")
    return found


@pytest.fixture
def desk(found: Found, tmp_path: Path) -> Desk:
    """Somebody who has the programs, the network, and no login anywhere."""
    home = tmp_path.resolve() / "home"
    home.mkdir()
    assert isinstance(found.programs, Bubblewrap)
    here = Found(Bubblewrap(found.programs.executable, home=home, keep_out=[home / "host"]))

    async def looked() -> Found:
        return here

    desk = Desk(home, looked)
    desk.start_seconds = DEADLINE_SECONDS
    desk.permissions.append(NETWORK)
    desk.environment["PATH"] = f"{PROGRAMS}:{OPENCODE}:{os.environ['PATH']}"
    return desk


@pytest.mark.parametrize(
    ("name", "way", "command"),
    [
        ("gemini", "Log in with Google", "gemini"),
        ("codex", "Login with ChatGPT", "codex login"),
        ("claude", "", "CLAUDE_CONFIG_DIR=~/.claude claude /login"),
    ],
)
async def test_it_says_which_login_is_missing(desk: Desk, name: str, way: str, command: str) -> None:
    desk.preset = next(preset for preset in PRESETS if preset.name == name)
    for folder in desk.preset.write:
        (desk.home / folder.removeprefix("~/")).mkdir(parents=True)

    end = await desk.asks("What is in this folder?")

    assert isinstance(end, NotDone)
    assert end.reason is NotDoneReason.AGENT_UNAVAILABLE, end.text
    assert f"{desk.preset.title} needs a login" in end.text
    assert way in end.text
    assert f"`{command}`" in end.text
    assert all(f"`{variable}`" in end.text for variable in desk.preset.variables)


@pytest.mark.parametrize("name", ["gemini", "codex", "claude"])
async def test_it_starts_though_its_folders_are_not_there_yet(desk: Desk, name: str) -> None:
    desk.preset = next(preset for preset in PRESETS if preset.name == name)

    end = await desk.asks("hello")

    assert isinstance(end, NotDone)
    assert "not the Agent Client Protocol" not in end.text


@pytest.mark.skipif(not OPENCODE.exists(), reason="OpenCode is here for Linux on x86-64 only")
async def test_opencode_takes_a_task_without_a_login(desk: Desk) -> None:
    """It wants none: it asks a model of its maker's, which is reached from here or not. Either is its own word on the task."""
    desk.preset = next(preset for preset in PRESETS if preset.name == "opencode")
    for folder in desk.preset.write:
        (desk.home / folder.removeprefix("~/")).mkdir(parents=True)

    end = await desk.asks("What is in this folder?")

    if isinstance(end, NotDone):
        assert end.reason is NotDoneReason.AGENT_FAILED, end.text
        assert end.text.startswith("OpenCode failed: "), end.text
