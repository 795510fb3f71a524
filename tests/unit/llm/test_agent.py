"""The language model passes what every agent must pass, whatever its provider says."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.support.agents import check_agent
from tests.support.model_server import Asked, Call, Reply, Say
from tests.unit.llm.conftest import Desk


def looks_first(asked: Asked) -> Reply:
    """Call a tool, and answer when it has given something."""
    if asked.given or "list_folder" not in asked.tools:
        return Say("There are `notes.txt` and another.")
    return Say("I look.", [Call("list_folder", {"folder": "files"})])


@pytest.mark.big
async def test_it_is_an_agent(desk: Desk) -> None:
    desk.server.usual = looks_first

    await check_agent(desk.agent, desk.files)


async def test_names_that_are_no_text_reach_neither_model_nor_person_as_they_are(
    make_desk: Callable[[str], Desk],
) -> None:
    desk = make_desk("anthropic")
    desk.server.usual = looks_first
    (desk.files / "bad\udcff\n|name.txt").write_text("x")

    await desk.does("list \ud800")

    assert all(asked.said.encode() for asked in desk.server.asked)
