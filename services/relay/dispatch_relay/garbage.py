"""How often the relay looks for objects that only refer to each other. Called by its command line, once all is imported."""

from __future__ import annotations

import gc

COLLECTED_AFTER = 20_000
"""New objects before the youngest are looked through. Python's 700 are there after a few messages, and messages leave none."""


def collect_seldom() -> None:
    """Leave what is imported alone for good, and look through what comes seldom."""
    gc.freeze()
    gc.set_threshold(COLLECTED_AFTER)
