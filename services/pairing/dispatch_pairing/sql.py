"""The store on SQLAlchemy Core, in SQLite. Translates rows and values; decides nothing. Opened by app.py and cli.py.

WAL, synchronous=FULL, foreign keys and a busy timeout on every connection; one writer at a time in this process, and
BEGIN IMMEDIATE against other processes (`account add` while the service is up).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from dispatch.errors import StoreFailed
from dispatch.ids import AccountId, DeviceId, OfferId, PairId
from sqlalchemy import URL, Connection, and_, delete, event, exists, func, insert, or_, select, update
from sqlalchemy.dialects.sqlite import insert as upsert
from sqlalchemy.engine import Row
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from dispatch_pairing import tables as t
from dispatch_pairing.model import Account, Device, Identity, Pairing, Role, SignIn
from dispatch_pairing.offers import Offer, State
from dispatch_pairing.store import Repositories

_WRITES = "dispatch_writes"
_BUSY_MS = 5_000
_UNFINISHED = (State.OPEN.value, State.CLAIMED.value)


def _account(row: Row[Any]) -> Account:
    return Account(
        account_id=AccountId(row.account_id),
        name=row.name,
        folded=row.folded,
        password=row.password,
        created_ms=row.created_ms,
    )


def _device(row: Row[Any]) -> Device:
    return Device(
        device_id=DeviceId(row.device_id),
        account_id=AccountId(row.account_id),
        key=row.key,
        role=Role(row.role),
        name=row.name,
        created_ms=row.created_ms,
    )


def _offer(row: Row[Any]) -> Offer:
    return Offer(
        offer_id=OfferId(row.offer_id),
        host_id=DeviceId(row.host_id),
        account_id=AccountId(row.account_id),
        claim_token_hash=row.claim_token_hash,
        created_ms=row.created_ms,
        claim_by_ms=row.claim_by_ms,
        state=State(row.state),
        phone_id=None if row.phone_id is None else DeviceId(row.phone_id),
        confirm_by_ms=row.confirm_by_ms,
        misses=row.misses,
        contested=bool(row.contested),
        reason=row.reason,
    )


def _offer_row(offer: Offer) -> dict[str, Any]:
    return {
        "offer_id": offer.offer_id,
        "host_id": offer.host_id,
        "account_id": offer.account_id,
        "claim_token_hash": offer.claim_token_hash,
        "created_ms": offer.created_ms,
        "claim_by_ms": offer.claim_by_ms,
        "state": offer.state.value,
        "phone_id": offer.phone_id,
        "confirm_by_ms": offer.confirm_by_ms,
        "misses": offer.misses,
        "contested": int(offer.contested),
        "reason": offer.reason,
    }


def _pairing(row: Row[Any]) -> Pairing:
    return Pairing(
        pair_id=PairId(row.pair_id),
        account_id=AccountId(row.account_id),
        host_id=DeviceId(row.host_id),
        phone_id=DeviceId(row.phone_id),
        created_ms=row.created_ms,
        ended_sequence=row.ended_sequence,
        ended_by=None if row.ended_by is None else Role(row.ended_by),
    )


class _Part:
    """A group of tables on one connection."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._sql = connection

    async def _one(self, query: Any) -> Row[Any] | None:
        return (await self._sql.execute(query)).one_or_none()

    async def _all(self, query: Any) -> Sequence[Row[Any]]:
        return (await self._sql.execute(query)).all()

    async def _put(self, table: Any, row: Mapping[str, Any]) -> None:
        # Insert, or change everything but the key.
        keys = [column.name for column in table.primary_key.columns]
        changed = {name: value for name, value in row.items() if name not in keys}
        await self._sql.execute(upsert(table).values(**row).on_conflict_do_update(index_elements=keys, set_=changed))


class SqlService(_Part):
    async def identity(self) -> Identity:
        row = (await self._sql.execute(select(t.service))).one()
        return Identity(service_name=row.service_name, key_id=row.key_id, sequence=row.sequence)

    async def put_identity(self, identity: Identity) -> None:
        await self._sql.execute(
            update(t.service).values(
                service_name=identity.service_name, key_id=identity.key_id, sequence=identity.sequence
            )
        )


class SqlAccounts(_Part):
    async def add(self, account: Account) -> bool:
        row = {
            "account_id": account.account_id,
            "name": account.name,
            "folded": account.folded,
            "password": account.password,
            "created_ms": account.created_ms,
        }
        new = upsert(t.accounts).values(**row).on_conflict_do_nothing(index_elements=["folded"])
        return (await self._sql.execute(new)).rowcount == 1

    async def find(self, folded: str) -> Account | None:
        row = await self._one(select(t.accounts).where(t.accounts.c.folded == folded))
        return None if row is None else _account(row)

    async def all(self) -> Sequence[Account]:
        return [_account(row) for row in await self._all(select(t.accounts).order_by(t.accounts.c.folded))]


