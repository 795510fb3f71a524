"""`make demo` does what it promises, and leaves nothing behind, also when it is interrupted."""

from __future__ import annotations

import asyncio
import signal
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.demo.samples import write_pdf
from tests.support.processes import ENVIRONMENT

ROOT = Path(__file__).resolve().parents[2]
DEADLINE_SECONDS = 240  # for a dozen programs, one after the other


@pytest.fixture
def stage() -> Iterator[Path]:
    """A short path: a control socket below it must fit where sockets may stand."""
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


async def start(stage: Path, *options: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "deploy.demo", *options,
        cwd=ROOT, env={**ENVIRONMENT, "TMPDIR": str(stage)},
        stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip


async def said(demo: asyncio.subprocess.Process) -> str:
    async with asyncio.timeout(DEADLINE_SECONDS):
        output, _ = await demo.communicate()
    return output.decode()


def processes_that_name(stage: Path) -> list[str]:
    """List the command lines that hold the folder's name; empty where there is no /proc."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue  # it ended while we looked
        if str(stage) in line:
            found.append(line)
    return found


def left_by(stage: Path) -> list[str]:
    return [str(path) for path in stage.rglob("*")] + processes_that_name(stage)


@pytest.mark.big  # `make demo` is as quick to type
async def test_the_demo_does_its_tasks_changes_and_undoes_and_shows_a_refusal_with_its_cause_and_metric(
    stage: Path,
) -> None:
    demo = await start(stage)

    output = await said(demo)

    assert demo.returncode == 0, output
    assert output.count("✓ done (the host, ") == 6, output
    assert "» answered: once, by Pocket" in output
    assert "both said yes to the same code" in output
    assert "HOST_APP_CLOSED" in output
    assert 'dispatch_relay_host_offline_failures_total{cause="app_closed"} 0 → 1' in output
    assert left_by(stage) == []


@pytest.mark.big
async def test_the_demo_works_on_a_folder_of_ones_own_and_changes_nothing_in_it(tmp_path: Path, stage: Path) -> None:
    own = tmp_path / "my things"
    own.mkdir()
    write_pdf(
        own / "holiday plan.pdf", "Plan", ["We go to the sea in June. The train leaves at nine. The sea is warm."]
    )
    (own / "spending.csv").write_text("day,amount\n" + "".join(f"{day},{day * 3}\n" for day in range(1, 40)))
    before = {path.name: path.read_bytes() for path in own.iterdir()}

    demo = await start(stage, "--folder", str(own))
    output = await said(demo)

    assert demo.returncode == 0, output
    assert output.count("✓ done (the host, ") == 6, output
    assert "holiday plan.pdf" in output
    assert {path.name: path.read_bytes() for path in own.iterdir()} == before
    assert left_by(stage) == []


@pytest.mark.big
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_an_interrupted_demo_leaves_nothing_behind(stage: Path, number: signal.Signals) -> None:
    demo = await start(stage)
    assert demo.stdout is not None
    async with asyncio.timeout(DEADLINE_SECONDS):
        while "relay on" not in (line := (await demo.stdout.readline()).decode()):
            assert line, "the demo ended before it had started"

    demo.send_signal(number)
    output = await said(demo)

    assert demo.returncode == 130, output
    assert left_by(stage) == []
