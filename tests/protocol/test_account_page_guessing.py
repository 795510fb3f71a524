"""Who guesses accounts and passwords on the account page: how often, and what the answers give away."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from dispatch import errors
from dispatch_pairing.limits import Rate

from tests.support.account_page import LOOPBACK
from tests.support.browser_end import Browser, text
from tests.support.pairing_device import PASSWORD, a_phone
from tests.support.pairing_service import PairingService, with_limits


@pytest.fixture
async def service(tmp_path: Path) -> AsyncIterator[PairingService]:
    """A service with an account page."""
    async with PairingService(tmp_path / "pairing", web=LOOPBACK) as service:
        await service.add_account("ada")
        yield service


async def test_guessing_is_limited_and_the_refusal_says_when(tmp_path: Path) -> None:
    limits = with_limits(per_account=Rate(burst=3, refill_ms=30_000))
    async with PairingService(tmp_path / "pairing", web=LOOPBACK, limits=limits) as service:
        await service.add_account("ada")
        async with Browser(str(service.running.web)) as browser:
            for name in ("ada", "ADA", "ada "):
                wrong = await browser.sign_in(name, "wrong horse")
                assert wrong.status_code == 403
                assert "Account and password do not fit." in text(wrong)

            answer = await browser.sign_in()

            assert (answer.status_code, answer.headers["retry-after"]) == (429, "30")
            assert "Try again in 30 seconds." in text(answer)
            # One count for both ways in.
            with pytest.raises(errors.RateLimited):
                await a_phone(service.address).sign_in("ada")
            await service.advance(30_000)
            assert (await browser.sign_in()).status_code == 303


async def test_failures_of_devices_count_for_browsers_and_repeated_passwords_count_as_well(tmp_path: Path) -> None:
    limits = with_limits(per_account=Rate(burst=2, refill_ms=30_000))
    async with PairingService(tmp_path / "pairing", web=LOOPBACK, limits=limits) as service:
        await service.add_account("ada")
        async with Browser(str(service.running.web)) as ada:
            await ada.sign_in()
            with pytest.raises(errors.SignInFailed):
                await a_phone(service.address).sign_in("ada", "wrong horse")
            assert (await ada.send("/account/erase", "/account/erase", password="wrong horse")).status_code == 403

            answer = await ada.send("/account/erase", "/account/erase", password=PASSWORD)

            assert (answer.status_code, answer.headers["retry-after"]) == (429, "30")
            assert (await ada.get("/devices")).status_code == 200


async def test_a_proxy_on_this_computer_says_whose_failures_they_are(tmp_path: Path) -> None:
    limits = with_limits(per_address=Rate(burst=1, refill_ms=30_000))
    async with PairingService(tmp_path / "pairing", web=LOOPBACK, limits=limits) as service:
        await service.add_account("ada")
        attacker, other = ({"X-Forwarded-For": address} for address in ("203.0.113.7", "203.0.113.8"))
        async with Browser(str(service.running.web), headers=attacker) as browser:
            assert (await browser.sign_in("guess", "wrong horse")).status_code == 403
            assert (await browser.sign_in()).status_code == 429
        async with Browser(str(service.running.web), headers=other) as browser:
            assert (await browser.sign_in()).status_code == 303


async def test_an_unknown_account_gets_the_same_answer_as_a_wrong_password(service: PairingService) -> None:
    async with Browser(str(service.running.web)) as browser:
        known, unknown = await browser.sign_in("ada", "wrong horse"), await browser.sign_in("nob", "wrong horse")

    assert known.status_code == unknown.status_code
    assert text(known).replace("ada", "nob") == text(unknown)


async def test_a_password_is_in_no_answer_and_in_no_log(
    service: PairingService, capfd: pytest.CaptureFixture[str]
) -> None:
    async with Browser(str(service.running.web)) as browser:
        answer = await browser.sign_in("ada", "wrong-horse-canary")
        assert "wrong-horse-canary" not in answer.text
        await browser.sign_in()
        session = browser.cookies["dispatch"]
        await browser.get("/devices")
    logged = "".join(capfd.readouterr())

    assert "signed in" in logged
    assert "wrong-horse-canary" not in logged
    assert session not in logged
