"""Device keys and their sign-ins in SQL."""

from __future__ import annotations

from collections.abc import Sequence, Set
from typing import Any

from dispatch.ids import AccountId, DeviceId
from sqlalchemy import delete, exists, func, or_, select
from sqlalchemy.engine import Row

from dispatch_pairing import tables as t
from dispatch_pairing.model import Device, Role, SignIn
from dispatch_pairing.sql.part import Part


def _device(row: Row[Any]) -> Device:
    return Device(
        device_id=DeviceId(row.device_id),
        account_id=AccountId(row.account_id),
        key=row.key,
        role=Role(row.role),
        name=row.name,
        created_ms=row.created_ms,
        app_version=row.app_version,
        seen_ms=row.seen_ms,
        revoked_ms=row.revoked_ms,
    )


class SqlDevices(Part):
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
            "app_version": device.app_version,
            "seen_ms": device.seen_ms,
            "revoked_ms": device.revoked_ms,
        }
        await self._put(t.devices, row)

    async def of_account(self, account_id: AccountId) -> Sequence[Device]:
        query = select(t.devices).where(t.devices.c.account_id == account_id)
        return [_device(row) for row in await self._all(query.order_by(t.devices.c.created_ms, t.devices.c.device_id))]

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
        return SignIn(
            device_id=DeviceId(row.device_id),
            token_hash=row.token_hash,
            expires_ms=row.expires_ms,
            rotated_ms=row.rotated_ms,
            previous_hash=row.previous_hash,
            family=row.family,
        )

    async def signed_in(self, account_id: AccountId, *, now_ms: int) -> Set[DeviceId]:
        of_account = t.devices.c.account_id == account_id
        query = select(t.sign_ins.c.device_id).join(t.devices, t.devices.c.device_id == t.sign_ins.c.device_id)
        rows = await self._all(query.where(of_account, t.sign_ins.c.expires_ms > now_ms))
        return {DeviceId(row.device_id) for row in rows}

    async def put_sign_in(self, sign_in: SignIn) -> None:
        row = {
            "device_id": sign_in.device_id,
            "token_hash": sign_in.token_hash,
            "expires_ms": sign_in.expires_ms,
            "rotated_ms": sign_in.rotated_ms,
            "previous_hash": sign_in.previous_hash,
            "family": sign_in.family,
        }
        await self._put(t.sign_ins, row)

    async def end_sign_in(self, device_id: DeviceId) -> None:
        await self._sql.execute(delete(t.sign_ins).where(t.sign_ins.c.device_id == device_id))

    async def forget_sign_ins(self, *, now_ms: int, limit: int) -> int:
        return await self._forget(t.sign_ins, t.sign_ins.c.expires_ms <= now_ms, limit=limit)

    async def end_sign_ins(self, account_id: AccountId, *, but: DeviceId | None = None) -> None:
        mine = select(t.devices.c.device_id).where(t.devices.c.account_id == account_id)
        if but is not None:
            mine = mine.where(t.devices.c.device_id != but)
        await self._sql.execute(delete(t.sign_ins).where(t.sign_ins.c.device_id.in_(mine)))
