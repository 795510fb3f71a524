"""The search for a canary finds one that was planted: without that, finding none would prove nothing."""

from __future__ import annotations

import pytest

from tests.support.canary import find, plant

SECRET = "Kestrel-7719-über"


@pytest.mark.parametrize(
    ("disguise", "data"), list(plant(SECRET)), ids=lambda value: value if isinstance(value, str) else ""
)
def test_a_planted_canary_is_found(disguise: str, data: bytes) -> None:
    assert find(SECRET, data), disguise


def test_nothing_is_found_where_nothing_is() -> None:
    assert find(SECRET, bytes(range(256)) * 1000) == []
