"""Subjects take turns, what fails is out, what is there is stopped; loops begin what they should."""

from __future__ import annotations

import time
from itertools import groupby
from random import Random

import pytest

from bench.__main__ import read
from bench.costs import loops
from bench.costs.measurements import FULL, MEASUREMENTS, QUICK, CostPlan, Measurement
from bench.costs.rounds import Rounds
from bench.costs.targets import AT_REST
from bench.subjects.listing import SUBJECTS
from bench.subjects.pair import Pair
from bench.subjects.subject import Lost, Role
from tests.support.bench_subject import InProcess, Told

PLAN = CostPlan(rounds=3, seconds=0.01, warm_seconds=0.01)
ONE = Measurement(name="one", pairs=1, about="")
TWO = Measurement(name="two", pairs=2, in_flight=2, about="")


def silent(_what: str) -> None:
    """Say nothing."""


async def test_subjects_take_turns_in_every_round_of_every_measurement() -> None:
    turns: list[str] = []
    subjects = [InProcess(name, turns) for name in ("a", "b", "c")]
    rounds = Rounds(subjects, PLAN, say=silent)

    ran = await rounds.run([ONE, TWO])

    warmed_and_measured = (1 + PLAN.rounds) * 2
    assert turns == ["a", "b", "c"] * warmed_and_measured
    assert [(one.name, one.begun, one.why) for one in ran] == [(name, True, "") for name in "abc"]
    measured = [(one.measurement, one.round, one.subject) for one in rounds.figures if one.measurement != AT_REST]
    assert measured == [(name, number, subject) for name in ("one", "two") for number in (1, 2, 3) for subject in "abc"]
    assert [one.stopped for one in subjects] == [1, 1, 1]


async def test_what_is_missing_does_not_begin_and_what_breaks_is_out_and_the_rest_goes_on() -> None:
    turns: list[str] = []
    missing = InProcess("missing", turns, missing="it is not installed")
    broken = InProcess("broken", turns, broken="it ended: no room")
    breaks = InProcess("breaks", turns, breaks_at=1)
    good = InProcess("good", turns)
    said: list[str] = []
    rounds = Rounds([missing, broken, breaks, good], PLAN, say=said.append)

    ran = await rounds.run([ONE])

    assert [(one.begun, one.why) for one in ran] == [
        (False, "it is not installed"), (True, "it ended: no room"), (True, "it broke"), (True, ""),
    ]  # fmt: skip
    assert "breaks: it broke" in said
    assert [name for name, _ in groupby(one.subject for one in rounds.figures if one.measurement == "one")] == ["good"]
    assert [one.stopped for one in (missing, broken, breaks, good)] == [1, 1, 1, 1]


async def test_what_breaks_in_a_later_round_keeps_the_rounds_before() -> None:
    later = InProcess("a", [], breaks_at=20_000)  # more than any computer carries in the first round
    rounds = Rounds([later], CostPlan(rounds=10_000, seconds=0.01, warm_seconds=0.01), say=silent)

    (ran,) = await rounds.run([ONE])

    assert ran.why == "it broke"
    numbers = [one.round for one in rounds.figures if one.measurement == "one"]
    assert numbers == list(range(1, len(numbers) + 1))
    assert numbers


async def test_a_closed_loop_has_so_many_under_way_and_waits_for_all() -> None:
    subject = Counting("a", [])
    pairs = [Pair(), Pair()]
    for number, pair in enumerate(pairs):
        await pair.open(subject, number)

    counted = await loops.run(pairs, Measurement(name="", pairs=2, in_flight=3, about=""), seconds=0.02, rng=Random(1))

    assert subject.most == {0: 3, 1: 3}
    assert subject.under_way == {0: 0, 1: 0}
    assert len(counted.took) == subject.sent >= 6
    assert counted.seconds >= 0.02


async def test_an_open_loop_begins_what_is_due_though_nothing_came_back() -> None:
    """A server that gives nothing back before ten messages wait gets them; a closed loop of one would wait for ever."""
    subject = Counting("a", [], holds_back=10)
    pair = Pair()
    await pair.open(subject, 0)
    measurement = Measurement(name="", pairs=1, rate=1_000.0, about="")

    counted = await loops.run([pair], measurement, seconds=0.1, rng=Random(1))

    assert len(counted.took) == subject.sent > 10
    assert subject.most[0] >= 10


