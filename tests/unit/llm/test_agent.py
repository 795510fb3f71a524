"""The language model passes what every agent must pass, whatever its provider says."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.agents import IGNORE, Deeds, check_agent
from tests.support.model_server import Asked, Call, Reply, Say
from tests.unit.llm.conftest import Desk


def looks_first(asked: Asked) -> Reply:
    """Call a tool, and answer when it has given something."""
    if asked.given or "list_folder" not in asked.tools:
        return Say("There are `notes.txt` and another.")
    return Say("I look.", [Call("list_folder", {"folder": "files"})])


def obeys(asked: Asked) -> Reply:
    """Call what a task says after `calls:`, once, and answer with what that gave."""
    text = asked.text
    if "calls:" not in text:
        return Say(f"I know: {asked.said}") if "remember" in text else looks_first(asked)
    if asked.given:
        return Say("\n".join(asked.given))
    return Say(calls=[Call(name, given) for name, given in json.loads(text.partition("calls:")[2])])


def calling(*calls: Call) -> str:
    """Write the task that has the model call these."""
    return f"{IGNORE} calls:{json.dumps([(call.name, call.arguments) for call in calls])}"


def reaching(path: Path) -> str:
    """Have it try all that it has."""
    reads = [Call(name, {"file": str(path)}) for name in ("read_file", "send_file", "describe_file", "convert_file")]
    beside = [
        Call("write_file", {"file": str(path.with_name("new.txt")), "content": "x"}),
        Call("zip_files", {"files": [str(path)], "target": "out"}),
        Call("rename_files", {"files": [str(path)], "rule": "prefix", "text": "x"}),
        Call("run_program", {"command": ["cat", str(path)], "folder": str(path.parent)}),
    ]
    return calling(*reads, *beside)


@pytest.mark.big
async def test_it_is_an_agent(desk: Desk) -> None:
    desk.server.usual = obeys
    deeds = Deeds(
        makes=lambda path: calling(Call("write_file", {"file": str(path), "content": "x"})),
        reaches=reaching,
        sends=lambda path: calling(Call("send_file", {"file": str(path)})),
        remembers=("remember the word heron", "remember what I said", "heron"),
    )

    await check_agent(desk.agent, desk.files, deeds)


@pytest.mark.big
async def test_names_that_are_no_text_reach_neither_model_nor_person_as_they_are(
    make_desk: Callable[[str], Desk],
) -> None:
    desk = make_desk("anthropic")
    desk.server.usual = looks_first
    (desk.files / "bad\udcff\n|name.txt").write_text("x")

    await desk.does("list \ud800")

    assert all(asked.said.encode() for asked in desk.server.asked)
