"""A change that was made, and whose caller was told STORE_FAILED: the connection to the database broke at its end.

Each call is made, fails that way, and is made again as a device would. docs/scale.md has the table.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from dispatch import errors
from dispatch.errors import StoreFailed
from dispatch_pairing.policy import Policy, SignUp
from dispatch_pairing.sql import SqlStore
from dispatch_pairing.storage import Storage
from dispatch_pairing.store import Repositories

from tests.support.pairing_device import PASSWORD, a_phone, signed_pairing
from tests.support.pairing_service import PairingService


@dataclass(slots=True)
class Switch:
    """Armed, the next write is kept and said to have failed."""

    armed: bool = False


@dataclass(frozen=True, slots=True)
class Doubtful:
    """A store that does what it is told, and does not always say so."""

    store: SqlStore
    switch: Switch

    def read(self) -> AbstractAsyncContextManager[Repositories]:
        return self.store.read()

    @asynccontextmanager
    async def write(self) -> AsyncIterator[Repositories]:
        async with self.store.write() as kept:
            yield kept
        if self.switch.armed:
            self.switch.armed = False
            raise StoreFailed("the connection broke at COMMIT")

    async def close(self) -> None:
        await self.store.close()


@dataclass(frozen=True, slots=True, kw_only=True)
class DoubtfulStorage(Storage):
    switch: Switch

    async def open(self) -> Any:
        return Doubtful(await Storage.open(self), self.switch)


@dataclass(slots=True)
class DoubtfulService(PairingService):
    switch: Switch = field(default_factory=Switch)

    @property
    def storage(self) -> Storage:
        return DoubtfulStorage(data=self.folder, keys=self.folder, switch=self.switch)


@pytest.fixture
async def service(tmp_path: Path) -> AsyncIterator[DoubtfulService]:
    rules = Policy(sign_up=SignUp.OPEN)
    service = DoubtfulService(tmp_path / "pairing", policy=rules)
    async with service:
        await service.add_account()
        yield service


async def again(service: DoubtfulService, do: Callable[[], Awaitable[Any]]) -> Any:
    """Do it, be told that it failed although it did not, and do it again."""
    service.switch.armed = True
    with pytest.raises(StoreFailed):
        await do()
    assert not service.switch.armed
    return await do()


async def test_what_devices_do_may_all_be_repeated(service: DoubtfulService) -> None:
    new = a_phone(service.address, "new")
    await again(service, lambda: new.sign_up("bob"))
    host = await service.host()
    phone = a_phone(service.address)
    await again(service, phone.sign_in)
    code, pair_id = service.code(), os.urandom(16)

    await again(service, lambda: host.create_offer(code))
    await again(service, lambda: phone.claim(code))
    for number in range(1, 9):
        await again(service, partial((phone if number % 2 else host).step, code, number))
    signed = signed_pairing(host=host, phone=phone, pair_id=pair_id, offer=code)
    await again(service, lambda: host.complete(signed))
    assert await phone.told(code) == ["claimed", "step 2", "step 4", "step 6", "step 8", "complete"]
    phone.app_version = "9.9.9"  # has the renewal write something
    assert (await again(service, lambda: phone.renew(pair_id))).grant.grant
    await again(service, lambda: host.rename(phone, "another"))
    await again(service, lambda: host.end_pairing(pair_id))
    await again(service, lambda: host.revoke(phone))
    other = service.code()
    await host.create_offer(other)
    await again(service, lambda: host.end_offer(other, errors.OfferExpired.reason))
    await again(service, host.sign_out)


async def test_what_is_over_says_so_when_it_is_repeated(service: DoubtfulService) -> None:
    host = await service.host()

    with pytest.raises(errors.SignInFailed):
        await again(service, lambda: host.change_password(PASSWORD, "another one"))
    await host.sign_in(password="another one")
    with pytest.raises(errors.AccountExists):
        await again(service, lambda: service.add_account("carol"))
