"""Erasing an account: no row names it any more, relays hear of it, and its devices stay out. Over real gRPC and SQLite."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from dispatch import errors
from dispatch.api.pairing.v1 import pairing_pb2 as pb
from dispatch_pairing.accounts import erase, named
from dispatch_pairing.storage import DATABASE

from tests.support.pairing_device import TRUST, a_host, signed_pairing
from tests.support.pairing_service import PairingService

TOLD = {"trust_news", "service"}
"""What relays are told names no account; it stays so that they go on turning its devices away."""


async def erase_account(service: PairingService, name: str) -> int:
    async with service.store() as store, store.write() as kept:
        return await erase(kept, await named(kept, name), now_ms=service.clock.now_ms)


def naming(service: PairingService, *ids: bytes, name: str) -> dict[str, int]:
    """Count the rows of each table that hold one of the ids, or the name."""
    wanted = {*ids}
    found: dict[str, int] = {}
    with closing(sqlite3.connect(service.folder / DATABASE)) as database:
        tables = [row[0] for row in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        for table in tables:
            for row in database.execute(f'SELECT * FROM "{table}"'):  # noqa: S608 -- our own tables
                if any(value in wanted or (isinstance(value, str) and value.casefold() == name) for value in row):
                    found[table] = found.get(table, 0) + 1
    return found


async def test_an_erased_account_is_named_by_no_row_and_its_relays_hear_of_it(tmp_path: Path) -> None:
    async with PairingService(tmp_path / "pairing", relay=None) as service:
        await service.add_account("ada")
        await service.add_account("bob", "another horse")
        relay = a_host(service.address)
        relay.nonce = b"not looked at"
        request = pb.FollowTrustRequest(relay_address="relay.example:7302")
        async with relay.follow(f"{TRUST}FollowTrust", request) as feed:
            await feed.next()
            host, phone, code = await service.host(), await service.phone(), service.code()
            pair_id = await service.paired(host, phone)
            await host.create_offer(code)
            await phone.claim(code)
            ids = (host.id, phone.id, host.signed_in.account_id, host.public, phone.public)
            assert len(naming(service, *ids, name="ada")) > 4

            assert await erase_account(service, "Ada") == 1
            service.running.bell.ring_all()

            told = await feed.next()
        assert [one.pair_id for one in told.ended_pairings] == [pair_id]
        assert {one.device_id for one in told.revoked_devices} == {host.id, phone.id}
        assert set(naming(service, *ids, name="ada")) <= TOLD
        assert set(naming(service, host.signed_in.account_id, name="ada")) == set()

        for attempt in (host.renew(pair_id), phone.renew(pair_id), phone.claim(code)):
            with pytest.raises(errors.SignInRequired):
                await attempt
        with pytest.raises(errors.SignInFailed):
            await a_host(service.address).sign_in("ada")
        with pytest.raises(errors.DeviceRevoked):
            await phone.sign_in("bob", "another horse")


async def test_a_name_that_is_free_again_is_another_account_and_old_pairings_stay_over(tmp_path: Path) -> None:
    async with PairingService(tmp_path / "pairing") as service:
        await service.add_account("ada")
        host, phone = await service.host(), await service.phone()
        pair_id = await service.paired(host, phone)
        shown = signed_pairing(host=host, phone=phone, pair_id=pair_id)
        await erase_account(service, "ada")
        await service.add_account("ada")

        with pytest.raises(errors.SignInRequired):
            await host.complete(shown)
        fresh = await service.host("fresh")
        assert fresh.signed_in.account_id != host.signed_in.account_id


async def test_devices_that_came_from_another_account_are_erased_with_what_is_left_of_that(tmp_path: Path) -> None:
    async with PairingService(tmp_path / "pairing") as service:
        await service.add_account("ada")
        await service.add_account("bob", "another horse")
        host, phone, code = await service.host(), await service.phone(), service.code()
        pair_id = await service.paired(host, phone)
        await host.create_offer(code)
        await host.end_pairing(pair_id)
        await host.sign_in("bob", "another horse")

        assert await erase_account(service, "bob") == 0

        assert set(naming(service, host.id, host.signed_in.account_id, name="bob")) <= TOLD
        assert await phone.is_signed_in()


async def test_erasing_nobody_is_refused(tmp_path: Path) -> None:
    async with PairingService(tmp_path / "pairing") as service:
        with pytest.raises(errors.AccountUnknown):
            await erase_account(service, "nobody")
