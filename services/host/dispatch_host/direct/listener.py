"""Puts porch and door together for a running host, by the one setting. Called by `app`."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field, replace
from ipaddress import ip_address

import grpc
from dispatch.address import Address
from dispatch.api.relay.v1 import relay_pb2_grpc
from dispatch.channel import server_options
from dispatch.clock import Clock
from dispatch.ids import PairId
from dispatch.runtime.logs import get_logger

from dispatch_host.direct import addresses
from dispatch_host.direct.door import Door, Knocks
from dispatch_host.direct.porch import Bounds, Porch
from dispatch_host.direct.side import DirectSide
from dispatch_host.fleet import Fleet

_LOG = get_logger()

MESSAGE_BYTES = 256 * 1024
"""Largest message from a phone: what `dispatch.thread.direct` writes at once, and some air."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """Whether and where to listen: at these addresses, or (None) at every private one of this computer."""

    at: Sequence[Address] | None = None
    port: int = 0
    """With every private address: this port, or one that the system chooses."""
    look_seconds: float = 5.0
    """How often it is looked whether this computer has other addresses now."""
    told: Sequence[str] = ()
    """What phones are told in place of where it listens: a forwarded port, as of a container. Tests put a proxy there."""
    listening: Callable[[Sequence[Address]], None] = lambda _: None
    """Hears where it really listens. Tests aim their proxy by that."""
    bounds: Bounds = field(default_factory=Bounds)
    knocks: Knocks = field(default_factory=Knocks)

    @classmethod
    def parse(cls, text: str, *, told: str | None = None) -> Setting | None:
        """Read the setting: off (None), on, or HOST:PORT; and what phones are told, a HOST:PORT. Raises ValueError.

        HOST is a number, for a phone looks up no name; 0.0.0.0 or [::] means every private address, with this port.
        """
        match text.strip().lower():
            case "off":
                return None
            case "on":
                found = cls()
            case _:
                address = _by_number(text)
                found = cls(port=address.port) if ip_address(address.host).is_unspecified else cls(at=(address,))
        return found if told is None else found.telling(told)

    def telling(self, told: str) -> Setting:
        """Give it with what phones are told, a HOST:PORT. Raises ValueError."""
        return replace(self, told=(str(_by_number(told)),))


def _by_number(text: str) -> Address:
    address = Address.parse(text)
    try:
        ip_address(address.host)
    except ValueError as failure:
        raise ValueError(f"{address.host} is a name, and phones look up none: give the number") from failure
    return address


class Listener:
    """Where a host listens; tells it to whoever begins a session."""

    def __init__(self, setting: Setting | None, *, clock: Clock, find: Callable[[], Sequence[str]] = addresses.private):
        self._setting = setting
        self._clock = clock
        self._find = find
        self._open: dict[Address, Address] = {}  # what was wanted, and what was bound
        self._in_vain: set[Address] = set()  # wanted, could not be had, and that was said

    def addresses(self) -> Sequence[str]:
        """Give where phones can come; empty while nothing is open."""
        if self._setting is None or not self._open:
            return ()
        return tuple(self._setting.told) or tuple(map(str, self._open.values()))

    @contextlib.asynccontextmanager
    async def open(self, fleet: Fleet) -> AsyncIterator[None]:
        """Listen for as long as the context lasts; not at all when the setting is off or no address can be had."""
        if self._setting is None:
            yield
            return
        common = [option for option in server_options() if option[0] != "grpc.max_receive_message_length"]
        server = grpc.aio.server(options=[*common, *_BOUNDED])
        # Never on the network itself: only the porch is there.
        inside = Address(host="127.0.0.1", port=server.add_insecure_port("127.0.0.1:0"))
        async with Porch(self._setting.bounds, door=inside, clock=self._clock) as porch:
            door = Door(_Known(fleet), porch=porch, clock=self._clock, knocks=self._setting.knocks)
            relay_pb2_grpc.add_ThreadServiceServicer_to_server(door, server)
            await server.start()
            await self._look(self._setting, porch)
            looking = asyncio.create_task(self._keep_looking(self._setting, porch))
            try:
                yield
            finally:
                looking.cancel()
                await asyncio.gather(looking, return_exceptions=True)
                self._open.clear()
                await server.stop(0)

    async def _keep_looking(self, setting: Setting, porch: Porch) -> None:
        """Follow this computer from network to network. Nobody tells us, on every platform, and to look costs nothing."""
        while True:
            await asyncio.sleep(setting.look_seconds)
            await self._look(setting, porch)

    async def _look(self, setting: Setting, porch: Porch) -> None:
        """Listen where it is wanted, and nowhere else. What can't be had now is tried again."""
        wanted = self._wanted(setting)
        before = list(self._open.values())
        for gone in [one for one in self._open if one not in wanted]:
            porch.leave(self._open.pop(gone))
        for one in [one for one in wanted if one not in self._open]:
            try:
                self._open[one] = await porch.listen(one)
            except OSError as failure:
                # The thread by the relay needs none of this.
                if one not in self._in_vain:
                    _LOG.warning("can't listen for the direct path", address=str(one), why=failure.strerror)
                self._in_vain.add(one)
            else:
                self._in_vain.discard(one)
        self._in_vain.intersection_update(wanted)
        if before != (listening := list(self._open.values())):
            setting.listening(listening)
            _LOG.info("direct path", addresses=[str(one) for one in listening])

    def _wanted(self, setting: Setting) -> Sequence[Address]:
        if setting.at is not None:
            return setting.at
        return [Address(host=host, port=setting.port) for host in self._find()]


_BOUNDED = [
    # A stranger may write no more than a phone does at once.
    ("grpc.max_receive_message_length", MESSAGE_BYTES),
    ("grpc.max_concurrent_streams", 2),
    ("grpc.server_handshake_timeout_ms", 5_000),
    ("grpc.max_connection_idle_ms", 10_000),
]


class _Known:
    """The fleet, as the door asks it."""

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet

    def by_pair(self, pair_id: PairId) -> DirectSide | None:
        link = self._fleet.link_of(pair_id)
        return link.direct if link is not None else None

    def by_epoch(self, epoch: bytes) -> DirectSide | None:
        link = self._fleet.link_in(epoch)
        return link.direct if link is not None else None
