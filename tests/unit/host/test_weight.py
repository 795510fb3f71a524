"""How much memory JSON takes once it is read."""

from __future__ import annotations

import json

import pytest
from dispatch_host.weight import is_heavy


@pytest.mark.parametrize(
    ("value", "heavy"),
    [
        ([[] for _ in range(12)], True),
        ({str(number): {} for number in range(12)}, True),
        (["x"] * 12, True),
        ([1] * 9, False),
        ("a,b;" * 100, False),  # a table that is written
        ('"\\,' * 100, False),
        ({"text": '\\",[{' * 100}, False),
        (["\\", "," * 50], False),
    ],
)
def test_values_are_counted_and_what_stands_in_texts_is_not(value: object, heavy: bool) -> None:
    assert is_heavy(json.dumps(value).encode(), most=10) is heavy
