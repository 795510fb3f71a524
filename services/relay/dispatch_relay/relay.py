"""What devices have of a relay: rooms, transfers, and streams that go on to other relays, with the services that lead there.

Made by `app`, which has it served; it acts on what the pairing service says, and hears the end of the process.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterable

from dispatch.ids import Rng

from dispatch_relay.admission import Gate
from dispatch_relay.beside import Work
from dispatch_relay.channels.arrival import Arrival
from dispatch_relay.channels.hall import Hall
from dispatch_relay.erasing import Erasing
from dispatch_relay.front import Front
from dispatch_relay.kept import Kept
from dispatch_relay.listeners import Streams
from dispatch_relay.place import Tools
from dispatch_relay.rooms import Rooms
from dispatch_relay.service import ATTACH, SERVICE, ThreadService
from dispatch_relay.transfer_service import CARRY, TransferService
from dispatch_relay.transfer_service import SERVICE as TRANSFER_SERVICE
from dispatch_relay.transfers import Transfers
from dispatch_relay.trust import News

_DRAIN_SHARE = 0.5
"""Devices are asked to leave within this part of the time for draining, so that the last still leaves in peace."""


class Relay:
    """All that carries what devices say."""

    def __init__(self, kept: Kept, tools: Tools, *, gate: Gate, rng: Rng) -> None:
        self._kept = kept
        self._settings = tools.settings
        self._trust = gate.trust
        self._hall = _hall(kept, tools, rng=rng)
        self._front = Front(self._hall, clock=tools.clock, still=gate.trust.still, jitter=random.uniform)
        self._rooms = Rooms(tools, kept.seats, shared=kept.shared is not None)
        self._erasing = Erasing(self._rooms.erase)
        self._transfers = Transfers(settings=tools.settings, metrics=tools.metrics)
        self._threads = ThreadService(gate=gate, rooms=self._rooms, tools=tools, front=self._front)
        self._files = TransferService(
            gate=gate,
            rooms=self._rooms,
            transfers=self._transfers,
            clock=tools.clock,
            settings=tools.settings,
            metrics=tools.metrics,
            front=self._front,
        )

    @property
    def streams(self) -> Streams:
        """Say what devices may open here."""
        return {
            (SERVICE.full_name, ATTACH): self._threads.attach,
            (TRANSFER_SERVICE.full_name, CARRY): self._files.carry,
        }

    async def recover(self) -> None:
        """Watch over what was left behind. Call before anybody is let in. Raises errors.StoreFailed."""
        await self._rooms.recover()
        # Rows of pairings that are over come back with a database that is put back; nobody tells of those again.
        self._erasing.owe(self._trust.ended)

    def works(self) -> Iterable[Work]:
        """Give what must go on as long as devices are let in; other relays are, too, from now on."""
        yield self._rooms.sweep()
        yield self._erasing.run()
        if self._hall is not None and self._kept.shared is not None:
            self._hall.open_doors(self._arrived)
            yield self._kept.shared.run()
            yield self._rooms.adopt()

    async def _arrived(self, arrival: Arrival) -> None:
        of_thread = arrival.handed.transfer_id is None
        await (self._threads.attach_for if of_thread else self._files.carry_for)(arrival)

    def act(self, news: News) -> None:
        """Do what the pairing service's news ask for; what is erased for it goes on beside."""
        # Devices first, at once: they are told that they were revoked, not that their pairings are over.
        # All of a message in one look at each: after a restore everything is told again, to a relay that is full.
        if news.revoked:
            self._rooms.revoke(news.revoked)
            self._transfers.revoke(news.revoked)
            self._front.revoke(news.revoked)
        if news.ended:
            self._transfers.erase(news.ended)
            self._front.over(news.ended)
        for pair_id, end in news.ended.items():
            self._rooms.end(pair_id, ended_by=end)
        self._erasing.owe(news.ended)

    async def settled(self) -> None:
        """Wait until everything is erased that news up to now have asked for."""
        await self._erasing.settled()

    def close_doors(self) -> None:
        """Let nobody in any more."""
        self._threads.draining = self._files.draining = True
        self._transfers.shut()  # a file goes on where it stopped, on another relay or on this one's next start

    async def drain(self) -> None:
        """Ask everybody to come back later, wait for a while until they have gone, and end what is left."""
        within_ms = self._settings.drain_ms
        spread_ms = int(within_ms * _DRAIN_SHARE)
        parts = (self._rooms, self._front)
        await asyncio.gather(
            *(part.drain(reconnect_in_ms=lambda: random.randint(0, spread_ms), within_ms=within_ms) for part in parts)
        )
        for part in parts:
            part.shut()


def _hall(kept: Kept, tools: Tools, *, rng: Rng) -> Hall | None:
    if kept.shared is None:
        return None
    return Hall(
        kept.shared.bus,
        relay=kept.seats.relay,
        clock=tools.clock,
        rng=rng,
        metrics=tools.metrics,
        spawn=tools.spawn,
    )
