"""What every store of the pairing service must do: `check_repository` runs all of it on a fresh one each time."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest
from dispatch.api.error.v1.error_pb2 import REASON_OFFER_EXPIRED
from dispatch.errors import StoreFailed
from dispatch.ids import AccountId, DeviceId, OfferId, PairId
from dispatch_pairing.model import Account, Device, Identity, Pairing, Role, SignIn
from dispatch_pairing.offers import Offer, State
from dispatch_pairing.store import Store

Make = Callable[[], Awaitable[Store]]
"""Gives a store that is empty."""

ADA, BOB = AccountId(b"ada." * 4), AccountId(b"bob." * 4)


def an_account(account_id: AccountId = ADA, folded: str = "ada") -> Account:
    return Account(account_id=account_id, name=folded.upper(), folded=folded, password="$argon2id$", created_ms=1)


def a_device(name: str, role: Role = Role.PHONE, account_id: AccountId = ADA) -> Device:
    key = hashlib.sha256(name.encode()).digest()
    return Device(device_id=DeviceId(key[:16]), account_id=account_id, key=key, role=role, name=name, created_ms=2**42)


HOST, POCKET, TABLET = a_device("desk", Role.HOST), a_device("pocket"), a_device("tablet")


def an_offer(number: int = 0, *, created_ms: int = 1_000) -> Offer:
    return Offer(
        offer_id=OfferId(number.to_bytes(16, "big")),
        host_id=HOST.device_id,
        account_id=ADA,
        claim_token_hash=b"h" * 32,
        created_ms=created_ms,
        claim_by_ms=created_ms + 120_000,
    )


def a_pairing(number: int = 0, phone: Device = POCKET) -> Pairing:
    return Pairing(
        pair_id=PairId(number.to_bytes(16, "big")),
        account_id=ADA,
        host_id=HOST.device_id,
        phone_id=phone.device_id,
        created_ms=5,
    )


async def _furnish(store: Store) -> None:
    async with store.write() as kept:
        await kept.accounts.add(an_account())
        await kept.accounts.add(an_account(BOB, "bob"))
        for device in (HOST, POCKET, TABLET):
            await kept.devices.put(device)


async def check_repository(make: Make) -> None:
    """Run every check on a store of its own."""
    for check in (
        _accounts,
        _devices_and_sign_ins,
        _offers_and_steps,
        _offers_of_a_host,
        _pairings,
        _farewells,
        _identity,
        _all_or_nothing,
        _writers_take_turns,
        _a_cancelled_writer_leaves_nothing_behind,
        _what_the_rules_forbid_is_refused,
    ):
        store = await make()
        try:
            await check(store)
        finally:
            await store.close()


async def _accounts(store: Store) -> None:
    async with store.write() as kept:
        assert await kept.accounts.add(an_account(BOB, "bob"))
        assert await kept.accounts.add(an_account())
        assert not await kept.accounts.add(an_account(AccountId(b"x" * 16)))
    async with store.read() as kept:
        assert await kept.accounts.find("ada") == an_account()
        assert await kept.accounts.find("ADA") is None
        assert [account.folded for account in await kept.accounts.all()] == ["ada", "bob"]


async def _devices_and_sign_ins(store: Store) -> None:
    await _furnish(store)
    moved = replace(POCKET, account_id=BOB, name="other", role=Role.HOST)
    sign_in = SignIn(device_id=POCKET.device_id, token_hash=b"t" * 32, expires_ms=2**42)
    newer = replace(sign_in, token_hash=b"n" * 32)
    async with store.write() as kept:
        assert await kept.devices.get(POCKET.device_id) == POCKET
        assert await kept.devices.get(DeviceId(b"x" * 16)) is None
        await kept.devices.put(moved)
        assert await kept.devices.sign_in(POCKET.device_id) is None
        await kept.devices.put_sign_in(sign_in)
        await kept.devices.put_sign_in(newer)
    async with store.read() as kept:
        assert await kept.devices.get(POCKET.device_id) == moved
        assert await kept.devices.sign_in(POCKET.device_id) == newer
        assert await kept.devices.count_in_use(ADA, now_ms=0) == 0
        assert await kept.devices.count_in_use(BOB, now_ms=0) == 1
        assert await kept.devices.count_in_use(BOB, now_ms=newer.expires_ms) == 0
    async with store.write() as kept:
        await kept.pairings.put(a_pairing(phone=TABLET))
        await kept.devices.end_sign_in(POCKET.device_id)
        await kept.devices.end_sign_in(POCKET.device_id)
        assert await kept.devices.sign_in(POCKET.device_id) is None
        assert await kept.devices.count_in_use(ADA, now_ms=0) == 2
        await kept.pairings.put(replace(a_pairing(phone=TABLET), ended_sequence=1))
        assert await kept.devices.count_in_use(ADA, now_ms=0) == 0


async def _offers_and_steps(store: Store) -> None:
    await _furnish(store)
    offer = an_offer()
    claimed = replace(offer, state=State.CLAIMED, phone_id=POCKET.device_id, confirm_by_ms=7, misses=3, contested=True)
    ended = replace(claimed, state=State.ENDED, reason=REASON_OFFER_EXPIRED)
    async with store.write() as kept:
        assert await kept.offers.get(offer.offer_id) is None
        for version in (offer, claimed, ended):
            await kept.offers.put(version)
            assert await kept.offers.get(offer.offer_id) == version
        assert await kept.offers.steps(offer.offer_id) == {}
        await kept.offers.add_step(offer.offer_id, 2, b"")
        await kept.offers.add_step(offer.offer_id, 1, bytes(range(256)))
    async with store.read() as kept:
        assert await kept.offers.steps(offer.offer_id) == {1: bytes(range(256)), 2: b""}


async def _offers_of_a_host(store: Store) -> None:
    await _furnish(store)
    offers = [an_offer(number, created_ms=number * 1_000) for number in range(4)]
    offers[1] = replace(offers[1], state=State.COMPLETE, phone_id=POCKET.device_id, confirm_by_ms=1)
    async with store.write() as kept:
        for offer in reversed(offers):
            await kept.offers.put(offer)
            await kept.offers.add_step(offer.offer_id, 1, b"x")
    async with store.write() as kept:
        assert list(await kept.offers.of_host_since(HOST.device_id, 1_000)) == offers[1:]
        assert await kept.offers.of_host_since(POCKET.device_id, 0) == []
        unfinished = await kept.offers.unfinished_of_host(HOST.device_id)
        assert sorted(unfinished, key=lambda offer: offer.created_ms) == [offers[0], *offers[2:]]
        await kept.offers.forget_before(2_000)
        assert list(await kept.offers.of_host_since(HOST.device_id, 0)) == offers[2:]
        assert await kept.offers.steps(offers[0].offer_id) == {}
        assert await kept.offers.steps(offers[2].offer_id) == {1: b"x"}


async def _pairings(store: Store) -> None:
    await _furnish(store)
    first, second = a_pairing(1), a_pairing(2, TABLET)
    ended = replace(first, ended_sequence=2**62, ended_by=Role.PHONE)
    async with store.write() as kept:
        assert await kept.pairings.get(first.pair_id) is None
        assert not await kept.pairings.has_active(HOST.device_id)
        await kept.pairings.put(first)
        await kept.pairings.put(second)
        assert await kept.pairings.active_between(HOST.device_id, POCKET.device_id) == first
        assert await kept.pairings.active_between(POCKET.device_id, HOST.device_id) is None
        assert await kept.pairings.count_active() == 2
        await kept.pairings.put(ended)
    async with store.read() as kept:
        assert await kept.pairings.get(first.pair_id) == ended
        assert await kept.pairings.active_between(HOST.device_id, POCKET.device_id) is None
        assert await kept.pairings.count_active() == 1
        assert await kept.pairings.has_active(HOST.device_id)
        assert await kept.pairings.has_active(TABLET.device_id)
        assert not await kept.pairings.has_active(POCKET.device_id)
    async with store.write() as kept:
        await kept.pairings.put(replace(second, ended_sequence=9))
        await kept.pairings.put(replace(a_pairing(3), ended_sequence=11))
        every = [pairing.ended_sequence for pairing in await kept.pairings.ended_since(0, limit=10)]
        assert every == [9, 11, 2**62]
        assert [p.ended_sequence for p in await kept.pairings.ended_since(9, limit=1)] == [11]
        assert await kept.pairings.ended_since(2**62, limit=1) == []


async def _farewells(store: Store) -> None:
    await _furnish(store)
    gone = [PairId(bytes([number]) * 16) for number in range(3)]
    async with store.write() as kept:
        for number, pair_id in enumerate(gone):
            await kept.pairings.add_farewell(pair_id, POCKET.device_id, at_ms=number, keep=2)
            await kept.pairings.add_farewell(pair_id, POCKET.device_id, at_ms=number, keep=2)
        await kept.pairings.add_farewell(gone[0], TABLET.device_id, at_ms=0, keep=2)
    async with store.read() as kept:
        said = [await kept.pairings.farewell(pair_id, [HOST.device_id, POCKET.device_id]) for pair_id in gone]
        assert said == [False, True, True]
        assert await kept.pairings.farewell(gone[0], [TABLET.device_id])
        assert not await kept.pairings.farewell(gone[1], [TABLET.device_id, HOST.device_id])


async def _identity(store: Store) -> None:
    async with store.write() as kept:
        assert await kept.service.identity() == Identity(service_name=None, key_id=None, sequence=0)
        await kept.service.put_identity(Identity(service_name="pairing", key_id=b"k" * 8, sequence=2**62))
    async with store.read() as kept:
        assert await kept.service.identity() == Identity(service_name="pairing", key_id=b"k" * 8, sequence=2**62)


async def _all_or_nothing(store: Store) -> None:
    async def half() -> None:
        async with store.write() as kept:
            await kept.accounts.add(an_account())
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await half()
    async with store.read() as kept:
        assert await kept.accounts.all() == []


async def _writers_take_turns(store: Store) -> None:
    async def count_up() -> None:
        async with store.write() as kept:
            identity = await kept.service.identity()
            await asyncio.sleep(0)  # an invitation to overtake
            await kept.service.put_identity(replace(identity, sequence=identity.sequence + 1))

    await asyncio.gather(*(count_up() for _ in range(20)))

    async with store.read() as kept:
        assert (await kept.service.identity()).sequence == 20


async def _a_cancelled_writer_leaves_nothing_behind(store: Store) -> None:
    for turns in range(30):

        async def write(number: int) -> None:
            async with store.write() as kept:
                await kept.accounts.add(an_account(AccountId(bytes([number]) * 16), f"half {number}"))
                await kept.accounts.find("half")
                raise ZeroDivisionError

        task = asyncio.create_task(write(turns))
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises((asyncio.CancelledError, ZeroDivisionError)):
            await task
    async with store.write() as kept:
        assert await kept.accounts.all() == []
        assert await kept.accounts.add(an_account())


async def _what_the_rules_forbid_is_refused(store: Store) -> None:
    await _furnish(store)

    async def second_active_pairing() -> None:
        async with store.write() as kept:
            await kept.pairings.put(a_pairing(1))
            await kept.pairings.put(a_pairing(2))

    async def device_of_nobody() -> None:
        async with store.write() as kept:
            await kept.devices.put(a_device("stray", account_id=AccountId(b"x" * 16)))

    async def same_step_twice() -> None:
        async with store.write() as kept:
            await kept.offers.put(an_offer())
            await kept.offers.add_step(an_offer().offer_id, 1, b"secret step")
            await kept.offers.add_step(an_offer().offer_id, 1, b"secret step")

    for forbidden in (second_active_pairing, device_of_nobody, same_step_twice):
        with pytest.raises(StoreFailed) as refused:
            await forbidden()
        assert "secret" not in str(refused.value)
    async with store.read() as kept:
        assert await kept.pairings.count_active() == 0
        assert await kept.offers.get(an_offer().offer_id) is None
