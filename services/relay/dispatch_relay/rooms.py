"""Which pairings have somebody in them. Loads a room when the first comes, and lets it go when nothing is left to do.

With several relays a room needs the seat of its pairing: it is taken before the room is loaded, and given back with it. A seat that
is lost takes its room with it. docs/scale.md.
"""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Callable, Sequence, Set
from dataclasses import dataclass, field

from dispatch import errors
from dispatch.ids import DeviceId, PairId, short
from dispatch.runtime.logs import get_logger

from dispatch_relay.log import Sweep, Thread
from dispatch_relay.place import Tools
from dispatch_relay.presence import End, Presence
from dispatch_relay.room import Room
from dispatch_relay.seats import Seats
from dispatch_relay.sweeping import sweep

_log = get_logger()
_DAY_MS = 24 * 60 * 60 * 1_000

ADOPT_SECONDS = 1.0
"""How often seats are looked for that nobody has and that somebody must watch over."""
_ADOPT_AT_ONCE = 200
_LOOK_AGAIN_SECONDS = 0.2


@dataclass(frozen=True, slots=True)
class At:
    """The seat is another relay's."""

    relay: str


@dataclass(slots=True)
class _Loading:
    """A room that is loaded, by one of those who want it; the next tries again when that came to nothing.

    Counted, because a lock that was let go of is free for a moment although somebody waits for it.
    """

    one: asyncio.Lock = field(default_factory=asyncio.Lock)
    wanted: int = 0


