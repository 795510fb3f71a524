"""What every store of the pairing service must do: `check_repository` runs all of it on a fresh one each time."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest
from dispatch.api.error.v1.error_pb2 import REASON_OFFER_EXPIRED
from dispatch.errors import StoreFailed
from dispatch.ids import AccountId, DeviceId, OfferId, PairId, TaskId
from dispatch_pairing.model import (
    Account,
    Device,
    Identity,
    Invitation,
    Login,
    Pairing,
    Plan,
    Role,
    SignIn,
    SigningKey,
    TaskRecord,
    TrustNews,
    WebSession,
)
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


async def furnish(store: Store) -> None:
    """Put something into tables that point at each other."""
    await _furnish(store)
    async with store.write() as kept:
        await kept.offers.put(an_offer())
        await kept.offers.add_step(an_offer().offer_id, 1, b"x")
        await kept.pairings.put(a_pairing())


async def check_repository(make: Make) -> None:
    """Run every check on a store of its own."""
    for check in (
        _accounts,
        _devices_and_sign_ins,
        _offers_and_steps,
        _offers_of_a_host,
        _pairings,
        _farewells,
        _ways_into_an_account,
        _feed,
        _history,
        _an_erased_account_leaves_no_row,
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
        assert await kept.accounts.find("ada\0") is None
        assert [account.folded for account in await kept.accounts.all()] == ["ada", "bob"]
        assert await kept.accounts.get(ADA) == an_account()
        assert await kept.accounts.get(AccountId(b"x" * 16)) is None
    async with store.write() as kept:
        await kept.accounts.put(replace(an_account(), password="other", plan=Plan.TEAM))
        assert await kept.accounts.get(ADA) == replace(an_account(), password="other", plan=Plan.TEAM)


async def _devices_and_sign_ins(store: Store) -> None:
    await _furnish(store)
    moved = replace(POCKET, account_id=BOB, name="other", role=Role.HOST, app_version="1.2.3", seen_ms=5, revoked_ms=6)
    sign_in = SignIn(device_id=POCKET.device_id, token_hash=b"t" * 32, expires_ms=2**42, rotated_ms=1)
    newer = replace(sign_in, token_hash=b"n" * 32, rotated_ms=2, previous_hash=b"t" * 32)
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
        assert await kept.devices.signed_in(BOB, now_ms=0) == {POCKET.device_id}
        assert await kept.devices.signed_in(ADA, now_ms=0) == set()
        assert await kept.devices.signed_in(BOB, now_ms=newer.expires_ms) == set()
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
        gone = [await kept.offers.forget_before(2_000, limit=limit) for limit in (1, 9)]
        assert gone == [1, 1]
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
        assert await kept.pairings.active_of(HOST.device_id) == []
        for pairing in (third := a_pairing(3), fourth := a_pairing(4, TABLET)):
            await kept.pairings.put(pairing)
        assert list(await kept.pairings.active_of(HOST.device_id)) == [third, fourth]
        assert list(await kept.pairings.active_of(TABLET.device_id)) == [fourth]
        assert list(await kept.pairings.active_of_account(ADA)) == [third, fourth]
        assert await kept.pairings.active_of_account(BOB) == []
        assert {one.pair_id for one in await kept.pairings.of_account(ADA)} == {
            a_pairing(n).pair_id for n in (1, 2, 3, 4)
        }
        assert await kept.pairings.of_account(BOB) == []


async def _ways_into_an_account(store: Store) -> None:
    await _furnish(store)
    logins = [Login("https://id.example", subject, ADA) for subject in ("1", "2")]
    sessions = [WebSession(bytes([n]) * 32, owner, 1, n) for n, owner in ((1, ADA), (2, ADA), (3, BOB))]
    async with store.write() as kept:
        for login in reversed(logins):
            await kept.accounts.put_login(login)
        await kept.accounts.add_invitation(Invitation(b"i" * 32, 10))
        await kept.accounts.add_invitation(Invitation(b"j" * 32, 20))
        for session in sessions:
            await kept.accounts.add_web_session(session)
        for device in (HOST, POCKET, TABLET):
            await kept.devices.put_sign_in(SignIn(device.device_id, b"t" * 32, 9, 1))
    async with store.write() as kept:
        assert list(await kept.accounts.logins(ADA)) == logins
        assert await kept.accounts.login("https://id.example", "2") == logins[1]
        assert await kept.accounts.login("https://other.example", "2") is None
        assert not await kept.accounts.take_invitation(b"i" * 32, now_ms=10)
        assert await kept.accounts.take_invitation(b"j" * 32, now_ms=10)
        assert not await kept.accounts.take_invitation(b"j" * 32, now_ms=10)
        assert await kept.accounts.web_session(sessions[0].token_hash) == sessions[0]
        assert list(await kept.accounts.web_sessions(ADA)) == sessions[:2]
        assert await kept.accounts.forget_web_sessions(now_ms=1, limit=9) == 1
        assert await kept.accounts.web_session(sessions[0].token_hash) is None
        await kept.accounts.end_web_sessions(BOB)
        assert await kept.accounts.web_session(sessions[2].token_hash) is None
        await kept.accounts.end_web_session(sessions[1].token_hash)
        assert await kept.accounts.web_session(sessions[1].token_hash) is None
        await kept.devices.end_sign_ins(ADA, but=POCKET.device_id)
        signed_in = [await kept.devices.sign_in(device.device_id) is not None for device in (HOST, POCKET, TABLET)]
        assert signed_in == [False, True, False]
        await kept.devices.end_sign_ins(ADA)
        assert await kept.devices.sign_in(POCKET.device_id) is None
        assert {device.name for device in await kept.devices.of_account(ADA)} == {"desk", "pocket", "tablet"}


async def _feed(store: Store) -> None:
    ended = TrustNews(9, pair_id=PairId(b"p" * 16), ended_by=Role.PHONE).after(b"")
    revoked, replaced = (
        TrustNews(11, device_id=DeviceId(b"d" * 16)).after(ended.digest),
        TrustNews(2**62, pair_id=PairId(b"q" * 16)),
    )
    async with store.write() as kept:
        for news in (ended, revoked, replaced):
            await kept.feed.append(news)
    async with store.read() as kept:
        assert list(await kept.feed.since(0, limit=10)) == [ended, revoked, replaced]
        assert list(await kept.feed.since(9, limit=1)) == [revoked]
        assert await kept.feed.since(2**62, limit=1) == []
        assert [await kept.feed.digest(place) for place in (8, 9, 10, 11)] == [b"", *[ended.digest] * 2, revoked.digest]
        assert await kept.feed.has_ended(PairId(b"q" * 16))
        assert not await kept.feed.has_ended(PairId(b"d" * 16))
        assert await kept.feed.has_revoked(DeviceId(b"d" * 16))
        assert not await kept.feed.has_revoked(DeviceId(b"q" * 16))


def a_record(number: int, posted_ms: int, account_id: AccountId = ADA) -> TaskRecord:
    return TaskRecord(
        pair_id=PairId(b"p" * 16),
        task_id=TaskId(bytes([number]) * 16),
        account_id=account_id,
        phone_id=POCKET.device_id,
        host_id=HOST.device_id,
        posted_ms=posted_ms,
        accepted=True,
        reason=0,
        outcome=0,
        ended_ms=0,
    )


async def _history(store: Store) -> None:
    await _furnish(store)
    records = [a_record(1, 30), a_record(3, 20), a_record(2, 20), a_record(4, 10)]
    async with store.write() as kept:
        for record in (*records, a_record(5, 25, BOB)):
            await kept.history.put(record)
        over = replace(records[0], accepted=False, reason=3, outcome=2, ended_ms=40)
        await kept.history.put(over)
        assert await kept.history.get(over.pair_id, over.task_id) == over
        assert await kept.history.get(PairId(b"x" * 16), over.task_id) is None
    async with store.write() as kept:
        assert list(await kept.history.of_account(ADA, before=None, limit=2)) == [over, records[1]]
        rest = await kept.history.of_account(ADA, before=(20, records[1].task_id), limit=9)
        assert list(rest) == records[2:]
        await kept.history.forget_before(20, limit=9)
        assert list(await kept.history.of_account(ADA, before=None, limit=9)) == [over, *records[1:3]]


async def _an_erased_account_leaves_no_row(store: Store) -> None:
    await _furnish(store)
    offer = replace(an_offer(), state=State.CLAIMED, phone_id=POCKET.device_id, confirm_by_ms=7)
    async with store.write() as kept:
        await kept.accounts.put_login(Login("https://id.example", "1", ADA))
        await kept.accounts.add_web_session(WebSession(b"w" * 32, ADA, 1, 9))
        await kept.devices.put_sign_in(SignIn(POCKET.device_id, b"t" * 32, 9, 1))
        await kept.offers.put(offer)
        await kept.offers.add_step(offer.offer_id, 1, b"x")
        await kept.pairings.put(a_pairing())
        await kept.pairings.add_farewell(PairId(b"f" * 16), TABLET.device_id, at_ms=1, keep=2)
        await kept.history.put(a_record(1, 1))
    async with store.write() as kept:
        await kept.accounts.erase(ADA)
        await kept.accounts.erase(ADA)
    async with store.read() as kept:
        assert [account.folded for account in await kept.accounts.all()] == ["bob"]
        assert await kept.devices.of_account(ADA) == []
        assert await kept.devices.sign_in(POCKET.device_id) is None
        assert await kept.offers.get(offer.offer_id) is None
        assert await kept.pairings.get(a_pairing().pair_id) is None
        assert not await kept.pairings.farewell(PairId(b"f" * 16), [TABLET.device_id])
        assert await kept.accounts.logins(ADA) == []
        assert await kept.accounts.web_session(b"w" * 32) is None
        assert await kept.history.of_account(ADA, before=None, limit=1) == []


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
        assert list(await kept.pairings.farewells_of(POCKET.device_id)) == gone[1:]
        assert await kept.pairings.farewells_of(HOST.device_id) == []
        assert not await kept.pairings.farewell(gone[1], [TABLET.device_id, HOST.device_id])


async def _identity(store: Store) -> None:
    async with store.write() as kept:
        assert await kept.service.identity() == Identity(service_name=None, sequence=0)
        await kept.service.put_identity(Identity(service_name="pairing", sequence=2**62))
    async with store.read() as kept:
        assert await kept.service.identity() == Identity(service_name="pairing", sequence=2**62)
    keys = [SigningKey(number=n, key_id=bytes([n]) * 8, made_ms=2**42, alone=n == 1) for n in (1, 2)]
    async with store.write() as kept:
        assert await kept.service.signing_keys() == []
        for key in reversed(keys):
            await kept.service.add_signing_key(key)
    async with store.read() as kept:
        assert list(await kept.service.signing_keys()) == keys


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
