"""Opens the relays' store in PostgreSQL. Called by `kept`."""

from __future__ import annotations

from dataclasses import dataclass

from dispatch import errors
from dispatch.runtime.database import DatabaseAddress

from dispatch_relay.postgres import connecting, version
from dispatch_relay.postgres.committer import Committer, OnCommit
from dispatch_relay.postgres.connecting import BROKEN
from dispatch_relay.postgres.log import PostgresLog
from dispatch_relay.postgres.seats import PostgresSeats

_READING, _TAKING = 4, 4
"""Connections of those that read, and of those that take seats, who may wait for another relay's last transaction. Two more write,
and say that this relay is there."""


@dataclass(frozen=True, slots=True)
class Store:
    """What one relay has of the store. Closing the log also leaves the seats."""

    log: PostgresLog
    seats: PostgresSeats


async def open_store(
    address: DatabaseAddress,
    *,
    relay: str,
    thread_bytes: int = 64 * 1024 * 1024,
    on_commit: OnCommit = lambda ops, seconds: None,
) -> Store:
    """Open or make the store, or bring an older one up to date. `relay`: an id that no other process has, nor had.

    `on_commit` is told ops and seconds of each batch, on the loop. Raises errors.StoreFailed.
    """
    await version.upgrade(address)
    try:
        reading = await connecting.pool(address, size=_READING)
        taking = await connecting.pool(address, size=_TAKING)
    except BROKEN as failure:
        raise errors.StoreFailed(connecting.why(failure)) from failure
    committer = Committer(address, relay=relay, thread_bytes=thread_bytes, on_commit=on_commit)
    seats = PostgresSeats(address, relay=relay, committer=committer, pool=taking)
    log = PostgresLog(committer, seats, reading)
    try:
        await seats.start()
    except BaseException:
        await log.close()
        raise
    return Store(log, seats)
