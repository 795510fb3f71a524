"""The ceremony as the service sees it, over real gRPC: offers, claims, steps, and what each side is told."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from dispatch import errors
from dispatch.api.error.v1.error_pb2 import (
    REASON_HANDSHAKE_FAILED,
    REASON_INTERNAL,
    REASON_OFFER_EXPIRED,
    REASON_PAIRING_REFUSED,
)
from dispatch.api.pairing.v1 import pairing_pb2 as pb

from tests.support.pairing_device import PAIRING, Code, Device, payload_of, signed_pairing, words
from tests.support.pairing_service import PairingService, with_limits
from tests.support.wires import BOTH_CARRIERS

pytestmark = BOTH_CARRIERS

SECOND_MS = 1_000
MINUTE_MS = 60 * SECOND_MS
HOUR_MS = 60 * MINUTE_MS

WHOLE_STORY_OF_HOST = ["claimed", "step 1", "step 3", "step 5", "step 7", "complete"]
WHOLE_STORY_OF_PHONE = ["claimed", "step 2", "step 4", "step 6", "step 8", "complete"]


@pytest.fixture
async def service(tmp_path: Path, carrier: str) -> AsyncIterator[PairingService]:
    async with PairingService(tmp_path / "pairing", carrier=carrier) as service:
        await service.add_account("ada")
        yield service


def follow(offer: Code) -> tuple[str, pb.FollowOfferRequest]:
    return f"{PAIRING}FollowOffer", pb.FollowOfferRequest(offer_id=offer.offer_id)


async def claimed(service: PairingService) -> tuple[Device, Device, Code]:
    host, phone, code = await service.host(), await service.phone(), service.code()
    await host.create_offer(code)
    await phone.claim(code)
    return host, phone, code


async def test_two_devices_of_one_account_go_through_the_ceremony_and_get_grants(service: PairingService) -> None:
    host, phone = await service.host(), await service.phone()

    pair_id = await service.paired(host, phone)

    for device in (host, phone):
        renewed = await device.renew(pair_id)
        assert renewed.relays == ["127.0.0.1:7302"]
    assert service.metric("dispatch_pairing_pairings_active") == 1
    assert service.metric("dispatch_pairing_grants_total") == 2
    assert service.metric("dispatch_pairing_offers_total", result="complete") == 1


async def test_each_side_is_told_what_the_other_does_while_it_happens(service: PairingService) -> None:
    host, phone, code = await service.host(), await service.phone(), service.code()
    await host.create_offer(code)

    async with host.follow(*follow(code)) as to_host:
        confirm_by_ms = (await phone.claim(code)).confirm_by_ms
        assert (await to_host.next()).claimed.confirm_by_ms == confirm_by_ms
        async with phone.follow(*follow(code)) as to_phone:
            assert words(await to_phone.next()) == "claimed"
            for number in range(1, 9):
                sender, hears = (phone, to_host) if number % 2 else (host, to_phone)
                await sender.step(code, number)
                heard = (await hears.next()).step
                assert (heard.step, heard.payload) == (number, payload_of(number))
            await host.complete(signed_pairing(host=host, phone=phone, pair_id=os.urandom(16), offer=code))
            for feed in (to_host, to_phone):
                assert words(await feed.next()) == "complete"
                assert await feed.next() is None


async def test_who_follows_late_is_told_the_whole_story(service: PairingService) -> None:
    host, phone, code = await claimed(service)
    for number in range(1, 9):
        await (phone if number % 2 else host).step(code, number)
    await host.complete(signed_pairing(host=host, phone=phone, pair_id=os.urandom(16), offer=code))

    assert await host.told(code) == WHOLE_STORY_OF_HOST
    assert await phone.told(code) == WHOLE_STORY_OF_PHONE


@pytest.mark.parametrize("done", range(11))
async def test_the_service_may_restart_after_each_step_of_the_ceremony(service: PairingService, done: int) -> None:
    host, phone, code, pair_id = await service.host(), await service.phone(), service.code(), os.urandom(16)

    async def act(number: int) -> None:
        match number:
            case 0:
                await host.create_offer(code)
            case 1:
                await phone.claim(code)
            case 10:
                await host.complete(signed_pairing(host=host, phone=phone, pair_id=pair_id, offer=code))
            case _:
                await (host if number % 2 else phone).step(code, number - 1)

    for number in range(11):
        await act(number)
        if number == done:
            await service.restart()
            await act(number)  # its answer may have been lost: the device says it again

    assert await host.told(code) == WHOLE_STORY_OF_HOST
    assert await phone.told(code) == WHOLE_STORY_OF_PHONE
    assert (await phone.renew(pair_id)).grant.grant


async def test_a_follower_is_sent_away_when_the_service_closes_and_may_come_back(service: PairingService) -> None:
    host, phone, code = await claimed(service)
    async with host.follow(*follow(code)) as feed:
        assert words(await feed.next()) == "claimed"

        await service.restart()

        with pytest.raises(errors.Draining) as refused:
            await feed.next()
        assert refused.value.retry_after_ms > 0
    await phone.step(code, 1)
    async with host.follow(*follow(code)) as feed:
        assert [words(await feed.next()) for _ in range(2)] == ["claimed", "step 1"]


async def test_an_offer_that_nobody_claims_ends_after_two_minutes(service: PairingService) -> None:
    host, phone, code = await service.host(), await service.phone(), service.code()
    claim_by_ms = (await host.create_offer(code)).claim_by_ms
    assert claim_by_ms == service.clock.now_ms + 120 * SECOND_MS
    async with host.follow(*follow(code)) as feed:
        await service.advance(120 * SECOND_MS)

        assert words(await feed.next()) == "ended OFFER_EXPIRED"
    with pytest.raises(errors.OfferExpired):
        await phone.claim(code)
    assert service.metric("dispatch_pairing_offers_total", result="OFFER_EXPIRED") == 1


async def test_an_offer_may_be_claimed_in_its_last_moment(service: PairingService) -> None:
    host, phone, code = await service.host(), await service.phone(), service.code()
    await host.create_offer(code)
    await service.advance(120 * SECOND_MS - 1)

    assert (await phone.claim(code)).confirm_by_ms == service.clock.now_ms + 120 * SECOND_MS


async def test_a_claimed_offer_that_is_not_confirmed_ends_two_minutes_later(service: PairingService) -> None:
    _host, phone, code = await claimed(service)
    async with phone.follow(*follow(code)) as feed:
        assert words(await feed.next()) == "claimed"
        await service.advance(120 * SECOND_MS)
        assert words(await feed.next()) == "ended OFFER_EXPIRED"

    with pytest.raises(errors.OfferExpired):
        await phone.step(code, 1)


async def test_claiming_again_changes_nothing_not_even_the_time_that_is_left(service: PairingService) -> None:
    _, phone, code = await claimed(service)
    await service.advance(60 * SECOND_MS)

    again = await phone.claim(code)

    assert again.confirm_by_ms == service.clock.now_ms + 60 * SECOND_MS


async def test_a_second_phone_is_refused_and_the_host_is_told(service: PairingService) -> None:
    host, phone, code = await claimed(service)
    second = await service.phone("second")
    async with host.follow(*follow(code)) as to_host, phone.follow(*follow(code)) as to_phone:
        assert words(await to_host.next()) == words(await to_phone.next()) == "claimed"

        with pytest.raises(errors.OfferClaimed):
            await second.claim(code)

        assert words(await to_host.next()) == "contested"
        await host.end_offer(code, REASON_PAIRING_REFUSED)
        assert words(await to_phone.next()) == "ended PAIRING_REFUSED"
    with pytest.raises(errors.OfferUnknown):
        await second.told(code)
    assert service.metric("dispatch_pairing_offers_total", result="contested") == 1


async def test_a_phone_of_another_account_is_refused_and_the_offer_stays_open(service: PairingService) -> None:
    await service.add_account("bob")
    host, phone, code = await service.host(), await service.phone(), service.code()
    stranger = await service.phone("stranger", account="bob")
    await host.create_offer(code)

    with pytest.raises(errors.OtherAccount):
        await stranger.claim(code)

    await phone.claim(code)
    with pytest.raises(errors.OtherAccount):
        await stranger.claim(code)
    await host.end_offer(code, REASON_PAIRING_REFUSED)
    assert await host.told(code) == ["claimed", "contested", "ended PAIRING_REFUSED"]


async def test_wrong_claim_tokens_are_refused_and_end_the_offer_when_there_are_too_many(
    service: PairingService,
) -> None:
    host, phone, code = await service.host(), await service.phone(), service.code()
    await host.create_offer(code)

    for _ in range(5):
        with pytest.raises(errors.OfferUnknown):
            await phone.claim(code, token=os.urandom(32))

    assert await host.told(code) == ["ended HANDSHAKE_FAILED"]
    with pytest.raises(errors.HandshakeFailed):
        await phone.claim(code)
    assert service.metric("dispatch_pairing_offers_total", result="missed") == 5


@pytest.mark.parametrize("token", [b"", b"x", b"x" * 4_000])
async def test_a_claim_token_of_another_size_is_just_a_wrong_one(service: PairingService, token: bytes) -> None:
    host, phone, code = await service.host(), await service.phone(), service.code()
    await host.create_offer(code)

    with pytest.raises(errors.OfferUnknown):
        await phone.claim(code, token=token)
    await phone.claim(code)


async def test_a_fresh_offer_ends_the_hosts_earlier_one(service: PairingService) -> None:
    host, phone, old = await claimed(service)
    new = service.code()

    async with phone.follow(*follow(old)) as feed:
        assert words(await feed.next()) == "claimed"

        await host.create_offer(new)

        assert words(await feed.next()) == "ended OFFER_REPLACED"
    with pytest.raises(errors.OfferReplaced):
        await phone.claim(old)
    await phone.claim(new)
    assert service.metric("dispatch_pairing_offers_total", result="OFFER_REPLACED") == 1


async def test_opening_the_same_offer_again_keeps_it_as_it_is(service: PairingService) -> None:
    host, code = await service.host(), service.code()
    first = await host.create_offer(code)
    await service.advance(SECOND_MS)

    assert (await host.create_offer(code)).claim_by_ms == first.claim_by_ms

    with pytest.raises(errors.BadRequest):
        await host.create_offer(Code(code.offer_id, token=os.urandom(32)))
    with pytest.raises(errors.BadRequest):
        await (await service.host("other")).create_offer(code)
    await service.advance(120 * SECOND_MS)
    with pytest.raises(errors.OfferExpired):
        await host.create_offer(code)


async def test_a_host_may_open_twenty_offers_an_hour(service: PairingService) -> None:
    host = await service.host()
    for _ in range(20):
        await host.create_offer(service.code())
        await service.advance(MINUTE_MS)

    with pytest.raises(errors.RateLimited) as refused:
        await host.create_offer(service.code())

    assert refused.value.retry_after_ms == 40 * MINUTE_MS
    await service.restart()
    await service.advance(40 * MINUTE_MS - 1)
    with pytest.raises(errors.RateLimited):
        await host.create_offer(service.code())
    await service.advance(1)
    await host.create_offer(service.code())
    await (await service.host("other")).create_offer(service.code())


@pytest.mark.parametrize("who", ["host", "phone"])
@pytest.mark.parametrize("reason", [REASON_PAIRING_REFUSED, REASON_HANDSHAKE_FAILED, REASON_OFFER_EXPIRED])
async def test_either_side_may_end_an_offer_for_a_reason_that_the_other_is_told(
    service: PairingService, who: str, reason: int
) -> None:
    host, phone, code = await claimed(service)
    ends, hears = (host, phone) if who == "host" else (phone, host)

    await ends.end_offer(code, reason)
    await ends.end_offer(code, REASON_PAIRING_REFUSED)

    assert await hears.told(code) == ["claimed", f"ended {errors.word(reason)}"]  # type: ignore[arg-type]
    with pytest.raises(errors.of(reason).__class__):  # type: ignore[arg-type]
        await phone.step(code, 1)


async def test_an_offer_is_not_ended_for_other_reasons_nor_by_others(service: PairingService) -> None:
    host, _, code = await claimed(service)
    other = await service.phone("other")

    with pytest.raises(errors.BadRequest) as refused:
        await host.end_offer(code, REASON_INTERNAL)
    assert refused.value.metadata == {"field": "reason"}
    with pytest.raises(errors.OfferUnknown):
        await other.end_offer(code, REASON_PAIRING_REFUSED)
    with pytest.raises(errors.OfferUnknown):
        await other.step(code, 1)


async def test_steps_are_taken_once_in_order_from_the_side_whose_turn_it_is(service: PairingService) -> None:
    host, phone, code = await service.host(), await service.phone(), service.code()
    await host.create_offer(code)
    with pytest.raises(errors.OfferUnknown):
        await phone.step(code, 1)  # not claimed by it
    with pytest.raises(errors.ProtocolViolation):
        await host.step(code, 2)
    await phone.claim(code)

    for device, number in ((host, 1), (phone, 2), (phone, 3), (host, 2)):
        with pytest.raises(errors.ProtocolViolation):
            await device.step(code, number)
    await phone.step(code, 1, b"first")
    await phone.step(code, 1, b"first")
    with pytest.raises(errors.ProtocolViolation):
        await phone.step(code, 1, b"other")
    await host.step(code, 2)

    async with host.follow(*follow(code)) as feed:
        await feed.next()
        assert (await feed.next()).step.payload == b"first"


@pytest.mark.parametrize("number", [0, 9, 2**32 - 1])
async def test_there_are_eight_steps(service: PairingService, number: int) -> None:
    _, phone, code = await claimed(service)

    with pytest.raises(errors.BadRequest):
        await phone.step(code, number)


async def test_a_step_is_neither_empty_nor_larger_than_4096_bytes(service: PairingService) -> None:
    _, phone, code = await claimed(service)

    with pytest.raises(errors.BadRequest):
        await phone.step(code, 1, b"")
    with pytest.raises(errors.TooLarge) as refused:
        await phone.step(code, 1, b"x" * 4_097)
    assert refused.value.metadata == {"limit_bytes": "4096"}
    await phone.step(code, 1, b"x" * 4_096)


async def test_step_eight_may_be_repeated_behind_completion(service: PairingService) -> None:
    host, phone, code = await claimed(service)
    for number in range(1, 8):
        await (phone if number % 2 else host).step(code, number)
    await host.complete(signed_pairing(host=host, phone=phone, pair_id=os.urandom(16), offer=code))

    await host.step(code, 8)
    await host.step(code, 8)

    assert (await phone.told(code))[-2:] == ["step 8", "complete"]


async def test_only_hosts_open_offers_and_only_phones_claim_them(service: PairingService) -> None:
    host, phone, code = await service.host(), await service.phone(), service.code()

    with pytest.raises(errors.BadRequest):
        await phone.create_offer(code)
    await host.create_offer(code)
    with pytest.raises(errors.BadRequest) as refused:
        await host.claim(code)
    assert refused.value.metadata == {"field": "device_kind"}


async def test_offers_and_claims_need_a_live_sign_in(service: PairingService) -> None:
    host, phone, code = await service.host(), await service.phone(), service.code()
    await host.create_offer(code)
    await phone.sign_out()
    await host.sign_out()

    with pytest.raises(errors.SignInRequired):
        await phone.claim(code)
    with pytest.raises(errors.SignInRequired):
        await host.create_offer(service.code())


async def test_an_offer_is_forgotten_after_a_day(service: PairingService) -> None:
    host, _, code = await claimed(service)
    await service.advance(24 * HOUR_MS + 1)

    await host.create_offer(service.code())

    with pytest.raises(errors.OfferUnknown):
        await host.told(code)


async def test_a_device_has_a_bounded_number_of_streams(tmp_path: Path, carrier: str) -> None:
    async with PairingService(tmp_path / "pairing", carrier=carrier, limits=with_limits(follows=1)) as service:
        await service.add_account("ada")
        host, _, code = await claimed(service)
        async with host.follow(*follow(code)) as feed:
            assert words(await feed.next()) == "claimed"
            async with host.follow(*follow(code)) as second:
                with pytest.raises(errors.RateLimited):
                    await second.next()
