"""How a device keeps its session token while the service replaces it: the SDK's client against the real service."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from dispatch import errors
from dispatch.api.relay.v1.relay_pb2 import DEVICE_KIND_PHONE
from dispatch.device.keys import DeviceKey, PlainFiles
from dispatch.device.pairing_client import PairingClient
from dispatch.device.session import Session

from tests.support.pairing_device import Device
from tests.support.pairing_service import PairingService

HOUR_MS = 3_600_000


@pytest.fixture
async def service(tmp_path: Path) -> AsyncIterator[PairingService]:
    async with PairingService(tmp_path / "pairing") as service:
        await service.add_account("ada")
        yield service


async def a_paired_phone(service: PairingService, folder: Path) -> tuple[PlainFiles, bytes, Device]:
    """Give the secrets of a phone that is paired, and its pair id."""
    host, phone = await service.host(), await service.phone()
    pair_id = await service.paired(host, phone)
    store = PlainFiles(folder / "keys")
    store.put("device", phone.key.private_bytes_raw())
    Session(store).keep(phone.session)
    return store, pair_id, phone


def client(service: PairingService, store: PlainFiles, session: Session) -> PairingClient:
    key = DeviceKey.load(store)
    assert key is not None
    return PairingClient(server=service.address, identity=key.identity(DEVICE_KIND_PHONE), session=session)


async def test_a_fresh_token_is_on_the_disk_when_the_grant_is_there(service: PairingService, tmp_path: Path) -> None:
    store, pair_id, phone = await a_paired_phone(service, tmp_path)
    await service.advance(HOUR_MS)

    async with client(service, store, Session(store)) as first:
        answer = await first.renew_grant(pair_id, "1.0.0")

    assert answer.session == Session(store).token != phone.session
    async with client(service, store, Session(store)) as another_process:
        await another_process.renew_grant(pair_id, "1.0.0")
    assert not await phone.is_signed_in()


async def test_a_token_that_can_not_be_kept_is_not_used(service: PairingService, tmp_path: Path) -> None:
    store, pair_id, phone = await a_paired_phone(service, tmp_path)
    await service.advance(HOUR_MS)
    (tmp_path / "keys" / ".session.new").mkdir()

    async with client(service, store, Session(store)) as full_disk:
        with pytest.raises(errors.StoreFailed):
            await full_disk.renew_grant(pair_id, "1.0.0")

    assert Session(store).token == phone.session
    assert await phone.is_signed_in()


async def test_calls_at_the_same_time_never_look_like_a_copy(service: PairingService, tmp_path: Path) -> None:
    store, pair_id, _ = await a_paired_phone(service, tmp_path)
    session = Session(store)
    async with AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(client(service, store, session)) for _ in range(4)]
        for _ in range(3):
            await service.advance(HOUR_MS)

            await asyncio.gather(*(one.renew_grant(pair_id, "1.0.0") for one in clients for _ in range(3)))

    assert service.metric("dispatch_pairing_sign_ins_ended_total", cause="copied") == 0


async def test_a_call_waits_for_the_one_before_and_shows_the_token_that_came_with_that() -> None:
    session = Session(token=b"first")

    async def show() -> bytes:
        async with session.shown() as token:
            return token

    async with session.shown():
        behind = asyncio.create_task(show())
        await asyncio.sleep(0)
        assert not behind.done()
        session.keep(b"fresh")

    assert await behind == b"fresh"
