"""What holds for every test. Property tests are judged by what they find, never by how busy the machine is."""

from __future__ import annotations

import os
import signal

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile("steady", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("steady")

# Whoever runs the tests may speak another language than the tests read.
os.environ["DISPATCH_LANGUAGE"] = "en"

# A shell that runs the tests in the background has them ignore Ctrl-C, and every program that they start, which some are to hear.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave the big tests out unless they are asked for."""
    if "big" in config.option.markexpr:
        return
    quick: list[pytest.Item] = []
    big: list[pytest.Item] = []
    for item in items:
        (big if item.get_closest_marker("big") else quick).append(item)
    if big:
        config.hook.pytest_deselected(items=big)
        items[:] = quick
