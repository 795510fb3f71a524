"""What becomes of a pairing is noted in the step that learns it, and told behind it: once, and not at all when the step fails."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from dispatch import errors
from dispatch.ids import PairId
from mobile_sim.own_pairing import OwnPairing
from mobile_sim.store import Pairing, PairingState, Store

PAIR = PairId(b"p" * 16)


@dataclass
class World:
    """A phone with one provisional pairing; records whom it told."""

    store: Store
    told: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.pairing = OwnPairing(
            self.store,
            PAIR,
            ended=lambda: self.told.append("ended"),
            replaced=lambda _: self.told.append("replaced"),
        )

    @property
    def state(self) -> tuple[PairingState, str]:
        own = self.store.pairings.get(PAIR)
        assert own is not None
        return own.state, own.reason


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    store = Store.open(tmp_path / "phone.db")
    with store.transaction():
        store.pairings.add(
            Pairing(
                pair_id=PAIR,
                host_name="desk",
                host_key=b"h" * 32,
                own_key=b"o" * 32,
                state=PairingState.PROVISIONAL,
                made_at_ms=1,
            )
        )
    yield World(store)
    store.close()


def test_the_first_session_makes_it_active_and_an_older_one_is_over(world: World) -> None:
    with world.store.transaction():
        world.pairing.confirmed()
    assert world.told == []

    assert not world.pairing.concluded()
    with world.store.transaction():
        world.pairing.confirmed()  # the next session: no news
    assert not world.pairing.concluded()

    assert world.state == (PairingState.ACTIVE, "")
    assert world.told == ["replaced"]


def test_the_host_ends_it_and_no_session_of_the_same_step_brings_it_back(world: World) -> None:
    with world.store.transaction():
        world.pairing.revoked()
        world.pairing.confirmed()

    assert world.pairing.concluded()

    assert world.state == (PairingState.ENDED, "HOST_REVOKED")
    assert world.told == ["ended"]


def test_of_a_step_that_failed_nobody_hears(world: World) -> None:
    with contextlib.suppress(errors.StoreFailed), world.store.transaction():
        world.pairing.confirmed()
        world.pairing.revoked()
        raise errors.StoreFailed("full")
    world.pairing.forget()

    assert not world.pairing.concluded()
    assert world.state == (PairingState.PROVISIONAL, "")
    assert world.told == []
