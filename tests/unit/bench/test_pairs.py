"""The load generator of `make bench-pairs`: what it is told, what it counts, and a small run with a real relay."""

from __future__ import annotations

import json

import pytest

from bench.figures import Moments, Used, compute, table
from bench.latencies import Latencies
from bench.pairs import measure, read
from bench.plan import Plan, Share, shares


def test_pairs_are_divided_among_processes_and_none_is_left_out() -> None:
    divided = shares(Plan(pairs=7, processes=3), addresses=("127.0.0.1:1",), signer="00")

    assert [one.plan.pairs for one in divided] == [3, 2, 2]
    assert [one.number for one in divided] == [0, 1, 2]
    assert [Share.read(one.told()) for one in divided] == divided


def test_two_relays_get_their_stores_and_nothing_else_is_passed_on() -> None:
    plan, stores = read(["--pairs", "10", "--relays", "2", "--database", "d", "--bus", "b", "--in-flight", "4"])

    assert plan == Plan(pairs=10, relays=2, in_flight=4)
    assert stores == ["--database", "d", "--bus", "b"]


@pytest.mark.parametrize(
    "words", [("--relays", "2"), ("--relays", "3"), ("--pairs", "1"), ("--sealed-bytes", "16"), ("--idle-seconds", "0")]
)
def test_what_makes_no_sense_is_said(words: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        read(words)

    assert ended.value.code == 2
    assert "error:" in capsys.readouterr().err


def test_figures_are_put_together_of_all_processes_and_relays() -> None:
    quick = Latencies()
    quick.add(0.010)
    tally = {
        "posted": 4,
        "held": 1, "kept": 1, "unanswered": 1, "refused": {"HOST_ASLEEP": 2}, "ended": {"LEASE_LOST": 1},
        "receipts": quick.told(), "keeps": quick.told(),
    }  # fmt: skip
    moments = Moments(
        started=[Used(1.0, 1024)] * 2,
        attached=[Used(2.0, 1024)] * 2,
        begun=[Used(2.5, 1024 + 160)] * 2,
        ended=[Used(4.5, 2048)] * 2,
    )

    figures = compute(Plan(pairs=4, relays=2, seconds=4, idle_seconds=5), moments, [tally, tally], attached_within_s=1)

    assert (figures.commands, figures.answered, figures.unanswered) == (8, 2, 2)
    assert (figures.refused, figures.ended, figures.pairs_held) == ({"HOST_ASLEEP": 4}, {"LEASE_LOST": 2}, 2)
    assert (figures.kib_per_idle_stream, figures.messages_per_second) == (40.0, 1.0)
    assert figures.relay_cpu_us_per_message == 1_000_000
    assert [(one.cpu_percent, one.idle_cpu_percent) for one in figures.relays] == [(50.0, 10.0)] * 2
    assert figures.receipt_ms[0] == pytest.approx(10, rel=0.011)
    assert "HOST_ASLEEP 4" in table(figures)


def test_figures_of_a_run_without_commands_have_no_latencies() -> None:
    nothing = [Used(0.0, 0)]
    tally = {
        "posted": 0,
        "held": 1,
        "kept": 0,
        "unanswered": 0,
        "refused": {},
        "ended": {},
        "receipts": {},
        "keeps": {},
    }

    figures = compute(
        Plan(pairs=2),
        Moments(started=nothing, attached=nothing, begun=nothing, ended=nothing),
        [tally],
        attached_within_s=1,
    )

    assert figures.keep_ms == (None, None)
    assert "post to receipt   -" in table(figures)


@pytest.mark.big
@pytest.mark.parametrize(
    "plan",
    [Plan(pairs=20, rate=2, seconds=3, idle_seconds=0.5), Plan(pairs=4, in_flight=2, seconds=2, idle_seconds=0.5)],
    ids=["open", "closed"],
)
async def test_a_small_run_leaves_no_command_without_an_answer(plan: Plan) -> None:
    figures = await measure(plan)

    assert figures.pairs_held == plan.pairs
    assert figures.unanswered == 0
    assert figures.commands == figures.answered + sum(figures.refused.values()) > 0
    assert figures.answered == 0 or None not in (*figures.receipt_ms, *figures.keep_ms)
    assert json.loads(json.dumps(figures.told()))["plan"]["pairs"] == plan.pairs
