"""A phone's store with one pairing, and a clock, for tests of what stands on them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from dispatch.ids import PairId
from mobile_sim.store import Pairing, PairingState, Store

PAIR = PairId(b"p" * 16)


class HandClock:
    """Moved by hand."""

    def __init__(self) -> None:
        self.now_ms = 0

    def wall_ms(self) -> int:
        return self.now_ms

    steady_ms = boot_ms = wall_ms


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store.open(tmp_path / "phone.db")
    pairing = Pairing(
        pair_id=PAIR, host_name="desk", host_key=bytes(32), own_key=bytes(32), state=PairingState.ACTIVE, made_at_ms=1
    )
    with store.transaction():
        store.pairings.add(pairing)
    yield store
    store.close()
