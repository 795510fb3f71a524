"""What an agent is asked: the words, what came with them, and the thread so far."""

from __future__ import annotations

from pathlib import Path

import pytest
from acp.schema import (
    EmbeddedResourceContentBlock,
    ImageContentBlock,
    PromptCapabilities,
    ResourceContentBlock,
    TextContentBlock,
    TextResourceContents,
)
from dispatch_host.agents import Task, Turn
from dispatch_host.agents.acp.prompt import prompt

ALL, NONE = PromptCapabilities(image=True, embedded_context=True), PromptCapabilities()


def words(*turns: Turn, text: str = "go on") -> str:
    (block,) = prompt(Task("t", text), turns, NONE)
    assert isinstance(block, TextContentBlock)
    return block.text


def test_words_of_any_kind_are_text() -> None:
    assert words(text="a\ud800b") == "a?b"
    assert words(text="") == "(nothing was said)"


def test_the_turns_before_are_told_the_latest_first_to_fit() -> None:
    told = words(Turn("early", "done", "x" * 4000), *(Turn(f"ask {n}", "done", "y" * 4000) for n in range(5)))

    assert "The person said: ask 4" in told
    assert "early" not in told
    assert told.index("ask 3") < told.index("ask 4")
    assert told.endswith("Now the person says:\n\ngo on")
    assert len(told.encode()) < 17 * 1024


@pytest.fixture
def inbox(tmp_path: Path) -> Path:
    inbox = tmp_path.resolve() / "inbox"
    inbox.mkdir()
    (inbox / "notes.txt").write_text("words")
    (inbox / "photo.png").write_bytes(b"\x89PNG")
    (inbox / "data.bin").write_bytes(b"\0\1")
    (inbox / "link.txt").symlink_to("/etc/passwd")
    return inbox


def test_attachments_are_in_it_where_the_agent_takes_them(inbox: Path) -> None:
    task = Task("t", "look", inbox, sorted(inbox.iterdir()))

    _, data, link, notes, photo = prompt(task, [], ALL)

    assert isinstance(notes, EmbeddedResourceContentBlock)
    assert isinstance(notes.resource, TextResourceContents)
    assert notes.resource.text == "words"
    assert isinstance(photo, ImageContentBlock)
    assert isinstance(data, ResourceContentBlock)
    assert (data.name, data.uri, data.size) == ("data.bin", f"file://{inbox}/data.bin", 2)
    assert isinstance(link, ResourceContentBlock)
    assert link.size is None


def test_else_it_is_told_where_they_are(inbox: Path) -> None:
    task = Task("t", "look", inbox, [inbox / "notes.txt", inbox / "photo.png"])

    assert [type(block) for block in prompt(task, [], NONE)[1:]] == [ResourceContentBlock, ResourceContentBlock]
