"""What several relays have in common, in this process: one log, the seats, and a bus that a test may cut. No server is needed.

The named seams are `Seats` and `Bus`. Each write is checked as the database does it: without the seat it fails as *seat lost*.
"""

from __future__ import annotations

import asyncio
import itertools
from collections import Counter
from collections.abc import Callable, Sequence

from dispatch.ids import PairId
from dispatch_relay.channels.bus import Answer, BusAway, Changed, Heard, NobodyListens
from dispatch_relay.kept import BusRun, Kept
from dispatch_relay.log import Done, Failed, Op, Then
from dispatch_relay.seats import Lost
from dispatch_relay.sqlite.log import SqliteLog

from tests.support.waiting import until


class Ground:
    """The database and the bus of several relays."""

    def __init__(self, log: SqliteLog) -> None:
        self.log = log
        self.holders: dict[PairId, str] = {}
        self.living: set[str] = set()
        self.refused: list[Op] = []  # writes of relays that had lost the seat
        self.hub: dict[str, list[tuple[MemoryBus, Heard]]] = {}
        self.buses: dict[str, MemoryBus] = {}
        self._names = itertools.count(1)

    def kept(self) -> Kept:
        """Give what one more relay keeps."""
        name = f"relay-{next(self._names)}"
        self.living.add(name)
        log = SeatedLog(self, name)
        bus = self.buses[name] = MemoryBus(self.hub)
        seats = MemorySeats(self, name, log)
        return Kept(
            log=log,  # type: ignore[arg-type]  # what it does not do itself the log does: __getattr__
            seats=seats,
            queued=lambda: 0.0,
            there=lambda: True,
            shared=BusRun(bus=bus, run=bus.run),
        )

    def holder(self, pair_id: bytes) -> str | None:
        """Say which relay has a seat."""
        return self.holders.get(PairId(pair_id))


class SeatedLog:
    """The common log, as one relay writes to it."""

    def __init__(self, ground: Ground, relay: str) -> None:
        self._ground = ground
        self._relay = relay
        self.under_way: Counter[PairId] = Counter()

    def __getattr__(self, name: str) -> object:
        return getattr(self._ground.log, name)

    def submit(self, op: Op, then: Then) -> None:
        pair_id: PairId | None = getattr(op, "pair_id", None)
        if pair_id is None:
            self._ground.log.submit(op, then)
        elif self._ground.holders.get(pair_id) != self._relay:
            self._ground.refused.append(op)
            asyncio.get_running_loop().call_soon(then, Failed("the seat is another's", seat_lost=True))
        else:
            self.under_way[pair_id] += 1

            def told(result: Done | Failed) -> None:
                self.under_way[pair_id] -= 1
                then(result)

            self._ground.log.submit(op, told)

    async def close(self) -> None:
        """Leave the log to the others."""


class MemorySeats:
    """Seats of one relay."""

    def __init__(self, ground: Ground, relay: str, log: SeatedLog) -> None:
        self.relay = relay
        self._ground = ground
        self._log = log
        self._leaving: dict[PairId, asyncio.Task[None]] = {}

    def on_lost(self, lost: Lost) -> None: ...

    async def take(self, pair_id: PairId) -> str | None:
        if (leaving := self._leaving.get(pair_id)) is not None:
            await leaving
        holder = self._ground.holders.get(pair_id)
        if holder is None or holder not in self._ground.living:
            holder = self._ground.holders[pair_id] = self.relay
        return None if holder == self.relay else holder

    def forget(self, pair_id: PairId) -> None: ...

    def give_back(self, pair_id: PairId) -> None:
        if self._ground.holders.get(pair_id) == self.relay:
            self._leaving[pair_id] = asyncio.create_task(self._leave(pair_id))

    async def _leave(self, pair_id: PairId) -> None:
        await until(lambda: not self._log.under_way[pair_id])
        if self._ground.holders.get(pair_id) == self.relay:
            del self._ground.holders[pair_id]
        del self._leaving[pair_id]

    async def adopt(self, limit: int) -> Sequence[PairId]:
        waiting = await self._ground.log.unsettled()
        free = [one for one in waiting if self._ground.holders.get(one) not in self._ground.living][:limit]
        self._ground.holders.update(dict.fromkeys(free, self.relay))
        return free

    async def close(self) -> None:
        await asyncio.gather(*self._leaving.values())
        self._ground.living.discard(self.relay)


class MemoryBus:
    """A bus of this process, as one relay has it."""

    def __init__(self, hub: dict[str, list[tuple[MemoryBus, Heard]]]) -> None:
        self.there = True
        self.deaf = False  # hears nothing, as a process that stands still
        self.garbles = False  # flips a bit of the kind of whatever word of a channel it says
        self.loses = 0  # of the next that are said
        self._hub = hub
        self._changed: Changed = lambda _there: None

    def on_change(self, changed: Changed) -> None:
        self._changed = changed

    async def run(self) -> None:
        await asyncio.Event().wait()

    def cut(self) -> None:
        """Lose the bus."""
        self.there = False
        self._changed(False)

    def back(self) -> None:
        """Have it again."""
        self.there = True
        self._changed(True)

    async def listen(self, subject: str, heard: Heard) -> Callable[[], None]:
        if not self.there:
            raise BusAway
        self._hub.setdefault(subject, []).append((self, heard))
        return lambda: self._hub[subject].remove((self, heard))

    def say(self, subject: str, word: bytes) -> None:
        self._carry(subject, word, lambda _word: None)

    def _carry(self, subject: str, word: bytes, answer: Answer) -> None:
        if not self.there:
            return
        if self.loses:
            self.loses -= 1
            return
        if self.garbles and len(word) > 25:
            word = word[:25] + bytes([word[25] ^ 64]) + word[26:]
        for bus, heard in self._hub.get(subject, []):
            asyncio.get_running_loop().call_soon(self._hear, bus, heard, word, answer)

    @staticmethod
    def _hear(bus: MemoryBus, heard: Heard, word: bytes, answer: Answer) -> None:
        if bus.there and not bus.deaf:
            heard(word, answer)

    async def ask(self, subject: str, word: bytes, *, within_seconds: float) -> bytes:
        if not self.there:
            raise BusAway
        if not any(bus.there for bus, _ in self._hub.get(subject, [])):
            raise NobodyListens
        answered: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

        def answer(said: bytes) -> None:
            if not answered.done():
                answered.set_result(said)

        self._carry(subject, word, answer)
        async with asyncio.timeout(within_seconds):
            return await answered
