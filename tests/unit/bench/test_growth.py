"""How cost grows: figures, fits, targets, capacity, and that docs/growth.md says what its figures do."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest
from dispatch.ids import PairId
from dispatch_relay.log import Decide, Keep
from dispatch_relay.presence import End
from dispatch_relay.sqlite.log import SqliteLog

from bench import markdown
from bench.costs.targets import Verdict
from bench.figures import Used
from bench.growth import capacity, curves, fits, page
from bench.growth.__main__ import carry_out, measured_before, read
from bench.growth.carried import carried
from bench.growth.figures import Growth, HostsFigure, IdleFigure, PairsFigure, Taken, ThreadFigure
from bench.growth.files import OTHERS, possible
from bench.growth.idle import figure
from bench.growth.long_thread import a_task, fill
from bench.growth.plan import FULL, QUICK, GrowthPlan, HostShare, divided
from bench.growth.targets import LAST, judged
from bench.growth.wire_bytes import idle_bytes_per_second, round_trip_bytes

ROOT = Path(__file__).resolve().parents[3]
COMPUTER = {
    "cores": 2, "load_before": 0.5, "python": "3.11.2", "grpcio": "1.85.1", "kernel": "6", "grpc_experiments": ""
}  # fmt: skip


def an_idle(streams: int, *, kib: float = 40.0, cpu: float = 5.0) -> IdleFigure:
    return IdleFigure(
        streams=streams,
        connections=streams,
        held=streams,
        attached_within_s=1.0,
        kib_per_stream=kib,
        cpu_percent=cpu,
        resident_mib=64 + kib * streams / 1024,
        at_rest_mib=64.0,
        ended=0,
    )


def a_turn(rows: int, number: int, cpu: float, *, p50: float = 2.0) -> ThreadFigure:
    return ThreadFigure(
        rows=rows, round=number, messages=10, cpu_us_per_message=cpu, p50_ms=p50, store_bytes=200 * rows
    )


GROWTH = Growth(
    taken={part: Taken(computer=COMPUTER) for part in ("idle", "pairs", "thread", "hosts")},
    idle=(an_idle(1_000), an_idle(10_000)),
    shared=(replace(an_idle(10_000, kib=30), connections=8),),
    pairs=(
        PairsFigure(pairs=50, round_trips_per_second=900, cpu_us_per_message=200, p50_ms=40, p99_ms=80, unanswered=0),
    ),
    thread=(a_turn(10, 1, 100), a_turn(1_000_000, 1, 110), a_turn(10, 2, 300), a_turn(1_000_000, 2, 300)),
    hosts=(
        HostsFigure(hosts=1, list_ms=3, list_cpu_ms=2, list_bytes=100, grant_ms=4, grant_cpu_ms=3),
        HostsFigure(hosts=101, list_ms=53, list_cpu_ms=40, list_bytes=10_240, grant_ms=5, grant_cpu_ms=4),
    ),
)
README = (
    "## What it carries\n\n| | one relay, S | two relays, P |\n|---|---|---|\n| memory | 41 KiB | 54 KiB |\n\n## Else\n"
)


def test_figures_come_back_from_json_as_they_were() -> None:
    assert Growth.read(json.loads(json.dumps(GROWTH.told()))) == GROWTH


def test_figures_of_another_schema_are_not_read() -> None:
    with pytest.raises(ValueError, match="schema 2"):
        Growth.read({**GROWTH.told(), "schema": 2})


def test_a_line_goes_through_what_grows_evenly() -> None:
    assert fits.line([(0, 5), (10, 25), (20, 45)]) == fits.Line(start=5, each=2)
    assert fits.memory(GROWTH).each == pytest.approx(40)
    assert fits.listing(GROWTH).each == pytest.approx(0.5)
    with pytest.raises(ValueError, match="two different places"):
        fits.line([(1, 1), (1, 2)])


def test_long_threads_are_held_against_the_short_one_of_the_same_turn() -> None:
    """Turns on a busy computer differ by more than threads do: 110 against 300 would say that a long thread is cheaper."""
    short, long = fits.by_length(GROWTH)

    assert (short.cpu, short.p50) == (1.0, 1.0)
    assert (long.rows, long.cpu_least, long.cpu_greatest) == (1_000_000, 1.0, 1.1)
    assert long.cpu == pytest.approx(1.05)


def test_a_thread_that_was_too_quick_for_the_clock_of_linux_gives_no_ratio_of_nothing() -> None:
    noughts = replace(GROWTH, thread=(a_turn(10, 1, 0), a_turn(100, 1, 5), a_turn(10, 2, 5), a_turn(100, 2, 10)))

    assert [one.cpu for one in fits.by_length(noughts)] == [1.0, 2.0]


def test_targets_are_judged_by_the_sizes_they_speak_of() -> None:
    assert [one.verdict for one in judged(GROWTH)] == [Verdict.PASS, Verdict.AIM, Verdict.PASS, Verdict.PASS]
    dear = replace(GROWTH, idle=(an_idle(10_000, kib=46, cpu=4),))
    assert [one.verdict for one in judged(dear)][::2] == [Verdict.SHORTFALL, Verdict.AIM]
    small = replace(GROWTH, shared=(), idle=(an_idle(1_000),), thread=(a_turn(10, 1, 1),))
    assert {(one.verdict, one.why) for one in judged(small)} == {(Verdict.NOT_MEASURED, LAST)}


def test_what_one_process_holds_is_computed() -> None:
    found = {row.what: row.is_ for row in capacity.one_process(GROWTH)}

    assert found["silent hosts in 1 GiB"] == "24,000"  # (1,048,576 - 65,536) / 40, to two digits
    assert found["silent hosts on half a core"] == "100,000"
    assert found["messages a second on one core"] == "5,000"


def test_a_million_devices_are_computed() -> None:
    found = {row.what: row.is_ for row in capacity.a_million(GROWTH)}

    assert found["attached at once"] == "550,000"
    assert found["tasks a second, at the busiest moment"] == "231"  # 500,000 x 10 / 86,400 x 4
    assert found["cores for silence"] == "3"  # 550,000 x 5 % / 10,000 = 2.75
    assert found["relay processes"] == "6"  # (2.75 + 0.09) / 0.5
    assert found["memory of the relays"] == "21.4 GiB"  # 550,000 x 40 KiB and 6 x 64 MiB
    assert found["rows kept"] == "300 million"
    assert found["bytes of these rows"] == "199 GiB"  # 300 million x (200 + 512)


def test_nothing_is_put_on_paper_of_what_was_not_measured() -> None:
    with pytest.raises(ValueError, match="not measured: pairs, thread"):
        capacity.a_million(replace(GROWTH, pairs=(), thread=()))


def test_a_round_trip_carries_each_seal_in_and_out() -> None:
    assert round_trip_bytes(2_000) - round_trip_bytes(1_000) == 4_000
    assert 0 < idle_bytes_per_second() < 100


def test_two_relays_are_read_from_the_readme() -> None:
    rows = carried((ROOT / "README.md").read_text())

    assert next(row for row in rows if row.what == "memory for one idle stream").two_relays.endswith("KiB")
    assert [row.one_relay for row in carried(README)] == ["41 KiB"]
    with pytest.raises(ValueError, match="no table"):
        carried("## What it carries\n\nnothing\n")


def test_a_page_without_a_place_for_a_table_is_no_page() -> None:
    assert (
        markdown.spliced("a\n<!-- x -->\nold\n<!-- /x -->\nb", {"x": r"new \1"})
        == "a\n<!-- x -->\nnew \\1\n<!-- /x -->\nb"
    )
    with pytest.raises(ValueError, match="no one place for 'x'"):
        markdown.spliced("a", {"x": "new"})


def test_the_page_says_what_its_figures_say() -> None:
    """Nobody copies figures by hand: `python -m bench.growth.plots docs/growth/figures.json docs/growth` writes the page."""
    text = (ROOT / "docs" / "growth.md").read_text()
    growth = page.read((ROOT / "docs" / "growth" / "figures.json").read_text())

    assert markdown.spliced(text, page.blocks(growth, readme=(ROOT / "README.md").read_text())) == text


def test_each_plot_of_the_page_is_there_as_text_and_small() -> None:
    for name in curves.CURVES:
        plot = ROOT / "docs" / "growth" / f"{name}.svg"
        assert f"(growth/{name}.svg)" in (ROOT / "docs" / "growth.md").read_text()
        assert plot.stat().st_size < 60_000
        assert "<text" in plot.read_text()
        assert "dc:date" not in plot.read_text()


@pytest.mark.parametrize("name", curves.CURVES)
def test_panels_have_a_point_for_each_size(name: str) -> None:
    for panel in curves.CURVES[name](GROWTH):
        assert len(panel.x) == len(panel.y) > 0


def test_streams_are_as_many_as_files_allow_and_it_is_said() -> None:
    assert possible((1_000, 10_000), files=20_000) == ((1_000, 10_000), "")
    held, note = possible((100, 5_000, 10_000), files=1_024)
    assert held == (100, 1_024 - OTHERS)
    assert "1024 files of `ulimit -n`: 824 were held" in note


def test_an_idle_figure_is_of_what_the_relay_used_meanwhile() -> None:
    told = [{"held": 60, "ended": 1}, {"held": 39, "ended": 0}]

    made = figure(100, told, Used(1, 1_024), Used(5, 4_000), Used(5.5, 5_024), seconds=50, within=3, connections=8)

    assert (made.held, made.ended, made.kib_per_stream, made.cpu_percent) == (99, 1, 40.0, 1.0)


def test_a_plan_is_told_and_divided() -> None:
    share = HostShare(address="127.0.0.1:1", signer="00")
    assert HostShare.read(share.told()) == share
    assert divided(7, 3) == [3, 2, 2]


def test_the_command_line_asks_for_parts() -> None:
    assert read(["--only", "thread", "--only", "idle", "--quick"]).parts == ["idle", "thread"]
    assert read(["--quick"]).plan == QUICK
    assert read([]).plan == FULL
    with pytest.raises(SystemExit) as ended:
        read(["--only", "nothing"])
    assert ended.value.code == 2


def test_a_part_alone_leaves_the_others_of_its_file_as_they_are(tmp_path: Path) -> None:
    """What was measured for a quarter of an hour is not lost because one part is measured again."""
    file = tmp_path / "figures.json"
    file.write_text(json.dumps(GROWTH.told()))

    assert measured_before(read(["--only", "hosts", "--json", str(file)])) == GROWTH
    assert measured_before(read(["--json", str(file)])) == Growth()
    assert measured_before(read(["--only", "hosts", "--json", str(tmp_path / "new.json")])) == Growth()


def test_a_task_of_a_long_thread_is_two_rows() -> None:
    posted, taken, kept = a_task(PairId(bytes(16)), now_ms=1, rng=Random(1))

    assert isinstance(posted, Decide)
    assert isinstance(taken, Decide)
    assert isinstance(kept, Keep)
    assert (posted.message_id, posted.task_id) == (taken.message_id, kept.task_id)


async def test_a_filled_thread_is_one_that_a_relay_reads(tmp_path: Path) -> None:
    """What is measured is a thread that is over and done: nothing is open, nothing waits to be told, both ends have it."""
    pair_id = PairId(b"p" * 16)

    size = fill(tmp_path / "data", pair_id, 60, now_ms=1_000, rng=Random(1))

    log = await SqliteLog.open(tmp_path / "data" / "relay.sqlite3")
    thread, untold = await log.thread(pair_id), await log.untold(limit=10)
    rows = await log.rows(pair_id, after_seq=0, limit_bytes=10**9)
    await log.close()
    assert (thread.head_seq, thread.acked, thread.open_tasks) == (60, dict.fromkeys(End, 60), {})
    assert (len(rows), untold.count) == (60, 0)
    assert size > 0


TINY = GrowthPlan(
    streams=(4, 10),
    shared=(6,),
    settle_seconds=0.1,
    idle_seconds=0.5,
    pairs=(2, 4),
    pair_seconds=0.5,
    rows=(10, 200),
    thread_rounds=1,
    thread_seconds=0.3,
    hosts=(1, 3),
    host_seconds=0.2,
)


@pytest.mark.big
async def test_a_tiny_run_on_real_processes_measures_every_part() -> None:
    order = replace(read([]), plan=TINY)

    growth, failed = await carry_out(order, Growth())

    assert failed == []
    assert [(one.held, one.connections) for one in (*growth.idle, *growth.shared)] == [(4, 4), (10, 10), (6, 8)]
    assert [one.unanswered for one in growth.pairs] == [0, 0]
    assert [one.rows for one in growth.thread] == [10, 200]
    assert all(one.messages for one in growth.thread)
    assert [one.hosts for one in growth.hosts] == [1, 3]
    assert growth.hosts[1].list_bytes > growth.hosts[0].list_bytes
