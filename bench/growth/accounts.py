"""What an account with many hosts costs the pairing service: to list its devices, and to give a grant for one of its pairings.

One service with an account of each size, which is filled before it starts. Called by `bench.growth.__main__`.
"""

from __future__ import annotations

import contextlib
import statistics
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from random import Random
from typing import Any

import grpc
from dispatch.api.pairing.v1 import pairing_pb2 as pb
from dispatch.channel import dial
from dispatch.clock import SystemClock
from dispatch.ids import AccountId, DeviceId, PairId
from dispatch.proof import device_id
from dispatch_pairing import model, operator_desk
from dispatch_pairing.storage import Storage

from bench.growth.figures import HostsFigure
from bench.growth.plan import GrowthPlan
from bench.usage import used_by
from tests.support.pairing_device import DEVICE, PAIRING, PASSWORD, Device, a_phone
from tests.support.processes import Process

KEY_BYTES = 32
DAY_MS = 24 * 3_600_000
_LIFTED = {"DISPATCH_PAIRING_DEVICES": "1000000"}
NOWHERE = "127.0.0.1:1"
"""The relay that grants name: nobody dials it here."""


async def measure(plan: GrowthPlan, folder: Path, *, say: Callable[[str], None]) -> tuple[HostsFigure, ...]:
    """Fill a service, start it, and make each call for a while, account by account."""
    phones = {hosts: a_phone("", f"phone of {hosts}") for hosts in plan.hosts}
    pairings = {hosts: await fill(folder, phones[hosts], hosts, rng=Random(plan.seed + hosts)) for hosts in plan.hosts}
    figures = []
    async with serving(folder) as service:
        address = (await service.event("listening"))["address"]
        async with dial(address) as channel:
            for hosts, phone in phones.items():
                phone.server = address
                await phone.sign_in(_name(hosts))
                figures.append(await _figure(service, channel, phone, pairings[hosts], seconds=plan.host_seconds))
                say(f"hosts: {figures[-1]}")
    return tuple(figures)


async def fill(folder: Path, phone: Device, hosts: int, *, rng: Random) -> list[bytes]:
    """Make an account with one phone and so many hosts, all signed in and paired with it; gives the ids of the pairings."""
    storage, now_ms = Storage.given(folder), SystemClock().wall_ms()
    account = await operator_desk.add(_name(hosts), PASSWORD, storage, plan=model.Plan.PRO)
    pair_ids = [rng.randbytes(16) for _ in range(hosts)]
    async with storage.opened() as store, store.write() as kept:
        await kept.devices.put(_device(phone.public, account.account_id, model.Role.PHONE, "phone", now_ms))
        for number, pair_id in enumerate(pair_ids):
            host = _device(rng.randbytes(KEY_BYTES), account.account_id, model.Role.HOST, f"host {number}", now_ms)
            sign_in = model.SignIn(
                device_id=host.device_id,
                token_hash=rng.randbytes(32),
                expires_ms=now_ms + DAY_MS,
                rotated_ms=now_ms,
                family=rng.randbytes(16),
            )
            pairing = model.Pairing(
                pair_id=PairId(pair_id),
                account_id=account.account_id,
                host_id=host.device_id,
                phone_id=DeviceId(device_id(phone.public)),
                created_ms=now_ms,
            )
            await kept.devices.put(host)
            await kept.devices.put_sign_in(sign_in)
            await kept.pairings.put(pairing)
    return pair_ids


@contextlib.asynccontextmanager
async def serving(folder: Path) -> AsyncIterator[Process]:
    """Run the pairing service on a folder."""
    words = ("--listen", "127.0.0.1:0", "--data", str(folder), "--relay", NOWHERE, "--metrics", "127.0.0.1:0")
    service = await Process.start("dispatch-pairing", "serve", *words, env=_LIFTED)
    try:
        yield service
    finally:
        await service.stop()


async def _figure(
    service: Process, channel: grpc.aio.Channel, phone: Device, pair_ids: list[bytes], *, seconds: float
) -> HostsFigure:
    size = 0

    async def listing(_: int) -> None:
        nonlocal size
        size = len(await _call(channel, phone, f"{DEVICE}ListDevices", pb.ListDevicesRequest().SerializeToString()))

    async def granting(number: int) -> None:
        asked = pb.RenewGrantRequest(pair_id=pair_ids[number % len(pair_ids)], app_version=phone.app_version)
        await _call(channel, phone, f"{PAIRING}RenewGrant", asked.SerializeToString())

    list_ms, list_cpu_ms = await _repeated(service, listing, seconds=seconds)
    grant_ms, grant_cpu_ms = await _repeated(service, granting, seconds=seconds)
    return HostsFigure(
        hosts=len(pair_ids),
        list_ms=list_ms,
        list_cpu_ms=list_cpu_ms,
        list_bytes=size,
        grant_ms=grant_ms,
        grant_cpu_ms=grant_cpu_ms,
    )


async def _repeated(service: Process, call: Callable[[int], Awaitable[None]], *, seconds: float) -> tuple[float, float]:
    """Make a call for so long, after one that does not count; gives the median of ms, and the service's CPU for each in ms."""
    await call(0)
    took: list[float] = []
    before, begun = used_by([service.pid]), time.perf_counter()
    now = begun
    while now < begun + seconds:
        await call(len(took) + 1)
        now, was = time.perf_counter(), now
        took.append((now - was) * 1_000)
    spent = used_by([service.pid]).cpu_seconds - before.cpu_seconds
    return statistics.median(took), spent * 1_000 / len(took)


async def _call(channel: grpc.aio.Channel, phone: Device, method: str, body: bytes) -> bytes:
    """Make a call over a connection that stays, as the apps do. Raises grpc.aio.AioRpcError."""
    call = phone.prepare(method, body)
    by_bytes: Any = channel.unary_unary(method)
    sent = by_bytes(call.body, metadata=call.metadata, timeout=60.0)
    answer: bytes = await sent
    for name, value in await sent.initial_metadata():
        if name == "dispatch-next-nonce-bin" and isinstance(value, bytes):
            phone.nonce = value
    return answer


def _device(key: bytes, account_id: AccountId, role: model.Role, name: str, now_ms: int) -> model.Device:
    return model.Device(
        device_id=DeviceId(device_id(key)),
        account_id=account_id,
        key=key,
        role=role,
        name=name,
        created_ms=now_ms,
        app_version="1.0.0",
    )


def _name(hosts: int) -> str:
    return f"account of {hosts}"