async def test_how_long_something_took_counts_from_when_it_was_due() -> None:
    """Else what a server that stands still keeps from beginning would count as quick."""
    subject = Standing("a", [])
    pair = Pair()
    await pair.open(subject, 0)
    measurement = Measurement(name="", pairs=1, rate=1_000.0, about="")

    counted = await loops.run([pair], measurement, seconds=Standing.SECONDS, rng=Random(1))

    assert sum(one > Standing.SECONDS / 2 for one in counted.took) > len(counted.took) / 4


class Standing(InProcess):
    """A subject at whose first message everything in this process stands still, for longer than anything is due."""

    SECONDS = 0.05

    def carry(self, pair: int, role: Role, message: bytes) -> None:
        if not self.carried:
            time.sleep(2 * self.SECONDS)
        super().carry(pair, role, message)


class Counting(InProcess):
    """A subject that counts what is under way, and carries nothing back before `holds_back` messages wait for that."""

    def __init__(self, name: str, turns: list[str], *, holds_back: int = 0) -> None:
        super().__init__(name, turns)
        self.sent = 0
        self.under_way: dict[int, int] = {}
        self.most: dict[int, int] = {}
        self._holds_back = holds_back
        self._held: list[tuple[int, Role, bytes]] = []

    def carry(self, pair: int, role: Role, message: bytes) -> None:
        if role is Role.PHONE:
            self.sent += 1
            self.under_way[pair] = self.under_way.get(pair, 0) + 1
            self.most[pair] = max(self.most.get(pair, 0), self.under_way[pair])
            super().carry(pair, role, message)
            return
        self._held.append((pair, role, message))
        if len(self._held) >= self._holds_back:
            self._holds_back = 0
            held, self._held = self._held, []
            for one in held:
                self.under_way[one[0]] -= 1
                super().carry(*one)


async def test_a_loss_fails_what_is_under_way_and_nothing_is_sent_afterwards() -> None:
    subject = InProcess("a", [], breaks_at=3)
    pair = Pair()
    await pair.open(subject, 0)
    await pair.round_trip(b"")

    with pytest.raises(Lost, match="it broke"):
        await pair.round_trip(b"")

    carried = subject.carried
    with pytest.raises(Lost, match="it broke"):
        await pair.round_trip(b"")
    assert subject.carried == carried


async def test_an_answer_that_nobody_waits_for_is_not_taken_for_another() -> None:
    subject = InProcess("a", [])
    pair, stranger = Pair(), Told()
    await pair.open(subject, 0)

    pair.heard((7).to_bytes(8, "big"))
    pair.heard(b"")
    await pair.round_trip(b"rest")

    assert not stranger.losses


def test_without_a_word_everything_is_measured_quickly() -> None:
    order = read([])

    assert order.plan == QUICK
    assert list(order.subjects) == list(SUBJECTS)
    assert list(order.measurements) == list(MEASUREMENTS)


def test_full_has_a_relay_hold_pairs_unless_something_else_is_asked_for() -> None:
    assert read(["--full"]).plan.held == FULL.held == (500, 1000)
    assert read(["--full", "--only", "relay"]).plan.held == FULL.held
    assert read(["--full", "--only", "tcp"]).plan.held == ()
    assert read(["--full", "--only", "crowd"]).plan.held == ()
    assert read(["--only", "held-500"]).plan.held == (500,)
    assert not read(["--only", "held-500"]).measurements


def test_only_takes_subjects_and_measurements_together() -> None:
    order = read(["--only", "bare", "--only", "crowd", "--only", "relay", "--rounds", "2", "--seconds", "0.5"])

    assert order.subjects == ["bare", "relay"]
    assert [one.name for one in order.measurements] == ["crowd"]
    assert (order.plan.rounds, order.plan.seconds) == (2, 0.5)


@pytest.mark.parametrize(
    "words", [("--only", "cow"), ("--rounds", "0"), ("--seconds", "0"), ("--quick", "--full"), ("--rounds", "many")]
)
def test_what_makes_no_sense_is_said(words: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        read(words)

    assert ended.value.code == 2
    assert "error:" in capsys.readouterr().err
