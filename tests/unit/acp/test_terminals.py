"""The question before a program that an external agent asks for. Nothing is started here: nobody answers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from dispatch_host.agents.acp.terminals import ProgramRefused, Terminals
from dispatch_host.agents.asking import Approval
from dispatch_host.agents.terminal import Terminal
from dispatch_host.permissions.permission import TERMINAL
from dispatch_host.sandbox.probe import Found
from dispatch_host.sandbox.unconfined import Unconfined
from dispatch_host.scope import Folder

from tests.support.agents import Nobody, OpenGate


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path.resolve()


async def question(folder: Path, *argv: str, **variables: str) -> Approval:
    """Have an agent ask for a program, and give what the person is asked."""
    never_started = Unconfined(home=folder, keep_out=[])

    async def probe() -> Found:
        return Found(never_started)

    person = Nobody()
    terminals = Terminals(
        terminal=Terminal(probe, unconfined=never_started),
        gate=OpenGate([Folder(folder, writable=True)], TERMINAL),
        ask=person,
        agent="Scripty",
        home=folder.parent,
        keep_out=(),
    )
    with pytest.raises(ProgramRefused, match="nobody answered"):
        await terminals.create(argv, folder, variables, None)
    (asked,) = person.asked
    assert isinstance(asked, Approval)
    return asked


@pytest.mark.parametrize(
    "programs",
    [
        (["sh", "-c", "printf a\\nrm -rf ."], ["sh", "-c", "printf a\nrm -rf ."]),
        (["echo", "a\u200bb"], ["echo", "ab"]),
        (["ls", "a b"], ["ls", "a", "b"]),
    ],
)
async def test_two_programs_are_never_one_rule_nor_shown_alike(programs: Sequence[list[str]], folder: Path) -> None:
    one, other = [await question(folder, *argv) for argv in programs]

    assert one.rule_digest != other.rule_digest
    assert one.rule != other.rule
    assert one.preview != other.preview


async def test_a_variable_is_not_a_word_of_the_program(folder: Path) -> None:
    word, variable = await question(folder, "A=1", "ls"), await question(folder, "ls", A="1")

    assert word.rule_digest != variable.rule_digest
    assert word.preview != variable.preview
    assert "with A=1 set" in variable.rule


async def test_several_lines_can_be_allowed_only_once(folder: Path) -> None:
    assert (await question(folder, "sh", "-c", "true\nrm x")).rule == ""
    assert (await question(folder, "sh", A="1\n2")).rule == ""
