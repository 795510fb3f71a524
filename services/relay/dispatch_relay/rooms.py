"""Which pairings have somebody in them. Loads a room when the first comes, and lets it go when nothing is left to do."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from dispatch.ids import DeviceId, PairId
from dispatch.runtime.logs import get_logger

from dispatch_relay.log import Sweep
from dispatch_relay.place import Tools
from dispatch_relay.presence import End, Presence
from dispatch_relay.room import Room

_log = get_logger()
_DAY_MS = 24 * 60 * 60 * 1_000


class Rooms:
    """The rooms of this relay, by pairing."""

    def __init__(self, tools: Tools) -> None:
        self._tools = tools
        self._rooms: dict[PairId, Room] = {}
        self._loading: dict[PairId, asyncio.Lock] = {}

    async def enter(self, pair_id: PairId) -> Room:
        """Give the room of a pairing. Use it before anything else is awaited: an empty one is let go.

        Raises errors.StoreFailed.
        """
        room = self._rooms.get(pair_id)
        if room is not None:
            return room
        lock = self._loading.setdefault(pair_id, asyncio.Lock())
        try:
            async with lock:
                room = self._rooms.get(pair_id)
                if room is None:
                    thread = await self._tools.log.thread(pair_id)
                    room = self._rooms[pair_id] = Room(pair_id, thread, self._tools, closed=self._let_go)
                return room
        finally:
            if not lock.locked():
                self._loading.pop(pair_id, None)

    def host(self, pair_id: PairId) -> Presence | None:
        """Say how the host of a pairing is; None when nobody of it is here, which says nothing about the host."""
        room = self._rooms.get(pair_id)
        return None if room is None else room.host

    def _let_go(self, room: Room) -> None:
        if self._rooms.get(room.pair_id) is room:
            del self._rooms[room.pair_id]

    async def recover(self) -> None:
        """Watch over what the relay before this one left behind: pending commands, devices that may come back."""
        self._tools.metrics.hosts(await self._tools.log.standings())
        for pair_id in await self._tools.log.unsettled():
            (await self.enter(pair_id)).recover()

    async def erase(self, pair_id: PairId, *, ended_by: End | None) -> None:
        """End a pairing: streams, rows and all. Returns when nothing of it is stored any more."""
        await (await self.enter(pair_id)).erase(ended_by=ended_by)
        _log.info("pairing ended", pairing=pair_id, ended_by=ended_by.name.lower() if ended_by else "service")

    def revoke(self, device_id: DeviceId) -> None:
        """End the streams of a device."""
        for room in list(self._rooms.values()):
            room.revoke(device_id)

    async def drain(self, *, reconnect_in_ms: Callable[[], int], within_ms: int) -> None:
        """Ask everybody to come back later, and wait until they have gone or the time is over."""
        streams = [one for room in self._rooms.values() for one in room.drain(reconnect_in_ms=reconnect_in_ms)]
        if streams:
            await asyncio.wait([stream.ended for stream in streams], timeout=within_ms / 1_000)

    def shut(self) -> None:
        """End all streams."""
        for room in list(self._rooms.values()):
            room.shut()

    async def sweep(self) -> None:
        """Forget old rows, now and then, for ever."""
        settings = self._tools.settings
        while True:
            before_ms = self._tools.clock.wall_ms() - settings.keep_days * _DAY_MS
            self._tools.log.submit(Sweep(before_ms), lambda result: _log.info("swept", result=type(result).__name__))
            for room in list(self._rooms.values()):
                room.swept(before_ms)
            await asyncio.sleep(settings.sweep_seconds)
