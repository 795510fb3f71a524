"""The subjects of `bench` that need nothing but Python carry messages, and a whole small run goes through them."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from pathlib import Path

import pytest

from bench.__main__ import carry_out, main, read
from bench.costs.figure import MESSAGES
from bench.costs.targets import Verdict
from bench.subjects.listing import SUBJECTS
from tests.support.bench_subject import check_subject, is_there
from tests.support.waiting import DEADLINE_SECONDS


@pytest.mark.big
@pytest.mark.parametrize("name", ["tcp", "bare", "relay", "relay-tls", "relay-live"])
async def test_it_carries_messages_of_every_size_to_the_right_end(name: str) -> None:
    await check_subject(SUBJECTS[name]())


@pytest.mark.big
async def test_a_small_run_measures_the_relay_against_bare() -> None:
    only = [f"--only={name}" for name in ("bare", "relay", "one-pair", "one-pair-300")]

    result = await carry_out(read([*only, "--rounds=2", "--seconds=0.2"]))

    assert [(one.name, one.why) for one in result.subjects] == [("bare", ""), ("relay", "")]
    assert {(one.measurement, one.subject) for one in result.figures} == {
        (measurement, subject)
        for measurement in ("at-rest", "one-pair", "one-pair-300")
        for subject in ("bare", "relay")
    }  # fmt: skip
    assert MESSAGES * sum(one.round_trips for one in result.figures) > 0
    measured = [one.target.what for one in result.judged() if one.verdict is not Verdict.NOT_MEASURED]
    assert measured == ["p50, one pair, against bare", "MiB at rest"]
    told = json.loads(json.dumps(result.told()))
    assert len(told["targets"]) == len(result.judged()) + len(result.of_growth) > len(result.judged())
    assert {"one-pair", "one-pair-300"} == {one["measurement"] for one in told["ratios"]}


@pytest.mark.big
def test_the_command_prints_tables_and_writes_figures(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    into = tmp_path / "new" / "costs.json"
    words = ["--only", "tcp", "--only", "one-pair", "--rounds", "1", "--seconds", "0.1", "--json", str(into)]

    code = main(words)

    shown = capsys.readouterr().out
    assert code == 0, shown
    assert "one-pair: one pair" in shown
    assert "not measured: relay and bare did not run one-pair" in shown
    assert json.loads(into.read_text())["schema"] == 1


@pytest.mark.big
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_what_is_stopped_leaves_no_server_running(number: signal.Signals) -> None:
    """Defect: ended by SIGTERM, as whoever runs it with a limit of time ends it, it left all servers behind."""
    words = ["--only=tcp", "--only=one-pair", "--rounds=100000", "--seconds=0.05"]
    bench = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bench", *words, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE
    )
    assert bench.stderr is not None
    try:
        async with asyncio.timeout(DEADLINE_SECONDS):
            while not (await bench.stderr.readline()).startswith(b"one-pair 2/"):
                assert not bench.stderr.at_eof()
            task = Path("/proc") / str(bench.pid) / "task" / str(bench.pid)
            (server,) = map(int, (task / "children").read_text().split())
            bench.send_signal(number)
            _, said = await bench.communicate()
    finally:
        if bench.returncode is None:
            bench.kill()

    assert bench.returncode == 130, said
    assert b"Traceback" not in said
    assert not is_there(server)
