"""What the host's doctor says of a folder."""

from __future__ import annotations

import threading
from pathlib import Path

from dispatch.doctor.chain import Finding, State, ok
from dispatch_host.doctor_looks import answered, look_at_folder
from dispatch_host.scope import Folder


async def test_a_folder_whose_disk_never_answers_is_named_with_the_mend(tmp_path: Path) -> None:
    never = threading.Event()

    def hangs(_folder: Folder) -> Finding:
        never.wait()
        return ok("too late")

    finding = await answered(Folder(tmp_path), hangs, seconds=0.05)
    never.set()

    assert finding.state is State.BROKEN
    assert "did not answer" in finding.text
    assert "folders remove" in finding.advice


async def test_a_folder_that_is_as_it_was_approved_is_well(tmp_path: Path) -> None:
    assert (await answered(Folder(tmp_path, writable=True), look_at_folder)).state is State.OK
