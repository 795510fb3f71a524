"""Making accounts by the operator's policy, changing passwords, and signing out everywhere. Over real gRPC."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from dispatch import errors
from dispatch.clock import SystemClock
from dispatch_pairing.accounts import invite
from dispatch_pairing.limits import Rate
from dispatch_pairing.model import WebSession
from dispatch_pairing.names import fold
from dispatch_pairing.policy import Policy, SignUp

from tests.support.pairing_device import PASSWORD, a_phone
from tests.support.pairing_service import PairingService, with_limits

SECOND_MS = 1_000
DAY_MS = 24 * 3_600_000
NEW = "a fresh staple"


@pytest.fixture
async def service(tmp_path: Path) -> AsyncIterator[PairingService]:
    async with PairingService(tmp_path / "pairing") as service:
        await service.add_account("ada")
        await service.add_account("bob", "another horse")
        yield service


def with_policy(tmp_path: Path, sign_up: SignUp, **limits: object) -> PairingService:
    return PairingService(tmp_path / "pairing", policy=Policy(sign_up=sign_up), limits=with_limits(**limits))


async def an_invitation(service: PairingService, *, days: int = 7) -> str:
    async with service.store() as store:
        code, _ = await invite(store=store, days=days, clock=service.clock, rng=lambda count: bytes(range(count)))
    return code


async def test_nobody_makes_an_account_unless_the_policy_lets_them(service: PairingService) -> None:
    with pytest.raises(errors.SignUpClosed) as refused:
        await a_phone(service.address).sign_up("eve", invitation=await an_invitation(service))

    assert refused.value.metadata == {"policy": "sign_up", "current": "closed", "required": "invitation or open"}
    assert service.metric("dispatch_pairing_sign_ups_total", result="refused") == 1
    with pytest.raises(errors.SignInFailed):
        await a_phone(service.address).sign_in("eve")


async def test_an_open_service_lets_anybody_make_an_account_and_sign_in(tmp_path: Path) -> None:
    async with with_policy(tmp_path, SignUp.OPEN) as service:
        phone = a_phone(service.address)

        await phone.sign_up("Eve", PASSWORD)
        await phone.sign_in("eve", PASSWORD)

        assert service.metric("dispatch_pairing_sign_ups_total", result="ok") == 1
        for name, password, refusal in (
            ("EVE", "long enough", errors.AccountExists),
            ("eve\nby", "long enough", errors.BadRequest),
            ("", "long enough", errors.BadRequest),
            ("frank", "short", errors.BadRequest),
            ("frank", "x" * 1_025, errors.BadRequest),
        ):
            with pytest.raises(refusal):
                await phone.sign_up(name, password)


async def test_an_invitation_makes_one_account_once(tmp_path: Path) -> None:
    async with with_policy(tmp_path, SignUp.INVITATION) as service:
        code = await an_invitation(service)
        for wrong in ("", "00000-00000-00000-00000", code[:-1]):
            with pytest.raises(errors.SignUpClosed) as refused:
                await a_phone(service.address).sign_up("eve", invitation=wrong)
            assert refused.value.metadata["required"] == "an invitation"

        await a_phone(service.address).sign_up("eve", invitation=code.lower().replace("-", " "))

        with pytest.raises(errors.SignUpClosed):
            await a_phone(service.address).sign_up("frank", invitation=code)
        await a_phone(service.address).sign_in("eve")


async def test_an_invitation_is_over_after_its_days(tmp_path: Path) -> None:
    async with with_policy(tmp_path, SignUp.INVITATION) as service:
        code = await an_invitation(service, days=2)
        await service.advance(2 * DAY_MS)

        with pytest.raises(errors.SignUpClosed):
            await a_phone(service.address).sign_up("eve", invitation=code)


async def test_an_invitation_is_not_used_up_by_an_attempt_that_is_refused(tmp_path: Path) -> None:
    async with with_policy(tmp_path, SignUp.INVITATION) as service:
        await service.add_account("ada")
        code = await an_invitation(service)
        with pytest.raises(errors.AccountExists):
            await a_phone(service.address).sign_up("ada", "not her password", invitation=code)

        await a_phone(service.address).sign_up("eve", invitation=code)


async def test_a_sign_up_whose_answer_got_lost_may_be_repeated_until_somebody_signs_in(tmp_path: Path) -> None:
    async with with_policy(tmp_path, SignUp.INVITATION) as service:
        phone, code = a_phone(service.address), await an_invitation(service)
        await phone.sign_up("eve", invitation=code)

        await phone.sign_up("eve", invitation=code)
        with pytest.raises(errors.SignUpClosed):
            await phone.sign_up("eve", "another password", invitation=code)

        await phone.sign_in("eve")
        with pytest.raises(errors.SignUpClosed):
            await phone.sign_up("eve", invitation=code)


async def test_sign_ups_from_an_address_are_bounded_and_the_refusal_says_when(tmp_path: Path) -> None:
    limits = Rate(burst=2, refill_ms=60 * SECOND_MS)
    async with with_policy(tmp_path, SignUp.OPEN, sign_ups=limits) as service:
        await a_phone(service.address).sign_up("eve")
        await a_phone(service.address).sign_up("frank")

        with pytest.raises(errors.RateLimited) as refused:
            await a_phone(service.address).sign_up("grace")

        assert refused.value.retry_after_ms == 60 * SECOND_MS
        assert service.metric("dispatch_pairing_sign_ups_total", result="rate_limited") == 1
        await service.advance(60 * SECOND_MS)
        await a_phone(service.address).sign_up("grace")


async def test_a_changed_password_signs_out_every_other_device_and_the_web(service: PairingService) -> None:
    phone, other, bobs = await service.phone(), await service.host(), a_phone(service.address)
    await bobs.sign_in("bob", "another horse")
    await browse(service, "ada", b"w" * 32)
    await browse(service, "bob", b"b" * 32)

    await phone.change_password(PASSWORD, NEW)

    assert [await one.is_signed_in() for one in (phone, other, bobs)] == [True, False, True]
    assert await browsing(service) == [b"b" * 32]
    with pytest.raises(errors.SignInFailed):
        await other.sign_in("ada", PASSWORD)
    await other.sign_in("ada", NEW)
    assert service.metric("dispatch_pairing_password_changes_total", result="ok") == 1
    assert service.metric("dispatch_pairing_sign_ins_ended_total", cause="password_changed") == 1


async def test_a_password_is_not_changed_without_the_old_one_or_a_live_sign_in(service: PairingService) -> None:
    phone, other = await service.phone(), await service.phone("other")
    for old, new, refusal in (
        ("wrong horse", NEW, errors.SignInFailed),
        ("", NEW, errors.SignInFailed),
        (PASSWORD, "short", errors.BadRequest),
    ):
        with pytest.raises(refusal):
            await phone.change_password(old, new)
    await other.sign_out()
    with pytest.raises(errors.SignInRequired):
        await other.change_password(PASSWORD, NEW)

    await a_phone(service.address).sign_in("ada", PASSWORD)
    assert service.metric("dispatch_pairing_password_changes_total", result="failed") == 2


async def test_guesses_at_the_old_password_count_as_guesses_at_the_password(tmp_path: Path) -> None:
    limits = with_limits(per_account=Rate(burst=3, refill_ms=30 * SECOND_MS))
    async with PairingService(tmp_path / "pairing", limits=limits) as service:
        await service.add_account("ada")
        phone = await service.phone()
        for guess in ("one horse", "two horses", "three horses"):
            with pytest.raises(errors.SignInFailed):
                await phone.change_password(guess, NEW)

        for attempt in (phone.change_password(PASSWORD, NEW), a_phone(service.address).sign_in()):
            with pytest.raises(errors.RateLimited) as refused:
                await attempt
            assert refused.value.retry_after_ms == 30 * SECOND_MS
        assert service.metric("dispatch_pairing_password_changes_total", result="rate_limited") == 1


async def test_signing_out_everywhere_ends_all_sign_ins_of_the_account_and_no_other(service: PairingService) -> None:
    phone, host, bobs = await service.phone(), await service.host(), a_phone(service.address)
    await bobs.sign_in("bob", "another horse")
    await browse(service, "ada", b"w" * 32)

    await phone.sign_out(everywhere=True)

    assert [await one.is_signed_in() for one in (phone, host, bobs)] == [False, False, True]
    assert await browsing(service) == []
    with pytest.raises(errors.SignInRequired):
        await host.sign_out(everywhere=True)
    assert service.metric("dispatch_pairing_sign_ins_ended_total", cause="signed_out_everywhere") == 1


async def test_a_sign_in_is_over_for_phones_and_never_for_a_hosts_grant(service: PairingService) -> None:
    host, phone = await service.host(), await service.phone()
    pair_id = await service.paired(host, phone)

    await host.change_password(PASSWORD, NEW)

    with pytest.raises(errors.SignInRequired):
        await phone.renew(pair_id)
    await host.sign_out(everywhere=True)
    await host.renew(pair_id)


async def test_every_count_stands_at_zero_from_the_start(service: PairingService) -> None:
    for name, label, values in (
        ("sign_ups", "result", ("ok", "failed", "rate_limited", "refused")),
        ("password_changes", "result", ("ok", "failed", "rate_limited", "refused")),
        ("sign_ins_ended", "cause", ("signed_out", "signed_out_everywhere", "password_changed", "copied")),
        (
            "refusals",
            "reason",
            ("SIGN_UP_CLOSED", "PLAN_NOT_ALLOWED", "APP_TOO_OLD", "DEVICE_REVOKED", "ACCOUNT_EXISTS"),
        ),
    ):
        for value in values:
            assert service.metric(f"dispatch_pairing_{name}_total", **{label: value}) == 0


async def browse(service: PairingService, name: str, token_hash: bytes) -> None:
    """Let a browser be signed in."""
    async with service.store() as store, store.write() as kept:
        account = await kept.accounts.find(fold(name))
        assert account is not None
        far_ms = SystemClock().wall_ms() + 1_000 * DAY_MS
        await kept.accounts.add_web_session(WebSession(token_hash, account.account_id, 1, far_ms))


async def browsing(service: PairingService) -> list[bytes]:
    """Give which of the two browsers are still signed in."""
    async with service.store() as store, store.read() as kept:
        return [one for one in (b"w" * 32, b"b" * 32) if await kept.accounts.web_session(one) is not None]
