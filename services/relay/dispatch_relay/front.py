"""The streams that this relay let in, and whose pairing has its seat elsewhere: bytes go there and back, and are not read.

The seat decides. Here is only what must not wait for it: a device that lost its rights is cut as soon as this relay hears of it,
and a stream whose channel is lost ends as *draining*. The end of a grant is the seat's. Used by the services and by `relay`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Container, Set
from dataclasses import dataclass, field
from typing import Any, TypeVar

from dispatch import errors
from dispatch.clock import Clock
from dispatch.ids import DeviceId, PairId, short
from dispatch.runtime.logs import get_logger

from dispatch_relay import frames
from dispatch_relay.channels.hall import Hall, NotThere
from dispatch_relay.channels.handed import Handed
from dispatch_relay.channels.side import Over, Side
from dispatch_relay.channels.words import Ended, How
from dispatch_relay.rooms import At
from dispatch_relay.trust import Admitted
from dispatch_relay.wire import Gone, Wire

_log = get_logger()

FIND_SECONDS = 3.0
"""How long the seat is looked for before a device is sent away: a relay that stops gives its seats back within that."""
_LOOK_AGAIN_SECONDS = 0.1
_FLUSH_SECONDS = 0.5
"""How long a device has to read what the seat said before it ended the stream."""
_LAST_WORDS_SECONDS = 2.0
"""How long the seat has to end the streams of a pairing that is over, which it does with the answers that are due before."""

Taken = TypeVar("Taken")
Jitter = Callable[[float, float], float]
Still = Callable[[Admitted], None]


@dataclass(slots=True, eq=False)
class _Carried:
    """One stream that is carried to its seat."""

    wire: Wire
    handed: Handed
    cut: asyncio.Future[errors.DispatchError] = field(
        default_factory=lambda: asyncio.get_running_loop().create_future()
    )
    over: asyncio.Event = field(default_factory=asyncio.Event)
    writing: asyncio.Lock = field(default_factory=asyncio.Lock)

    def end(self, error: errors.DispatchError) -> None:
        """End it with the error. The first call counts."""
        if not self.cut.done():
            self.cut.set_result(error)

    async def write(self, message: bytes) -> None:
        """Write to the device. Raises Gone."""
        async with self.writing:
            await self.wire.write(message)


class Front:
    """The streams of this relay that are carried to other relays."""

    def __init__(self, hall: Hall | None, *, clock: Clock, still: Still, jitter: Jitter) -> None:
        """`hall` is None where there are no other relays. `still` raises when a device has lost its rights."""
        # Fixed after __init__.
        self._hall = hall
        self._clock = clock
        self._still = still
        self._jitter = jitter
        # Touched on the loop only.
        self._carried: set[_Carried] = set()

    async def find(self, take: Callable[[], Awaitable[Taken | At]], handed: Handed) -> Taken | Side:
        """Give what `take` gives when the seat is ours, else a channel to the relay that has it.

        Nothing is awaited between `take` and the return. Raises Draining, what `take` raises, and why the seat refuses the device.
        """
        until_ms = self._clock.steady_ms() + round(1_000 * FIND_SECONDS)
        while True:
            taken = await take()
            if not isinstance(taken, At):
                return taken
            if self._hall is None:
                raise errors.Internal("a seat elsewhere, and no other relay")
            try:
                return await self._hall.open(taken.relay, handed)
            except NotThere as why:
                if not self._hall.there or self._clock.steady_ms() >= until_ms:
                    _log.info("seat not found", pairing=short(handed.admitted.pair_id), why=str(why))
                    raise self._draining() from None
            await asyncio.sleep(self._jitter(_LOOK_AGAIN_SECONDS, 2 * _LOOK_AGAIN_SECONDS))

    async def carry(self, wire: Wire, side: Side, handed: Handed, *, begun: bytes) -> errors.DispatchError | None:
        """Carry a stream until it ends; gives why, None for in peace. `begun`: what the device said with its opening."""
        carried = _Carried(wire, handed)
        self._carried.add(carried)
        try:
            self._still(handed.admitted)  # while the channel was opened there may have been news
            async with asyncio.TaskGroup() as group:
                up = group.create_task(self._up(carried, side, begun))
                down = group.create_task(self._down(carried, side))
                await _first_of(side.over, carried.cut)
                if not carried.cut.done() and not side.over.result().how.lost:
                    await _first_of(down, carried.cut, within_seconds=_FLUSH_SECONDS)
                up.cancel()
                down.cancel()
            if carried.cut.done():
                side.end(Ended(How.REFUSED, carried.cut.result()))
                return carried.cut.result()
        except errors.DispatchError as refused:
            side.end(Ended(How.REFUSED, refused))
            return refused
        finally:
            # Also when this handler is cancelled because its device has gone.
            side.end(Ended(How.GONE))
            self._carried.discard(carried)
            carried.over.set()
        return self._why(side)

    def _why(self, side: Side) -> errors.DispatchError | None:
        ended = side.over.result()
        if ended.how.lost:
            return self._draining()
        return ended.error

    def _draining(self) -> errors.Draining:
        return errors.Draining(retry_after_ms=round(self._jitter(200, 1_000)))

    async def _up(self, carried: _Carried, side: Side, begun: bytes) -> None:
        try:
            if begun:
                await side.write(begun)
            while True:
                await side.write(await carried.wire.read())
        except Gone:
            side.end(Ended(How.GONE))
        except Over:
            pass
        except errors.DispatchError as error:
            side.end(Ended(How.REFUSED, error))

    async def _down(self, carried: _Carried, side: Side) -> None:
        try:
            while True:
                await carried.write(await side.read())
        except Gone:
            side.end(Ended(How.GONE))
        except Over:
            pass

    # ---- the relay and the pairing service

    def revoke(self, devices: Set[DeviceId]) -> None:
        """End the streams of devices that have lost their rights."""
        for carried in self._carried:
            if carried.handed.admitted.device_id in devices:
                carried.end(errors.DeviceRevoked())

    def over(self, pairings: Container[PairId]) -> None:
        """Take that pairings have ended. Their seats end the streams, with the answers that are due, and aren't waited for long."""
        for carried in self._carried:
            if carried.handed.admitted.pair_id in pairings:
                asyncio.get_running_loop().call_later(_LAST_WORDS_SECONDS, self._cut, carried)

    def _cut(self, carried: _Carried) -> None:
        try:
            self._still(carried.handed.admitted)
        except errors.DispatchError as error:
            carried.end(error)

    async def drain(self, *, reconnect_in_ms: Callable[[], int], within_ms: int) -> None:
        """Ask everybody to come back later, and wait until they have gone or the time is over. Transfers end."""
        leaving = list(self._carried)
        for carried in leaving:
            if carried.handed.caller is None:
                carried.end(errors.Draining(retry_after_ms=1_000))
        asked = [one for one in leaving if one.handed.caller is not None]
        try:
            async with asyncio.timeout(within_ms / 1_000), asyncio.TaskGroup() as group:
                for carried in asked:
                    group.create_task(self._ask_to_leave(carried, reconnect_in_ms()))
        except TimeoutError:
            pass

    async def _ask_to_leave(self, carried: _Carried, wait_ms: int) -> None:
        try:
            await carried.write(frames.draining(reconnect_in_ms=wait_ms))
        except Gone:
            return
        await carried.over.wait()

    def shut(self) -> None:
        """End all."""
        for carried in self._carried:
            carried.end(errors.Draining(retry_after_ms=1_000))


async def _first_of(*several: asyncio.Future[Any], within_seconds: float | None = None) -> None:
    await asyncio.wait(several, timeout=within_seconds, return_when=asyncio.FIRST_COMPLETED)
