"""Which relay has the room of a pairing, as an interface, and its whole truth where there is one relay. docs/scale.md.

Called by `rooms`: who has no seat makes no room. `postgres.seats` implements it for several relays, and passes
`tests.support.seats_contract.check_seats`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from dispatch.ids import PairId

Lost = Callable[[PairId], None]


class Seats(Protocol):
    """The seats of this process. All methods are called on the event loop and none blocks it."""

    @property
    def relay(self) -> str:
        """The id of this process among the relays: random, made at its start."""

    def on_lost(self, lost: Lost) -> None:
        """Have it told, on the loop, that a seat that was ours is another's or nobody's: the room must forget itself at once.

        A write that fails as *seat lost* says the same, and may say it first. Called once, before the first `take`.
        """

    async def take(self, pair_id: PairId) -> str | None:
        """Take a seat. None: it is ours, now or already; else the id of the relay that has it and lives.

        Waits for a `give_back` of it that is under way. Raises errors.StoreFailed.
        """

    def forget(self, pair_id: PairId) -> None:
        """Hear that a write failed as *seat lost*: the seat is not ours, and the next `take` has to ask."""

    def give_back(self, pair_id: PairId) -> None:
        """Leave a seat: the room is empty. Happens behind everything that was submitted to the log before."""

    async def adopt(self, limit: int) -> Sequence[PairId]:
        """Take up to `limit` seats that nobody alive has and that somebody must watch over (what `Log.unsettled` lists).

        Gives those that were taken. Raises errors.StoreFailed.
        """

    async def close(self) -> None:
        """Leave every seat; nothing is written after. Called when the log is closed. Safe to repeat."""


class OneRelay:
    """The seats where there is no other relay: all are ours."""

    def __init__(self, relay: str) -> None:
        self.relay = relay

    def on_lost(self, lost: Lost) -> None: ...

    async def take(self, pair_id: PairId) -> str | None:
        return None

    def forget(self, pair_id: PairId) -> None: ...

    def give_back(self, pair_id: PairId) -> None: ...

    async def adopt(self, limit: int) -> Sequence[PairId]:
        return ()

    async def close(self) -> None: ...
