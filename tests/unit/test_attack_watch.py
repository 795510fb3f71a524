"""What looks for leaks in the tests of attacks finds one, however it is written."""

from __future__ import annotations

import base64
import os

import pytest
from dispatch.runtime.logs import get_logger

from tests.support.attacks import Watch, recorded_logs
from tests.support.waiting import DEADLINE_SECONDS

SECRET, DEVICE = os.urandom(32), os.urandom(16)
LEAKS = {
    "hex": SECRET.hex(),
    "base64": base64.b64encode(SECRET).decode(),
    "for an address": base64.urlsafe_b64encode(SECRET).decode(),
    "python": repr(SECRET),
    "cut": SECRET[:20].hex(),
}


@pytest.mark.parametrize("spelling", LEAKS)
async def test_a_secret_in_the_log_is_found(spelling: str) -> None:
    with recorded_logs() as log:
        watch = Watch(page=str, log=log, secrets=[SECRET])
        get_logger().info("harmless", device=DEVICE)
        await watch.leaks_nothing()
        get_logger().info("leak", detail=LEAKS[spelling])
        with pytest.raises(AssertionError):
            await watch.leaks_nothing()


@pytest.mark.parametrize("spelling", LEAKS)
async def test_a_secret_on_the_metrics_page_is_found(spelling: str) -> None:
    with recorded_logs() as log:
        watch = Watch(page=lambda: f'calls_total{{by="{LEAKS[spelling]}"}} 1', log=log, secrets=[SECRET])
        with pytest.raises(AssertionError):
            await watch.leaks_nothing()


async def test_an_id_may_be_logged_short_and_not_whole() -> None:
    with recorded_logs() as log:
        watch = Watch(page=str, log=log, ids=[DEVICE])
        with pytest.raises(AssertionError):
            await watch.leaks_nothing()  # it is to be named
        get_logger().info("short", device=DEVICE)
        await watch.leaks_nothing()
        get_logger().info("whole", device=DEVICE.hex())
        with pytest.raises(AssertionError):
            await watch.leaks_nothing()


async def test_what_is_not_counted_or_not_logged_is_missed() -> None:
    numbers = {"n_total": 0}

    def page() -> str:
        return "".join(f"{name} {value}\n" for name, value in numbers.items())

    with recorded_logs() as log:
        watch = Watch(page=page, log=log, patience_seconds=0.05)

        async def attempt(*, counts: int, logs: int) -> None:
            async with watch.expects("n_total", logged={"event": "refused"}):
                numbers["n_total"] += counts
                for _ in range(logs):
                    get_logger().info("refused")

        for counts, logs in ((1, 0), (0, 1), (2, 1), (1, 2)):
            with pytest.raises((AssertionError, TimeoutError)):
                await attempt(counts=counts, logs=logs)
        watch.patience_seconds = DEADLINE_SECONDS
        await attempt(counts=1, logs=1)