class SqlDevices(_Part):
    async def get(self, device_id: DeviceId) -> Device | None:
        row = await self._one(select(t.devices).where(t.devices.c.device_id == device_id))
        return None if row is None else _device(row)

    async def put(self, device: Device) -> None:
        row = {
            "device_id": device.device_id,
            "account_id": device.account_id,
            "key": device.key,
            "role": int(device.role),
            "name": device.name,
            "created_ms": device.created_ms,
        }
        await self._put(t.devices, row)

    async def count_in_use(self, account_id: AccountId, *, now_ms: int) -> int:
        device_id = t.devices.c.device_id
        signed_in = exists().where(t.sign_ins.c.device_id == device_id, t.sign_ins.c.expires_ms > now_ms)
        paired = exists().where(
            t.pairings.c.ended_sequence.is_(None),
            or_(t.pairings.c.host_id == device_id, t.pairings.c.phone_id == device_id),
        )
        query = select(func.count()).select_from(t.devices).where(t.devices.c.account_id == account_id)
        return int((await self._sql.execute(query.where(or_(signed_in, paired)))).scalar_one())

    async def sign_in(self, device_id: DeviceId) -> SignIn | None:
        row = await self._one(select(t.sign_ins).where(t.sign_ins.c.device_id == device_id))
        if row is None:
            return None
        return SignIn(device_id=DeviceId(row.device_id), token_hash=row.token_hash, expires_ms=row.expires_ms)

    async def put_sign_in(self, sign_in: SignIn) -> None:
        row = {
            "device_id": sign_in.device_id,
            "token_hash": sign_in.token_hash,
            "expires_ms": sign_in.expires_ms,
        }
        await self._put(t.sign_ins, row)

    async def end_sign_in(self, device_id: DeviceId) -> None:
        await self._sql.execute(delete(t.sign_ins).where(t.sign_ins.c.device_id == device_id))


class SqlOffers(_Part):
    async def get(self, offer_id: OfferId) -> Offer | None:
        row = await self._one(select(t.offers).where(t.offers.c.offer_id == offer_id))
        return None if row is None else _offer(row)

    async def put(self, offer: Offer) -> None:
        await self._put(t.offers, _offer_row(offer))

    async def of_host_since(self, host_id: DeviceId, since_ms: int) -> Sequence[Offer]:
        query = select(t.offers).where(t.offers.c.host_id == host_id, t.offers.c.created_ms >= since_ms)
        return [_offer(row) for row in await self._all(query.order_by(t.offers.c.created_ms))]

    async def unfinished_of_host(self, host_id: DeviceId) -> Sequence[Offer]:
        query = select(t.offers).where(t.offers.c.host_id == host_id, t.offers.c.state.in_(_UNFINISHED))
        return [_offer(row) for row in await self._all(query)]

    async def steps(self, offer_id: OfferId) -> dict[int, bytes]:
        query = select(t.steps).where(t.steps.c.offer_id == offer_id).order_by(t.steps.c.number)
        return {row.number: row.payload for row in await self._all(query)}

    async def add_step(self, offer_id: OfferId, number: int, payload: bytes) -> None:
        await self._sql.execute(insert(t.steps).values(offer_id=offer_id, number=number, payload=payload))

    async def forget_before(self, created_ms: int) -> None:
        await self._sql.execute(delete(t.offers).where(t.offers.c.created_ms < created_ms))


