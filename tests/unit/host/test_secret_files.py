"""Files with the owner's secrets, in a folder that agents may read: no tool and no program reads them, whatever changes."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from dispatch.device.home import Home
from dispatch_host.owned import Owned, owning
from dispatch_host.sandbox.probe import probe
from dispatch_host.sandbox.program import Limits, Output, Program
from dispatch_host.scope import Folder, KeepOut, Refused, Scope
from dispatch_host.secret_files import SecretFiles

AGENTS = """
[llm]
provider = "anthropic"
key_file = "~/.config/anthropic.key"
[acp.mine]
command = ["/usr/bin/true"]
[acp.mine.secrets]
MINE_KEY = "~/.config/mine.key"
"""
CONNECTORS = {
    "mcpServers": {
        "mail": {"command": "x", "env": {"PASSWORD": "me:${file:~/.config/mail}@x"}, "nobody knows": True},
        "off": {"url": "https://x", "disabled": True, "headers": {"Authorization": "Bearer ${file:/%s}"}},
    }
}


class Computer:
    """A home that agents may read, with a host in it and secrets beside."""

    def __init__(self, root: Path) -> None:
        self.root = root / "me"
        self.config = self.root / ".config"
        self.config.mkdir(parents=True)
        self.host = self.root / ".host"
        self.host.mkdir(mode=0o700)
        self.environment: dict[str, str] = {}
        for name in ("anthropic.key", "mine.key", "mail", "token", "openai.key", "notes"):
            (self.config / name).write_text(f"in {name}")
        self.keep_out = self.made()

    def made(self) -> KeepOut:
        files = SecretFiles(self.host, environment=self.environment, owners_home=self.root)
        return KeepOut([self.host], files)

    def says(self, agents: str = AGENTS) -> None:
        (self.host / "agents.toml").write_text(agents)
        written = json.dumps(CONNECTORS).replace("/%s", str(self.config / "token"))
        (self.host / "connectors.json").write_text(written)

    def readable(self, *, writable: bool = False) -> list[str]:
        """Give the names of what a tool reads in the folder of settings."""
        found = []
        with Scope([Folder(self.root, writable)], keep_out=self.keep_out) as scope:
            for path in sorted(self.config.rglob("*")):
                located = scope.locate(str(path))
                assert located is not None
                try:
                    with scope.open_file(*located) as file:
                        found.append(file.read().decode().removeprefix("in "))
                except (Refused, OSError):
                    continue
        return found


@pytest.fixture
def computer(tmp_path: Path) -> Computer:
    """Give a computer."""
    return Computer(tmp_path)


def test_no_tool_reads_a_file_that_the_settings_name_as_secret_from_the_moment_they_do(computer: Computer) -> None:
    everything = ["anthropic.key", "mail", "mine.key", "notes", "openai.key", "token"]
    assert computer.readable() == everything

    computer.says()
    assert computer.readable() == ["notes", "openai.key"]
    assert computer.readable(writable=True) == ["notes", "openai.key"]

    computer.says(AGENTS.replace("anthropic.key", "openai.key"))
    assert computer.readable() == ["notes"]


def test_a_mistake_in_the_settings_opens_nothing(computer: Computer) -> None:
    computer.says()
    computer.readable()
    (computer.host / "agents.toml").write_text("[llm\n")
    (computer.host / "connectors.json").unlink()

    assert computer.readable() == ["notes", "openai.key"]


@pytest.mark.parametrize(
    ("agents", "connectors"),
    [
        (AGENTS + "model = claude\n", None),
        (AGENTS.replace('anthropic.key"', "anthropic.key"), '{"mcpServers": {"a": "~/.config/mail", "b": "%s",}}'),
        (AGENTS.replace('"', ""), '{"a": "${file:~\\/.config/mail}", "b": "Bearer ${file:%s'),
        (AGENTS.replace('"', "'") + "[acp", "a: ${file:~/.config/mail}\nb: x ${file:%s} # mine"),
    ],
)
def test_a_mistake_that_was_there_before_the_host_was_opens_nothing_either(
    computer: Computer, agents: str, connectors: str | None
) -> None:
    """A file that does not parse was never read: whatever in it could name a file with a secret does."""
    computer.says(agents)
    if connectors is not None:
        (computer.host / "connectors.json").write_text(connectors.replace("%s", str(computer.config / "token")))

    assert computer.readable() == ["notes", "openai.key"]


def test_a_mistake_closes_no_folder_and_no_program(computer: Computer) -> None:
    program = computer.config / "notes"
    program.chmod(0o755)
    computer.says(f'[llm\nkey_file = "~/.config/mine.key"\n"{computer.config}"\n"{program}"\n"/"\n"/\0"\n')

    assert computer.readable() == ["anthropic.key", "notes", "openai.key"]


def test_a_key_of_the_environment_is_one(computer: Computer) -> None:
    computer.environment["DISPATCH_HOST_LLM_KEY_FILE"] = str(computer.config / "openai.key")
    computer.keep_out = computer.made()

    assert "openai.key" not in computer.readable()


def test_a_key_that_is_written_anew_or_moved_is_kept_out_as_well(computer: Computer) -> None:
    computer.says()
    computer.readable()
    key = computer.config / "anthropic.key"
    (computer.config / "new").write_text("in another key")
    (computer.config / "new").replace(key)
    computer.config.joinpath("mail").rename(computer.config / "moved")
    assert computer.readable() == ["notes", "openai.key"]

    # Whoever may rename a folder above it must not choose what is meant.
    moved = computer.root / "elsewhere"
    computer.config.rename(moved)
    computer.config.mkdir()
    (computer.config / "anthropic.key").write_text("in nothing")
    assert computer.readable() == []
    computer.config = moved
    assert computer.readable() == ["notes", "openai.key"]
    assert all(os.path.lexists(one.path) for one in computer.keep_out)  # what is deleted is in nobody's way


def test_a_folder_or_something_that_is_not_there_closes_nothing(computer: Computer) -> None:
    computer.says(AGENTS.replace("~/.config/anthropic.key", "~/").replace("mine.key", "missing/key"))

    assert "anthropic.key" in computer.readable()


async def test_no_program_in_the_sandbox_reads_one_either_though_it_is_named_later(computer: Computer) -> None:
    programs = (await probe(home=computer.root, keep_out=computer.keep_out)).programs
    if programs is None:
        pytest.skip("there is no sandbox here")
    computer.says()
    program = Program(("sh", "-c", "cat .config/*"), computer.root)

    said = b""
    async for event in programs.run(program, folders=[Folder(computer.root)], network=False, limits=Limits()):
        said += event.data if isinstance(event, Output) else b""

    assert b"in notes" in said
    assert not any(f"in {name}".encode() in said for name in ("anthropic.key", "mine.key", "mail", "token"))


def test_a_host_keeps_them_out(tmp_path: Path) -> None:
    def kept(owned: Owned) -> set[Path]:
        return {one.path for one in owned.keep_out}

    key = tmp_path / "key"
    key.write_text("k")
    home = Home(tmp_path / "host")
    home.create()
    (home.path / "agents.toml").write_text(f'[llm]\nkey_file = "{key}"\n')

    with owning(home, plaintext=True) as owned:
        assert {home.path.resolve(), key.resolve()} <= kept(owned)
