"""Where a relay is spoken to over the bus: by its id, and on its *line*. Made by `hall`; knows no channel.

By its id others ask it to take a stream; on the line come the words of open channels. The line is new whenever the bus was away, so
that what was open before is known to nobody.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial

from dispatch.ids import Rng

from dispatch_relay.channels import words
from dispatch_relay.channels.bus import Answer, Bus, BusAway, Heard

_PREFIX = "dispatch.relay"


def door_of(relay: str) -> str:
    """Give the subject by which a relay is asked to take a stream."""
    return f"{_PREFIX}.{relay}"


def subject_of(line: str) -> str:
    """Give the subject of a line."""
    return f"{_PREFIX}.line.{line}"


class Line:
    """The line of this relay, and the door beside it."""

    def __init__(self, bus: Bus, *, relay: str, rng: Rng, asked: Heard, heard: Heard) -> None:
        """`asked` hears what comes by the id, `heard` what comes on the line that is this relay's now."""
        # Fixed after __init__.
        self._bus = bus
        self._relay = relay
        self._rng = rng
        self._asked = asked
        self._heard = heard
        # Touched on the loop only.
        self.name = ""
        """Empty: there is none now."""
        self._leave: Callable[[], None] = _nothing
        self._door_open = False
        self._one_at_a_time = asyncio.Lock()

    def lose(self) -> None:
        """Hear nothing more on it: the bus was away."""
        self.name = ""

    async def take(self) -> None:
        """Take a new line in place of the old; none while the bus is away."""
        async with self._one_at_a_time:
            self._leave()
            self._leave = _nothing
            name = self._rng(words.ID_BYTES).hex()
            try:
                if not self._door_open:  # once: a subject that is listened to stays so when the bus comes back
                    await self._bus.listen(door_of(self._relay), self._asked)
                    self._door_open = True
                self._leave = await self._bus.listen(subject_of(name), partial(self._hear, name))
            except BusAway:
                return  # it is taken when the bus is back
            self.name = name

    def _hear(self, name: str, data: bytes, answer: Answer) -> None:
        if name == self.name:  # else it is of a time before the bus was away
            self._heard(data, answer)


def _nothing() -> None: ...
