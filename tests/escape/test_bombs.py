"""Files that are small outside and large inside, or that lead round in circles: each gets an answer, within bounds.

By the built-in assistant, whose worker the files' tools of a model are done in, too: in a process of its own, with the memory that
it may have.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from dispatch_host.agents import Allowed, Reach
from dispatch_host.agents.builtin.driver import BuiltIn
from dispatch_host.scope import Folder

from tests.escape.bombs import BIG, BOMBS
from tests.support.agents import Nobody, last, leaves_nothing, run

ASKED = {
    ".zip": ("unzip {name}",),
    ".pdf": ("convert {name} to text", "summarise {name}", "search for words in box"),
    ".docx": ("convert {name} to text", "summarise {name}", "search for words in box"),
    ".xlsx": ("convert {name} to csv", "read {name}"),
    ".csv": ("average of column b in {name}", "read {name}", "search for words in box"),
}
MOST_WRITTEN = 5 * 1024 * 1024  # beside what came: a converted file may have 4 MiB in any case


@pytest.mark.parametrize("name", [*BOMBS, *(pytest.param(name, marks=pytest.mark.big) for name in BIG)])
@pytest.mark.timeout(600)
async def test_a_file_that_is_larger_inside_than_outside_is_answered_within_bounds(tmp_path: Path, name: str) -> None:
    box = tmp_path / "box"
    box.mkdir()
    (BOMBS.get(name) or BIG[name])(box / name)
    came = (box / name).stat().st_size
    for text in ASKED[Path(name).suffix]:
        assistant = BuiltIn(home=tmp_path, records=tmp_path / "changes")
        async with leaves_nothing():
            events = await run(
                assistant,
                text.format(name=name),
                scope=[Folder(box, writable=True)],
                ask=Nobody(Allowed(Reach.ONCE, "phone")),
            )

        assert "failed inside" not in last(events).text
        assert "needed more memory" not in last(events).text
        written = sum(path.stat().st_size for path in box.rglob("*") if path.is_file()) - came
        assert written <= MOST_WRITTEN
