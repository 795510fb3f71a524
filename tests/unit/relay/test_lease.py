"""When what is due is done: what is far off together with others, what a person may wait for at its time."""

from __future__ import annotations

import pytest
from dispatch_relay.lease import SOON_MS, TOGETHER_MS, together_ms

NOW = 1_234_567


@pytest.mark.parametrize("left_ms", [-5, 0, 1, 5_000, SOON_MS])
def test_what_is_due_soon_is_done_when_it_is_due(left_ms: int) -> None:
    assert together_ms(NOW + left_ms, now_ms=NOW) == NOW + left_ms


def test_what_is_far_off_is_done_with_others_and_never_early() -> None:
    for left_ms in range(30_000, 30_000 + 2 * TOGETHER_MS):
        when = together_ms(NOW + left_ms, now_ms=NOW)
        assert when % TOGETHER_MS == 0
        assert 0 <= when - (NOW + left_ms) < TOGETHER_MS
