"""The relay looks for garbage seldom, and still finds it."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator

import pytest
from dispatch_relay.garbage import COLLECTED_AFTER, collect_seldom


class Knot:
    """Refers to itself."""

    def __init__(self) -> None:
        self.itself = self


@pytest.fixture
def gc_as_before() -> Iterator[None]:
    before = gc.get_threshold()
    yield
    gc.set_threshold(*before)
    gc.unfreeze()


@pytest.mark.usefixtures("gc_as_before")
def test_what_refers_only_to_itself_goes_once_there_is_enough_of_it() -> None:
    gc.collect()
    collect_seldom()
    gone: list[weakref.ref[Knot]] = []
    for _ in range(COLLECTED_AFTER):
        gone.append(weakref.ref(Knot()))
        if gone[0]() is None:
            break
    assert 1_000 < len(gone) < COLLECTED_AFTER
