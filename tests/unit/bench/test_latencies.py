"""Latencies that are counted in buckets say the same as a sorted list, to one percent."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from bench.latencies import Latencies

SECONDS = st.floats(min_value=0, max_value=100)


@given(st.lists(SECONDS, min_size=1), st.sampled_from([1, 50, 99, 100]))
def test_a_percentile_is_that_of_the_sorted_list(seconds: list[float], percent: int) -> None:
    counted = Latencies()
    for one in seconds:
        counted.add(one)

    exact = sorted(max(one, 1e-6) for one in seconds)[math.ceil(len(seconds) * percent / 100) - 1] * 1e3
    read = counted.percentile(percent)
    assert read is not None
    assert exact * 0.9999 <= read <= exact * 1.0101


@given(st.lists(SECONDS), st.lists(SECONDS))
def test_what_two_processes_counted_adds_up(first: list[float], second: list[float]) -> None:
    parts, both = (Latencies(), Latencies()), Latencies()
    for part, seconds in zip(parts, (first, second), strict=True):
        for one in seconds:
            part.add(one)
            both.add(one)

    assert Latencies.sum([part.told() for part in parts]).told() == both.told()


def test_of_nothing_there_is_no_percentile() -> None:
    assert Latencies().percentile(50) is None
