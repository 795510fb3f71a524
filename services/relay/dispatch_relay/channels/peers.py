"""The relays at the other ends of open channels: asked whether they live, and which channels they no longer know. Used by `hall`.

A relay that does not answer is lost with every channel to it; one that answers says which channels it has forgotten. docs/scale.md.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from dispatch.clock import Clock

from dispatch_relay.beside import Spawn
from dispatch_relay.channels import words
from dispatch_relay.channels.bus import Bus, BusAway, NobodyListens
from dispatch_relay.channels.line import subject_of
from dispatch_relay.channels.side import Side
from dispatch_relay.channels.words import Garbled, How

PING_SECONDS = 1.0
LOST_SECONDS = 3.0
"""After this long without an answer another relay, and every channel to it, is lost."""
_STOOD_STILL_MS = 1_000


@dataclass(slots=True, eq=False)
class _Peer:
    """Another relay's line, and the channels to it."""

    line: str
    sides: dict[bytes, Side] = field(default_factory=dict)
    watched: bool = False


class Peers:
    """The relays to which there are channels, by their lines."""

    def __init__(self, bus: Bus, *, clock: Clock, spawn: Spawn) -> None:
        # Fixed after __init__.
        self._bus = bus
        self._clock = clock
        self._spawn = spawn
        # Touched on the loop only.
        self._peers: dict[str, _Peer] = {}

    def join(self, line: str, side: Side) -> None:
        """Count a channel to a line, whose relay is asked from now on whether it lives."""
        peer = self._peers.setdefault(line, _Peer(line))
        peer.sides[side.channel_id] = side
        side.over.add_done_callback(lambda _: peer.sides.pop(side.channel_id, None))
        if not peer.watched:
            peer.watched = True
            self._spawn(self._watch(peer))

    async def _watch(self, peer: _Peer) -> None:
        """Ask another relay every second whether it lives, as long as there are channels to it."""
        while peer.sides:
            asked = list(peer.sides)
            how = await self._ping(peer, asked)
            if how is not None:
                for side in list(peer.sides.values()):
                    side.lose(how)
                break
            await asyncio.sleep(PING_SECONDS)
        del self._peers[peer.line]

    async def _ping(self, peer: _Peer, asked: list[bytes]) -> How | None:
        """Ask once; gives how its channels are lost, None when they are not."""
        while True:
            since_ms = self._clock.steady_ms()
            subject = subject_of(peer.line)
            try:
                answer = await self._bus.ask(subject, words.write_ping(asked), within_seconds=LOST_SECONDS)
                unknown = words.read_ids(answer)
            except NobodyListens:
                return How.SILENT
            except TimeoutError:
                late_ms = self._clock.steady_ms() - since_ms - 1_000 * LOST_SECONDS
                if late_ms > _STOOD_STILL_MS:
                    continue  # this process stood still itself, and the answer may lie unread
                return How.SILENT
            except BusAway:
                return How.BUS
            except Garbled:
                return How.GARBLED
            for channel_id in unknown:
                if (side := peer.sides.get(channel_id)) is not None:
                    side.lose(How.FORGOTTEN)
            return None
