"""What is measured, and in which plan: values that docs/benchmarks.md "What is measured" repeats. Pure."""

from __future__ import annotations

from dataclasses import dataclass

KIB = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """One load that every subject gets."""

    name: str
    pairs: int
    size: int = KIB
    """Of a message, bytes."""
    in_flight: int = 1
    """Of each pair, in a closed loop: the next round trip begins when one is over."""
    rate: float = 0.0
    """Not 0: an open loop instead. Round trips a second and pair, begun when they are due."""
    about: str


ONE_PAIR = "one-pair"
CROWD = "crowd"
HUNDRED = "hundred"
STEADY = "steady"

MEASUREMENTS = (
    Measurement(name=ONE_PAIR, pairs=1, about="one pair, one after the other, 1 KiB"),
    Measurement(name="one-pair-300", pairs=1, size=300, about="one pair, one after the other, 300 B"),
    Measurement(name="one-pair-8k", pairs=1, size=8 * KIB, about="one pair, one after the other, 8 KiB"),
    Measurement(name="one-pair-64k", pairs=1, size=64 * KIB, about="one pair, one after the other, 64 KiB"),
    Measurement(name=CROWD, pairs=50, in_flight=4, about="50 pairs, 4 under way each, 1 KiB"),
    Measurement(name=HUNDRED, pairs=100, about="100 pairs, 1 under way each, 1 KiB"),
    Measurement(name=STEADY, pairs=100, rate=5.0, about="100 pairs, 5 a second each, begun when due, 1 KiB"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class CostPlan:
    """How long and how often."""

    rounds: int
    seconds: float
    """Of one measurement of one subject in one round."""
    warm_seconds: float = 0.3
    """Of each subject before the first round; not counted."""
    seed: int = 1
    """Of what is random: contents, and when what is due is due."""
    held: tuple[int, ...] = ()
    """How many pairs a relay alone is to hold, one run after the other."""
    held_seconds: float = 30.0


QUICK = CostPlan(rounds=3, seconds=0.5)
FULL = CostPlan(rounds=7, seconds=3.0, warm_seconds=1.0, held=(500, 1000))


def held(pairs: int) -> str:
    """Name the measurement of a relay that holds so many pairs."""
    return f"held-{pairs}"
