"""The direct path of a line: dials where the host said that it listens, for as long as that may be of use.

It opens with what the line gives it: words sealed in the session that both have, or the first message of a handshake when there is
none. docs/direct.md. Called by `line`, whose reader it becomes beside the relay's.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
from collections.abc import Awaitable, Callable, Sequence
from enum import StrEnum
from ipaddress import ip_address

from dispatch import errors
from dispatch.address import Address
from dispatch.clock import Clock
from dispatch.ids import PairId, short
from dispatch.thread import Backoff, DirectClient, DirectEnd

from mobile_sim.bell import Bell

log = logging.getLogger(__name__)

MOST_ADDRESSES = 8
LOOK_AGAIN_SECONDS = 5.0


class Way(StrEnum):
    """Which paths a phone may take."""

    AUTO = "auto"
    """The direct one while it can be had, else by the relay."""
    RELAY = "relay"
    DIRECT = "direct"
    """The direct one only: commands are not sent by the relay."""


def usable(addresses: Sequence[str]) -> list[str]:
    """Give those that a host may mean: on a private network or this very computer, and not too many.

    It comes under the seal, and still no host has this phone dial into the world, or look up a name.
    """
    found = []
    for text in addresses[:MOST_ADDRESSES]:
        with contextlib.suppress(ValueError):
            address = Address.parse(text)
            if ip_address(address.host.strip("[]")).is_private:
                found.append(str(address))
    return found


class DirectPath:
    """Keeps the direct path, while it is wanted."""

    def __init__(
        self,
        end: DirectEnd,
        *,
        pair_id: PairId,
        addresses: Callable[[], Sequence[str]],
        knock: Callable[[], Awaitable[bytes | None]],
        lost: Callable[[errors.DispatchError, bool], None],
        bell: Bell,
        clock: Clock,
        chance: random.Random,
    ) -> None:
        self._pair_id = pair_id
        self._addresses = addresses  # none while the path is not wanted
        self._knock = knock  # None: not now; the bell rings when that changes
        self._lost = lost  # with whether the path had come to be
        self._bell = bell
        self._clock = clock
        self._backoff = Backoff(chance)
        self._leaving = False
        self._was_open = False
        self.failed = False
        """Whether every address was tried in vain since the path was last open."""
        self.client = DirectClient(end)

    @property
    def is_open(self) -> bool:
        """Whether the host has shown itself there."""
        return self.client.is_open

    def opened(self) -> None:
        """Hear that the host has shown itself."""
        self.client.met()
        self._was_open, self.failed = True, False
        self._backoff.opened()

    def leave(self) -> None:
        """End it for good."""
        self._leaving = True
        self.client.leave()

    async def run(self) -> None:
        """Try every address in turn, hold what opens, and try again when it is lost; until `leave` or cancelled."""
        while not self._leaving:
            if not self._addresses() or (knock := await self._knock()) is None:
                await self._bell.heard(LOOK_AGAIN_SECONDS)
                continue
            error: errors.DispatchError = errors.NoNetwork("no address answers")
            for address in self._addresses():
                if knock is None:
                    break
                try:
                    await self.client.hold(address, knock)
                except errors.DispatchError as failure:
                    error = failure
                else:
                    return
                was_open, self._was_open = self._was_open, False
                self._lost(error, was_open)
                knock = await self._knock()
            self.failed = True
            self._bell.ring()
            log.info("no direct path", extra={"reason": errors.word(error.reason), "pairing": short(self._pair_id)})
            await asyncio.sleep(self._backoff.next_ms(self._clock.steady_ms()) / 1000)
