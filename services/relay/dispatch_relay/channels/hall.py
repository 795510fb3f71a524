"""The hall: all channels of one relay. Opens them to other relays, and answers those who open them here. docs/scale.md.

Used by `front`, which carries streams to seats, and by `relay`, which serves what arrives.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from dispatch import errors
from dispatch.clock import Clock
from dispatch.failures import place_of
from dispatch.ids import Rng
from dispatch.runtime.logs import get_logger

from dispatch_relay.beside import Spawn
from dispatch_relay.channels import handed as handing
from dispatch_relay.channels import words
from dispatch_relay.channels.arrival import Arrival
from dispatch_relay.channels.bus import Answer, Bus, BusAway, NobodyListens
from dispatch_relay.channels.handed import Handed
from dispatch_relay.channels.line import Line, door_of, subject_of
from dispatch_relay.channels.peers import Peers
from dispatch_relay.channels.side import Side
from dispatch_relay.channels.words import Ended, Garbled, How, OfChannel, Ping
from dispatch_relay.metrics import FRONT, SEAT, Metrics

_log = get_logger()

_OPEN, _ABANDON = b"o", b"a"
OPEN_WITHIN_SECONDS = 2.0
"""How long a seat has to answer who opens a channel. A relay that is frozen is looked up again before it counts as gone."""


class NotThere(Exception):
    """No channel can be had: the relay is not there, or has not got the seat."""


Serve = Callable[[Arrival], Awaitable[None]]
"""Carries a stream that was handed over, to its end."""


@dataclass(slots=True)
class _Where:
    """To which line the words of a channel go."""

    line: str = ""


class Hall:
    """The channels of this relay."""

    def __init__(self, bus: Bus, *, relay: str, clock: Clock, rng: Rng, metrics: Metrics, spawn: Spawn) -> None:
        # Fixed after __init__.
        self._bus = bus
        self._rng = rng
        self._metrics = metrics
        self._spawn = spawn
        self._line = Line(bus, relay=relay, rng=rng, asked=self._asked, heard=self._heard)
        self._peers = Peers(bus, clock=clock, spawn=spawn)
        self._serve: Serve | None = None
        # Touched on the loop only.
        self._sides: dict[bytes, Side] = {}

    def open_doors(self, serve: Serve) -> None:
        """Take what other relays hand over, from now on or from when the bus is there."""
        self._serve = serve
        self._bus.on_change(self._changed)
        if self._bus.there:
            self._changed(True)

    @property
    def there(self) -> bool:
        """Whether channels can be had now."""
        return self._bus.there and bool(self._line.name)

    # ---- the bus comes and goes

    def _changed(self, there: bool) -> None:
        self._line.lose()
        for side in list(self._sides.values()):
            side.lose(How.BUS)
        if there:
            self._spawn(self._line.take())

    # ---- as a front

    async def open(self, relay: str, handed: Handed) -> Side:
        """Open a channel to the relay with the seat. Raises NotThere, and why the seat refuses the device: a DispatchError."""
        if not self.there:
            raise NotThere("no bus")
        channel_id = self._rng(words.ID_BYTES)
        where = _Where()  # its line is in the answer, before which nothing is said
        side = self._take_in(channel_id, where, role=FRONT)
        subject, how = door_of(relay), How.SILENT
        try:
            asked = _OPEN + channel_id + json.dumps({"line": self._line.name}).encode() + b"\n" + handing.write(handed)
            said = words.read_object(await self._bus.ask(subject, asked, within_seconds=OPEN_WITHIN_SECONDS))
            error, line = words.read_error(said.get("error")), said.get("line")
            if error is not None:
                how = How.REFUSED
                raise error
            if "away" in said or not isinstance(line, str) or not line.isalnum():
                how = How.GONE
                raise NotThere("the seat is not there")
            if side.over.done():
                raise NotThere("it ended before it began")
            where.line = line
            self._peers.join(line, side)
        except (NobodyListens, BusAway, TimeoutError, Garbled) as failure:
            raise NotThere(type(failure).__name__) from None
        finally:
            if not where.line:
                if how is How.SILENT:  # the other side may have opened it all the same, and only its answer is late
                    self._bus.say(subject, _ABANDON + channel_id)
                side.lose(how)
        return side

    # ---- as a seat

    def _asked(self, data: bytes, answer: Answer) -> None:
        what, channel_id, rest = data[:1], data[1 : 1 + words.ID_BYTES], data[1 + words.ID_BYTES :]
        if what == _ABANDON:
            if (side := self._sides.get(channel_id)) is not None:
                side.lose(How.GONE)
            return
        try:
            if what != _OPEN or len(channel_id) != words.ID_BYTES or channel_id in self._sides:
                raise Garbled("not an opening")
            head, _, body = rest.partition(b"\n")
            line = words.read_object(head).get("line")
            if not isinstance(line, str) or not line.isalnum():
                raise Garbled("no line")
            handed = handing.read(body)
        except Garbled as failure:
            _log.warning("a channel that makes no sense", why=str(failure))
            answer(json.dumps({"away": True}).encode())
            return
        if not self._line.name or self._serve is None:
            answer(json.dumps({"away": True}).encode())
            return
        side = self._take_in(channel_id, _Where(line), role=SEAT)
        self._peers.join(line, side)
        mine = self._line.name

        def say(said: dict[str, Any]) -> None:
            answer(json.dumps(said | {"line": mine}).encode())

        self._spawn(self._carry(self._serve, Arrival(handed, side, say)))

    async def _carry(self, serve: Serve, arrival: Arrival) -> None:
        try:
            await serve(arrival)
        except Exception as failure:
            # Whatever it is, it is of this stream: the others go on.
            _log.error("broken", where=place_of(failure))
            arrival.side.end(Ended(How.REFUSED, errors.Internal()))
        finally:
            arrival.side.end(Ended(How.GONE))

    # ---- both

    def _take_in(self, channel_id: bytes, where: _Where, *, role: str) -> Side:
        def say(word: bytes) -> None:
            self._bus.say(subject_of(where.line), word)

        side = self._sides[channel_id] = Side(channel_id, say=say)
        self._metrics.channels[role].inc()

        def over(ended: asyncio.Future[Ended]) -> None:
            del self._sides[channel_id]
            self._metrics.channels[role].dec()
            self._metrics.channel_ends[ended.result().how].inc()

        side.over.add_done_callback(over)
        return side

    def _heard(self, data: bytes, answer: Answer) -> None:
        try:
            said = words.read(data)
        except Garbled as garbled:
            if (side := self._sides.get(garbled.channel_id)) is not None:
                side.end(Ended(How.GARBLED))
            return  # else whose it was is not known; the next word of that channel has a number too high
        match said:
            case Ping(channel_ids):
                answer(words.write_ids([one for one in channel_ids if one not in self._sides]))
            case OfChannel(channel_id, number, word):
                if (side := self._sides.get(channel_id)) is not None:
                    side.hear(number, word)
