"""Which transfers are under way, who is at which side, and why one is over. Stores nothing; knows no gRPC and no bytes.

A transfer has two sides. It begins when both are there, and whatever ends it ends it for both. Called by `transfer_service`
(streams) and by `relay` (revocation, closing), on the event loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Container, Set
from dataclasses import dataclass, field

from dispatch import errors
from dispatch.ids import DeviceId, PairId, TransferId, short
from dispatch.runtime.logs import get_logger

from dispatch_relay.metrics import BYE, Metrics
from dispatch_relay.presence import End
from dispatch_relay.settings import Settings

_log = get_logger()

_RETRY_MS = 2_000

Say = Callable[[bytes], Awaitable[None]]


@dataclass(slots=True)
class Side:
    """One end of a transfer."""

    device_id: DeviceId
    say: Say
    """Writes to the device; of the other end's reader, once this end was told that both are there."""
    told: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass(slots=True, eq=False)
class Transfer:
    """Two sides of one pairing."""

    pair_id: PairId
    transfer_id: TransferId
    sides: dict[End, Side] = field(default_factory=dict)
    both: asyncio.Event = field(default_factory=asyncio.Event)
    ended: asyncio.Future[errors.DispatchError | None] = field(
        default_factory=lambda: asyncio.get_running_loop().create_future()
    )
    forwarded_bytes: int = 0
    moved_ms: int = 0
    """When something was forwarded last, on the steady clock."""

    def finish(self, error: errors.DispatchError | None) -> None:
        """End it for both, with the error or in peace. The first call counts."""
        if not self.ended.done():
            self.ended.set_result(error)


class Transfers:
    """The transfers of this relay, by pairing and id."""

    def __init__(self, *, settings: Settings, metrics: Metrics) -> None:
        self._settings = settings
        self._metrics = metrics
        self._under_way: dict[tuple[PairId, TransferId], Transfer] = {}

    def join(self, pair_id: PairId, transfer_id: TransferId, end: End, side: Side, *, now_ms: int) -> Transfer:
        """Come to a side. Raises RateLimited when there are too many, ProtocolViolation when it is taken or all is over."""
        transfer = self._under_way.get((pair_id, transfer_id))
        if transfer is None:
            self._check_room(pair_id)
            transfer = Transfer(pair_id, transfer_id, moved_ms=now_ms)
            self._under_way[pair_id, transfer_id] = transfer
            self._metrics.transfers.inc()
            transfer.ended.add_done_callback(lambda _: self._over(transfer))
        elif end in transfer.sides or transfer.ended.done():
            raise errors.ProtocolViolation("this end of the transfer was taken before")
        transfer.sides[end] = side
        transfer.moved_ms = now_ms
        if len(transfer.sides) == len(End):
            transfer.both.set()
        return transfer

    def _check_room(self, pair_id: PairId) -> None:
        of_pairing = sum(other == pair_id for other, _ in self._under_way)
        if of_pairing >= self._settings.transfers_of_pairing or len(self._under_way) >= self._settings.transfers:
            raise errors.RateLimited("too many transfers are under way", retry_after_ms=_RETRY_MS)

    def forwards(self, transfer: Transfer, to: End, count: int, *, now_ms: int) -> None:
        """Count bytes before they are forwarded. Raises TooLarge for a transfer that has no end."""
        transfer.forwarded_bytes += count
        transfer.moved_ms = now_ms
        if transfer.forwarded_bytes > self._settings.transfer_bytes:
            raise errors.TooLarge(metadata={"limit_bytes": str(self._settings.transfer_bytes)})
        self._metrics.transfer_bytes[to].inc(count)

    def _over(self, transfer: Transfer) -> None:
        del self._under_way[transfer.pair_id, transfer.transfer_id]
        self._metrics.transfers.dec()
        error = transfer.ended.result()
        word = BYE if error is None else errors.word(error.reason)
        self._metrics.transfer_ended(word)
        _log.info("transfer ended", cause=word, bytes=transfer.forwarded_bytes, pairing=short(transfer.pair_id))

    # ---- the relay and the pairing service

    def revoke(self, devices: Set[DeviceId]) -> None:
        """End the transfers of devices that have lost their rights."""
        for transfer in list(self._under_way.values()):
            if any(side.device_id in devices for side in transfer.sides.values()):
                transfer.finish(errors.DeviceRevoked())

    def erase(self, pairings: Container[PairId]) -> None:
        """End the transfers of pairings that are over."""
        for transfer in list(self._under_way.values()):
            if transfer.pair_id in pairings:
                transfer.finish(errors.NotPaired())

    def shut(self) -> None:
        """End all: the relay closes. Devices go on elsewhere, or later."""
        for transfer in list(self._under_way.values()):
            transfer.finish(errors.Draining(retry_after_ms=1_000))
