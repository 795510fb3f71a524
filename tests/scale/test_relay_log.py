"""The relay's log and seats in PostgreSQL keep their contracts, also when sessions, relays or the server go away."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable

import asyncpg
import pytest
from dispatch import errors
from dispatch.ids import PairId
from dispatch.runtime.database import DatabaseAddress, parse_database
from dispatch_relay.log import Acked, Done, Erase, Failed, Op, Sweep
from dispatch_relay.postgres import seats as postgres_seats
from dispatch_relay.postgres.opening import Store, open_store
from dispatch_relay.presence import End

from tests.support.log_contract import PAIR, ROOMY, check_log, done, kept, posted, result
from tests.support.postgres import PostgresServer
from tests.support.seats_contract import check_seats
from tests.support.waiting import until

Open = Callable[..., Awaitable[Store]]

_numbers = itertools.count()


@pytest.fixture
async def address(postgres: PostgresServer) -> DatabaseAddress:
    """Give an empty database."""
    return parse_database(postgres.address(await postgres.new_database()))


@pytest.fixture
async def opened(address: DatabaseAddress) -> AsyncIterator[Open]:
    """Open the store for one relay more; closed at the end."""
    stores: list[Store] = []

    async def make(*, at: DatabaseAddress = address, thread_bytes: int = ROOMY) -> Store:
        stores.append(await open_store(at, relay=f"relay {next(_numbers)}", thread_bytes=thread_bytes))
        return stores[-1]

    yield make
    await asyncio.gather(*(store.log.close() for store in stores))


@pytest.fixture
async def sql(address: DatabaseAddress) -> AsyncIterator[asyncpg.Connection[asyncpg.Record]]:
    """Look into the database beside the relays."""
    db = await asyncpg.connect(address.url)
    yield db
    await db.close()


async def test_postgres_keeps_the_contract_of_the_log(opened: Open) -> None:
    async def make(thread_bytes: int) -> tuple[object, object]:
        store = await opened(thread_bytes=thread_bytes)
        return store.log, store.seats

    await check_log(make)  # type: ignore[arg-type]  # a pair of just these


async def test_several_relays_keep_the_contract_of_the_seats(opened: Open) -> None:
    async def make() -> tuple[object, object]:
        store = await opened()
        return store.log, store.seats

    await check_seats(make)  # type: ignore[arg-type]  # as above
