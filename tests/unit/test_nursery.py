"""A program that was forked by a nursery is what an executed one is, as far as tests can tell."""

from __future__ import annotations

import os
import signal

import pytest

from tests.support.processes import Process
from tests.support.waiting import DEADLINE_SECONDS

pytestmark = pytest.mark.timeout(2 * DEADLINE_SECONDS)


@pytest.mark.parametrize("program", ["dispatch-host", "dispatch-pairing", "dispatch-phone", "dispatch-relay"])
async def test_it_says_the_same_and_ends_with_the_same_code(program: str) -> None:
    ends = []
    for executed in (False, True):
        process = await Process.start(program, "no-such-command", executed=executed)
        process.close_stdin()
        ends.append((await process.ended(), process.events, bytes(process.stderr)))

    assert ends[0] == ends[1]
    assert ends[0][0] != 0


async def test_it_has_a_session_an_environment_and_signals_of_its_own(tmp_path: os.PathLike[str]) -> None:
    process = await Process.start(
        "dispatch-relay", "serve", "--listen", "127.0.0.1:0", "--data", os.fspath(tmp_path), "--pairing", "127.0.0.1:1",
        env={"DISPATCH_RELAY_LEASE_MS": "4321"},
    )  # fmt: skip
    await process.event("listening")

    assert os.getsid(process.pid) == process.pid != os.getsid(0)
    process.signal(signal.SIGKILL)
    assert await process.ended() == -signal.SIGKILL


async def test_a_setting_that_is_wrong_there_is_heard_there(tmp_path: os.PathLike[str]) -> None:
    process = await Process.start(
        "dispatch-relay", "serve", "--listen", "127.0.0.1:0", "--data", os.fspath(tmp_path), "--pairing", "127.0.0.1:1",
        env={"DISPATCH_RELAY_LEASE_MS": "never"},
    )  # fmt: skip
    process.close_stdin()

    assert await process.ended() == 2
    assert "DISPATCH_RELAY_LEASE_MS" in process.events[-1]["detail"]
