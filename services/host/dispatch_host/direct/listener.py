"""Puts porch and door together for a running host, by the one setting. Called by `app`."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field

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
    told: Sequence[str] = ()
    """What phones are told in place of where it listens: a forwarded port, as of a container. Tests put a proxy there."""
    bounds: Bounds = field(default_factory=Bounds)
    knocks: Knocks = field(default_factory=Knocks)

    @classmethod
    def parse(cls, text: str, *, told: str | None = None) -> Setting | None:
        """Read the setting: off (None), on, or HOST:PORT; and what phones are told, a HOST:PORT. Raises ValueError."""
        tell = () if told is None else (str(Address.parse(told)),)
        match text.strip().lower():
            case "off":
                return None
            case "on":
                return cls(told=tell)
            case _:
                return cls(at=(Address.parse(text),), told=tell)


class Listener:
    """Where a host listens; tells it to whoever begins a session."""

    def __init__(self, setting: Setting | None, *, clock: Clock, find: Callable[[], Sequence[str]] = addresses.private):
        self._setting = setting
        self._clock = clock
        self._find = find
        self._told: tuple[str, ...] = ()

    def addresses(self) -> Sequence[str]:
        """Give where phones can come; empty while nothing is open."""
        return self._told

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
        async with Porch(self._setting.bounds, door=inside) as porch:
            door = Door(_Known(fleet), porch=porch, clock=self._clock, knocks=self._setting.knocks)
            relay_pb2_grpc.add_ThreadServiceServicer_to_server(door, server)
            await server.start()
            try:
                listening = [str(one) async for one in _listening(porch, self._wanted(self._setting))]
                self._told = tuple(self._setting.told or listening) if listening else ()
                _LOG.info("direct path", addresses=listening)
                yield
            finally:
                self._told = ()
                await server.stop(0)

    def _wanted(self, setting: Setting) -> Sequence[Address]:
        if setting.at is not None:
            return setting.at
        return [Address(host=host, port=0) for host in self._find()]


_BOUNDED = [
    # A stranger may write no more than a phone does at once.
    ("grpc.max_receive_message_length", MESSAGE_BYTES),
    ("grpc.max_concurrent_streams", 2),
    ("grpc.server_handshake_timeout_ms", 5_000),
    ("grpc.max_connection_idle_ms", 10_000),
]


async def _listening(porch: Porch, wanted: Sequence[Address]) -> AsyncIterator[Address]:
    for address in wanted:
        try:
            yield await porch.listen(address)
        except OSError as failure:
            # The thread by the relay needs none of this.
            _LOG.warning("can't listen for the direct path", address=str(address), why=failure.strerror)


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
