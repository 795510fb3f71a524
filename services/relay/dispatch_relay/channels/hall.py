"""All channels of one relay: opens them to other relays, answers those who open them here, and notices what is lost.

A relay hears on two subjects: on one, of its id, others ask it to take a stream; on the other, of its *line*, come the words of
open channels. The line is new whenever the bus was away, so that what was open before is known to nobody. docs/scale.md.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from dispatch import errors
from dispatch.clock import Clock
from dispatch.failures import place_of
from dispatch.ids import Rng
from dispatch.runtime.logs import get_logger

from dispatch_relay.channels import handed as handing
from dispatch_relay.channels import words
from dispatch_relay.channels.bus import Answer, Bus, BusAway, NobodyListens
from dispatch_relay.channels.handed import Handed
from dispatch_relay.channels.side import Side
from dispatch_relay.channels.words import Ended, Garbled, How, OfChannel, Ping
from dispatch_relay.metrics import FRONT, SEAT, Metrics

_log = get_logger()

_PREFIX = "dispatch.relay"
_OPEN, _ABANDON = b"o", b"a"
OPEN_WITHIN_SECONDS = 2.0
"""How long a seat has to answer who opens a channel. A relay that is frozen is looked up again before it counts as gone."""
PING_SECONDS = 1.0
LOST_SECONDS = 3.0
"""After this long without an answer another relay, and every channel to it, is lost."""
_STOOD_STILL_MS = 1_000

Spawn = Callable[[Coroutine[object, object, None]], None]


class NotThere(Exception):
    """No channel can be had: the relay is not there, or has not got the seat."""


@dataclass(slots=True, eq=False)
class Arrival:
    """A stream that a front hands over. `accept` or `refuse` it once, then its `side` is the channel."""

    handed: Handed
    side: Side
    _answer: Callable[[dict[str, Any]], None]

    def accept(self) -> None:
        """Let the front know that the stream is carried here."""
        self._answer({})

    def refuse(self, error: errors.DispatchError) -> None:
        """Have the device told why it is not let in."""
        self._answer({"error": words.told(error)})
        self.side.lose(How.REFUSED)

    def turn_away(self) -> None:
        """Let the front look again: this relay has not got the seat, or gives it back."""
        self._answer({"away": True})
        self.side.lose(How.GONE)


Serve = Callable[[Arrival], Awaitable[None]]
"""Carries a stream that was handed over, to its end."""


@dataclass(slots=True, eq=False)
class _Peer:
    """Another relay's line, and the channels to it."""

    line: str
    sides: dict[bytes, Side] = field(default_factory=dict)
    watched: bool = False


@dataclass(slots=True)
class _Where:
    """To which line the words of a channel go."""

    line: str = ""


class Hall:
    """The channels of this relay."""

    def __init__(self, bus: Bus, *, relay: str, clock: Clock, rng: Rng, metrics: Metrics, spawn: Spawn) -> None:
        # Fixed after __init__.
        self._bus = bus
        self._relay = relay
        self._clock = clock
        self._rng = rng
        self._metrics = metrics
        self._spawn = spawn
        self._serve: Serve | None = None
        # Touched on the loop only.
        self._line = ""  # empty: none now
        self._leave_line: Callable[[], None] = _nothing
        self._sides: dict[bytes, Side] = {}
        self._peers: dict[str, _Peer] = {}
        self._one_line = asyncio.Lock()
        self._doors_open = False

    def open_doors(self, serve: Serve) -> None:
        """Take what other relays hand over, from now on or from when the bus is there."""
        self._serve = serve
        self._bus.on_change(self._changed)
        if self._bus.there:
            self._changed(True)

    @property
    def there(self) -> bool:
        """Whether channels can be had now."""
        return self._bus.there and bool(self._line)

    # ---- the bus comes and goes

    def _changed(self, there: bool) -> None:
        self._line = ""
        for side in list(self._sides.values()):
            side.lose(How.BUS)
        if there:
            self._spawn(self._take_line())

    async def _take_line(self) -> None:
        async with self._one_line:
            self._leave_line()
            self._leave_line = _nothing
            line = self._rng(words.ID_BYTES).hex()
            try:
                if not self._doors_open:  # once: a subject that is listened to stays so when the bus comes back
                    await self._bus.listen(f"{_PREFIX}.{self._relay}", self._asked)
                    self._doors_open = True
                self._leave_line = await self._bus.listen(f"{_PREFIX}.line.{line}", partial(self._heard, line))
            except BusAway:
                return  # it is taken when the bus is back
            self._line = line

    # ---- as a front

    async def open(self, relay: str, handed: Handed) -> Side:
        """Open a channel to the relay with the seat. Raises NotThere, and why the seat refuses the device: a DispatchError."""
        if not self.there:
            raise NotThere("no bus")
        channel_id = self._rng(words.ID_BYTES)
        where = _Where()  # its line is in the answer, before which nothing is said
        side = self._take_in(channel_id, where, role=FRONT)
        subject, how = f"{_PREFIX}.{relay}", How.SILENT
        try:
            asked = _OPEN + channel_id + json.dumps({"line": self._line}).encode() + b"\n" + handing.write(handed)
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
            self._join(line, side)
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
        if not self._line or self._serve is None:
            answer(json.dumps({"away": True}).encode())
            return
        side = self._take_in(channel_id, _Where(line), role=SEAT)
        self._join(line, side)
        mine = self._line

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
            self._bus.say(f"{_PREFIX}.line.{where.line}", word)

        side = self._sides[channel_id] = Side(channel_id, say=say)
        self._metrics.channels[role].inc()

        def over(ended: asyncio.Future[Ended]) -> None:
            del self._sides[channel_id]
            self._metrics.channels[role].dec()
            self._metrics.channel_ends[ended.result().how].inc()

        side.over.add_done_callback(over)
        return side

    def _join(self, line: str, side: Side) -> None:
        """Count a channel to a line, whose relay is asked from now on whether it lives."""
        peer = self._peers.setdefault(line, _Peer(line))
        peer.sides[side.channel_id] = side
        side.over.add_done_callback(lambda _: peer.sides.pop(side.channel_id, None))
        if not peer.watched:
            peer.watched = True
            self._spawn(self._watch(peer))

    def _heard(self, line: str, data: bytes, answer: Answer) -> None:
        if line != self._line:
            return  # of a time before the bus was away
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
            subject = f"{_PREFIX}.line.{peer.line}"
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


def _nothing() -> None: ...