class SqlPairings(_Part):
    async def get(self, pair_id: PairId) -> Pairing | None:
        row = await self._one(select(t.pairings).where(t.pairings.c.pair_id == pair_id))
        return None if row is None else _pairing(row)

    async def put(self, pairing: Pairing) -> None:
        row = {
            "pair_id": pairing.pair_id,
            "account_id": pairing.account_id,
            "host_id": pairing.host_id,
            "phone_id": pairing.phone_id,
            "created_ms": pairing.created_ms,
            "ended_sequence": pairing.ended_sequence,
            "ended_by": None if pairing.ended_by is None else int(pairing.ended_by),
        }
        await self._put(t.pairings, row)

    async def active_between(self, host_id: DeviceId, phone_id: DeviceId) -> Pairing | None:
        both = and_(t.pairings.c.host_id == host_id, t.pairings.c.phone_id == phone_id)
        row = await self._one(select(t.pairings).where(both, t.pairings.c.ended_sequence.is_(None)))
        return None if row is None else _pairing(row)

    async def has_active(self, device_id: DeviceId) -> bool:
        mine = or_(t.pairings.c.host_id == device_id, t.pairings.c.phone_id == device_id)
        query = select(exists().where(mine, t.pairings.c.ended_sequence.is_(None)))
        return bool((await self._sql.execute(query)).scalar_one())

    async def count_active(self) -> int:
        query = select(func.count()).select_from(t.pairings).where(t.pairings.c.ended_sequence.is_(None))
        return int((await self._sql.execute(query)).scalar_one())

    async def ended_since(self, sequence: int, *, limit: int) -> Sequence[Pairing]:
        query = select(t.pairings).where(t.pairings.c.ended_sequence > sequence)
        return [_pairing(row) for row in await self._all(query.order_by(t.pairings.c.ended_sequence).limit(limit))]

    async def add_farewell(self, pair_id: PairId, device_id: DeviceId, *, at_ms: int, keep: int) -> None:
        await self._put(t.farewells, {"pair_id": pair_id, "device_id": device_id, "at_ms": at_ms})
        mine = select(t.farewells.c.pair_id).where(t.farewells.c.device_id == device_id)
        kept = mine.order_by(t.farewells.c.at_ms.desc(), t.farewells.c.pair_id).limit(keep)
        await self._sql.execute(
            delete(t.farewells).where(t.farewells.c.device_id == device_id, t.farewells.c.pair_id.not_in(kept))
        )

    async def farewell(self, pair_id: PairId, devices: Sequence[DeviceId]) -> bool:
        query = select(exists().where(t.farewells.c.pair_id == pair_id, t.farewells.c.device_id.in_(devices)))
        return bool((await self._sql.execute(query)).scalar_one())


class SqlStore:
    """The store on an engine."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._writing = asyncio.Lock()

    @asynccontextmanager
    async def read(self) -> AsyncIterator[Repositories]:
        """Open a transaction that only reads."""
        with _translated():
            async with self._engine.connect() as connection, connection.begin():
                yield _repositories(connection)

    @asynccontextmanager
    async def write(self) -> AsyncIterator[Repositories]:
        """Open a transaction that may write."""
        with _translated():
            async with self._writing, self._engine.connect() as connection:
                await connection.execution_options(**{_WRITES: True})
                async with connection.begin():
                    yield _repositories(connection)

    async def close(self) -> None:
        """Close every connection."""
        await self._engine.dispose()

    async def prepare(self) -> None:
        """Make the tables, or check that they are those of this version."""
        with _translated():
            async with self._engine.connect() as connection:
                await connection.execution_options(**{_WRITES: True})
                async with connection.begin():
                    await connection.run_sync(t.metadata.create_all)
                    row = (await connection.execute(select(t.service.c.schema_version))).one_or_none()
                    if row is None:
                        first = {"only": 1, "schema_version": t.SCHEMA_VERSION, "sequence": 0}
                        await connection.execute(insert(t.service).values(**first))
                    elif row.schema_version != t.SCHEMA_VERSION:
                        raise StoreFailed(
                            f"the database has schema {row.schema_version}, this version needs {t.SCHEMA_VERSION}"
                        )


class _translated:  # noqa: N801 -- reads as a verb where it is used
    """Turns what the database says into StoreFailed. The values of a statement stay out of it."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, _kind: object, failure: BaseException | None, _trace: object) -> None:
        if isinstance(failure, SQLAlchemyError):
            raise StoreFailed(f"{type(failure).__name__}: {getattr(failure, 'orig', None)}") from failure


def _repositories(connection: AsyncConnection) -> Repositories:
    return Repositories(
        service=SqlService(connection),
        accounts=SqlAccounts(connection),
        devices=SqlDevices(connection),
        offers=SqlOffers(connection),
        pairings=SqlPairings(connection),
    )


def _on_connect(connection: Any, _record: object) -> None:
    # The driver must not begin transactions by itself: _on_begin does, and chooses the kind.
    connection.isolation_level = None
    cursor = connection.cursor()
    for pragma in (f"busy_timeout = {_BUSY_MS}", "journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _on_begin(connection: Connection) -> None:
    writes = connection.get_execution_options().get(_WRITES, False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


async def open_sqlite(file: Path) -> SqlStore:
    """Open, and if need be make, the store in a file. Raises StoreFailed."""
    engine = create_async_engine(URL.create("sqlite+aiosqlite", database=str(file)), hide_parameters=True)
    event.listen(engine.sync_engine, "connect", _on_connect)
    event.listen(engine.sync_engine, "begin", _on_begin)
    store = SqlStore(engine)
    try:
        await store.prepare()
    except BaseException:
        await store.close()
        raise
    return store
