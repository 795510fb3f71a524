"""Which external agents a host knows: the presets, the owner's own, and what is missing of each."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from dispatch_host.agents.acp.finding import NotInstalled, find
from dispatch_host.agents.acp.known import external_agents, own_folders
from dispatch_host.agents.acp.own import read_own
from dispatch_host.agents.acp.presets import PRESETS, Preset
from dispatch_host.agents.registry import Known
from dispatch_host.agents.terminal import best_terminal
from dispatch_host.scope import Folder

OWN = """
[acp.mine]
title = "My agent"
command = ["/usr/bin/true", "--acp"]
read = ["~/tools"]
write = ["~/.mine"]
network = false
variables = ["MINE_REGION"]
[acp.mine.secrets]
MINE_KEY = "~/mine.key"
"""


def program(path: Path, text: str = "#!/bin/sh\n") -> Path:
    """Put a program there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
    return path


def secret(path: Path, text: str) -> None:
    """Put a secret there, for its owner only."""
    path.touch(0o600)
    path.write_text(text)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    home = tmp_path.resolve() / "ann"
    home.mkdir()
    return home


def known(home: Path, *, path: str = "/usr/bin:/bin") -> dict[str, Known]:
    environment = {"PATH": path}
    terminal = best_terminal(home=home, keep_out=[], environment=environment)
    found = external_agents(
        home / "host" / "agents.toml",
        home=home,
        environment=environment,
        terminal=terminal,
        keep_out=[],
        records=home / "host" / "changes",
    )
    return {one.name: one for one in found}


async def test_each_preset_is_listed_with_what_it_gets_and_whether_it_is_there(home: Path) -> None:
    program(home / ".local" / "bin" / "codex-acp")

    listed = known(home)

    assert set(listed) == {f"acp:{preset.name}" for preset in PRESETS}
    assert "changes ~/.claude" in listed["acp:claude"].about
    assert "ANTHROPIC_API_KEY" in listed["acp:claude"].about
    assert "'claude-agent-acp'" in await listed["acp:claude"].why_not()
    assert await listed["acp:codex"].why_not() == ""


async def test_an_agent_of_ones_own_is_one_of_them_and_may_replace_a_preset(home: Path) -> None:
    (home / "host").mkdir()
    secret(home / "mine.key", "the key\n")
    (home / "host" / "agents.toml").write_text(OWN + OWN.replace("mine]", "goose]").replace("mine.s", "goose.s"))

    listed = known(home)

    assert "My agent" in listed["acp:mine"].about
    assert "MINE_KEY" in listed["acp:mine"].about
    assert "the key" not in listed["acp:mine"].about
    assert await listed["acp:mine"].why_not() == ""
    assert "My agent" in listed["acp:goose"].about


@pytest.mark.parametrize(
    ("text", "name", "words"),
    [
        ("[acp.mine", "", "no TOML"),
        ("acp = 3", "", "no table"),
        ("[acp.mine]\ncommand = 'x'", "mine", "command is a list"),
        ("[acp.mine]\ncommand = ['x']\nshell = true", "mine", "nobody knows shell"),
        ("[acp.mine]\ncommand = ['x']\nread = ['tools']", "mine", "beginning with /"),
        ("[acp.mine]\ncommand = ['x']\nread = ['~/../bob']", "mine", "beginning with /"),
        ("[acp.mine]\ncommand = ['x']\nvariables = ['A=B']", "mine", "variables"),
        ("[acp.mine]\ncommand = ['x']\nsecrets = {KEY = 'the value itself'}", "mine", "a file for each"),
        ("[acp.'a b']\ncommand = ['x']", "", "a name is"),
    ],
)
async def test_a_mistake_is_told_with_its_place_and_takes_nothing_else_away(
    home: Path, text: str, name: str, words: str
) -> None:
    (home / "host").mkdir()
    (home / "host" / "agents.toml").write_text(text)

    listed = known(home)

    wrong = await listed[f"acp:{name or 'agents.toml'}"].why_not()
    assert words in wrong
    assert "the value itself" not in wrong
    assert {f"acp:{preset.name}" for preset in PRESETS} <= set(listed)


def test_a_secret_that_is_not_there_is_missing_and_its_path_is_not_told(home: Path) -> None:
    (home / "agents.toml").write_text(OWN)
    (preset,) = read_own(home / "agents.toml").presets

    with pytest.raises(NotInstalled) as missing:
        find(preset, home=home, environment={})

    assert "MINE_KEY" in str(missing.value)
    assert "mine.key" not in str(missing.value)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620])
def test_a_secret_that_others_can_read_or_write_is_not_used(home: Path, mode: int) -> None:
    (home / "agents.toml").write_text(OWN)
    secret(home / "mine.key", "the key\n")
    (preset,) = read_own(home / "agents.toml").presets
    assert find(preset, home=home, environment={}).variables == {"MINE_KEY": "the key"}

    (home / "mine.key").chmod(mode)

    with pytest.raises(NotInstalled, match="chmod 600"):
        find(preset, home=home, environment={})


def test_a_secret_is_a_file(home: Path) -> None:
    """A pipe would have the host wait for whoever writes into it."""
    (home / "agents.toml").write_text(OWN)
    os.mkfifo(home / "mine.key", 0o600)
    (preset,) = read_own(home / "agents.toml").presets

    with pytest.raises(NotInstalled, match="no file of yours"):
        find(preset, home=home, environment={})


def test_a_program_gets_what_it_is_made_of(home: Path) -> None:
    script = program(
        home / "npm" / "lib" / "node_modules" / "@x" / "tool" / "cli.js", "#!/usr/bin/env -S thenode --flag\n"
    )
    node = program(home / "nvm" / "v22" / "bin" / "thenode")
    (home / "npm" / "bin").mkdir()
    os.symlink(script, home / "npm" / "bin" / "tool")
    preset = Preset(name="tool", title="Tool", command=("tool", "--acp"), write=("~/.tool",), variables=("A", "B"))

    ready = find(preset, home=home, environment={"PATH": f"{home}/npm/bin:{node.parent}", "A": "1", "C": "3"})

    assert ready.argv == (str(node), "--flag", str(script), "--acp")
    assert list(ready.own) == [
        Folder(node.parent),
        Folder(home / "npm" / "lib" / "node_modules"),
        Folder(home / ".tool", writable=True),
    ]
    assert ready.variables == {"A": "1"}


def test_a_home_is_never_given_for_a_program(home: Path) -> None:
    program(home / "tool")
    preset = Preset(name="tool", title="Tool", command=("tool",))

    assert list(find(preset, home=home, environment={"PATH": str(home)}).own) == []


def test_an_interpreter_of_an_environment_brings_that_environment(home: Path) -> None:
    preset = Preset(name="tool", title="Tool", command=(sys.executable, "-V"))

    ready = find(preset, home=home, environment={})

    assert ready.argv == (sys.executable, "-V")
    assert Folder(Path(sys.prefix)) in ready.own


def test_what_agents_have_for_themselves_is_told_as_it_leads_now_installed_or_not(home: Path) -> None:
    own_file = home / "agents.toml"
    own_file.write_text(OWN)
    own = own_folders(own_file, home=home)
    assert {home / ".claude", home / ".codex", home / ".mine"} <= set(own())
    assert home / "tools" not in own()

    (home / "elsewhere").mkdir()
    (home / ".claude").symlink_to(home / "elsewhere")

    assert home / "elsewhere" in own()
