"""The files that an external agent writes, without an agent."""

from __future__ import annotations

from pathlib import Path

from dispatch_host.agents import Task
from dispatch_host.agents.acp.files import Files
from dispatch_host.scope import Folder

from tests.support.agents import YES, Nobody, OpenGate
from tests.support.slow_threads import SlowThreads


async def test_a_task_that_is_cancelled_waits_for_the_file_that_is_being_written(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    files = Files(
        task=Task("ab" * 16, "x"),
        gate=OpenGate([Folder(folder, writable=True)]),
        ask=Nobody(YES),
        agent="Scripty",
        home=tmp_path,
        keep_out=[],
        records=tmp_path / "changes",
    )

    assert await SlowThreads("_apply").outlived_by(files.write(str(folder / "a.txt"), "words"))

    assert (folder / "a.txt").read_text() == "words"