class Rooms:
    """The rooms of this relay, by pairing."""

    def __init__(self, tools: Tools, seats: Seats, *, shared: bool) -> None:
        """`shared`: there are other relays, and the store is theirs, too."""
        # Fixed after __init__.
        self._tools = tools
        self._seats = seats
        self._shared = shared
        # Touched on the loop only.
        self._rooms: dict[PairId, Room] = {}
        self._loading: dict[PairId, _Loading] = {}
        self._guests: Counter[PairId] = Counter()
        self._draining = False
        seats.on_lost(self._seat_lost)

    async def enter(self, pair_id: PairId) -> Room | At:
        """Give the room of a pairing, or where it is. Use it before anything else is awaited: an empty one is let go.

        Raises errors.StoreFailed.
        """
        room = self._rooms.get(pair_id)
        if room is not None:
            return room
        loading = self._loading.setdefault(pair_id, _Loading())
        loading.wanted += 1
        try:
            async with loading.one:
                return self._rooms.get(pair_id) or await self._load(pair_id)
        finally:
            loading.wanted -= 1
            if not loading.wanted:
                del self._loading[pair_id]

    async def _load(self, pair_id: PairId) -> Room | At:
        relay = await self._seats.take(pair_id)
        if relay is not None:
            return At(relay)
        try:
            thread = await self._tools.log.thread(pair_id)
        except BaseException:  # also when its device has gone meanwhile: the seat must not be ours without a room
            self._give_back(pair_id)
            raise
        room = Room(pair_id, thread, self._tools, closed=self._let_go, lost=self._forget)
        self._rooms[pair_id] = room
        if self._shared:
            if End.HOST in thread.presence:
                self._tools.metrics.host_here(room.host.standing, here=True)
            room.recover()
            self._count()
        return room

    def host(self, pair_id: PairId) -> Presence | None:
        """Say how the host of a pairing is; None when nobody of it is here, which says nothing about the host."""
        room = self._rooms.get(pair_id)
        return None if room is None else room.host

    # ---- seats

    async def sit(self, pair_id: PairId) -> At | None:
        """Have the seat without a room, for a transfer, until `stand_up`; else say where it is. Raises errors.StoreFailed."""
        self._guests[pair_id] += 1
        relay: str | None = ""
        try:
            relay = None if pair_id in self._rooms else await self._seats.take(pair_id)
        finally:
            if relay is not None:
                self.stand_up(pair_id, had=False)
        return None if relay is None else At(relay)

    def stand_up(self, pair_id: PairId, *, had: bool = True) -> None:
        """Need the seat no longer."""
        self._guests[pair_id] -= 1
        if not self._guests[pair_id]:
            del self._guests[pair_id]
            if had and pair_id not in self._rooms and pair_id not in self._loading:
                self._give_back(pair_id)

    def _let_go(self, room: Room) -> None:
        if self._leaves(room):
            self._give_back(room.pair_id)

    def _give_back(self, pair_id: PairId) -> None:
        if pair_id not in self._guests or self._draining:
            self._seats.give_back(pair_id)

    def _forget(self, room: Room) -> None:
        """Its seat is another's."""
        if self._leaves(room):
            self._seats.forget(room.pair_id)
            self._tools.metrics.seats_lost.inc()
            _log.warning("seat lost", pairing=short(room.pair_id))

    def _leaves(self, room: Room) -> bool:
        if self._rooms.get(room.pair_id) is not room:
            return False
        del self._rooms[room.pair_id]
        if self._shared:
            if not room.erased:
                self._tools.metrics.host_here(room.host.standing, here=False)
            self._count()
        return True

    def _seat_lost(self, pair_id: PairId) -> None:
        room = self._rooms.get(pair_id)
        if room is not None:
            room.lose()

    def _count(self) -> None:
        self._tools.metrics.seats.set(len(self._rooms))

    # ---- what others left behind

    async def recover(self) -> None:
        """Watch over what the relay before this one left behind: pending commands, devices that may come back."""
        if self._shared:
            return  # `adopt` finds it, as what others leave behind
        self._tools.metrics.hosts(await self._tools.log.standings())
        for pair_id in await self._tools.log.unsettled():
            room = await self.enter(pair_id)
            if isinstance(room, Room):
                room.recover()
                room.settle()

    async def adopt(self) -> None:
        """Take the seats that nobody has and that somebody must watch over, every second, until this relay closes."""
        while not self._draining:
            try:
                taken = await self._seats.adopt(_ADOPT_AT_ONCE)
            except errors.StoreFailed as failure:
                _log.warning("seats not looked for", why=failure.detail)
                taken = ()
            await self._move_in(taken)
            if taken:
                _log.info("seats adopted", count=len(taken))
            if len(taken) < _ADOPT_AT_ONCE:
                await asyncio.sleep(ADOPT_SECONDS)

    async def _move_in(self, taken: Sequence[PairId]) -> None:
        """Make a room for each seat that was adopted. One for which that fails is given back, for whoever adopts it next."""
        left = deque(taken)
        try:
            while left:
                try:
                    room = await self.enter(left[0])
                except errors.StoreFailed as failure:
                    _log.warning("adopted pairing not read", pairing=short(left[0]), why=failure.detail)
                else:
                    if isinstance(room, Room):
                        room.settle()
                left.popleft()
        finally:
            for pair_id in left:
                if pair_id not in self._rooms:
                    self._give_back(pair_id)

    # ---- the relay and the pairing service

    def end(self, pair_id: PairId, *, ended_by: End | None) -> None:
        """Begin to end a pairing if its room is here: its streams wait for no other's. What is left of it is for `erase`."""
        room = self._rooms.get(pair_id)
        if room is not None:
            room.erase(ended_by=ended_by)

    async def erase(self, pair_id: PairId, *, ended_by: End | None) -> None:
        """End a pairing: streams, rows and all. Returns when nothing of it is stored any more, however long that takes.

        Another relay that has the seat hears of it, too, and is waited for; while the store fails it is tried again.
        """
        while True:
            try:
                if pair_id not in self._rooms and _nothing(await self._tools.log.thread(pair_id)):
                    return
                room = await self.enter(pair_id)
                # Shielded: whoever waits may lose patience, and the room goes on.
                if isinstance(room, Room) and await asyncio.shield(room.erase(ended_by=ended_by)):
                    return
            except errors.StoreFailed as failure:
                _log.warning("pairing not erased yet", pairing=short(pair_id), why=failure.detail)
            await asyncio.sleep(_LOOK_AGAIN_SECONDS)

    def revoke(self, devices: Set[DeviceId]) -> None:
        """End the streams of devices: however many are told at once, each room is looked at once."""
        for room in list(self._rooms.values()):
            room.revoke(devices)

    async def drain(self, *, reconnect_in_ms: Callable[[], int], within_ms: int) -> None:
        """Ask everybody to come back later, and wait until they have gone or the time is over.

        With several relays a room that all have left goes at once, so that another relay has it when they come again.
        """
        self._draining = True
        rooms = list(self._rooms.values())
        asked = {room: room.drain(reconnect_in_ms=reconnect_in_ms) for room in rooms}
        if self._shared:
            for room, streams in asked.items():
                for stream in streams:
                    stream.ended.add_done_callback(lambda _, room=room: room.leave())  # type: ignore[misc]  # a lambda's default
                if not streams:
                    room.leave()
        waited = [stream.ended for streams in asked.values() for stream in streams]
        if waited:
            await asyncio.wait(waited, timeout=within_ms / 1_000)

    def shut(self) -> None:
        """End all streams."""
        for room in list(self._rooms.values()):
            room.shut()
            if self._shared:
                room.leave()

    async def sweep(self) -> None:
        """Forget old rows, now and then, for ever."""
        settings = self._tools.settings
        while True:
            before_ms = self._tools.clock.wall_ms() - settings.keep_days * _DAY_MS
            for room in list(self._rooms.values()):
                room.swept(before_ms)
            result = await sweep(self._tools.log.submit, Sweep(before_ms))
            _log.info("swept", result=type(result).__name__)
            await asyncio.sleep(settings.sweep_seconds)


def _nothing(thread: Thread) -> bool:
    """Whether the store knows nothing of a pairing."""
    known = (thread.acked, thread.presence, thread.pending, thread.open_tasks, thread.owed_calls)
    return not (thread.head_seq or any(known))
