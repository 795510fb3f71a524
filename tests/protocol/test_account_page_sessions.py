"""The session of a browser on the account page: its cookie, stolen, fixed and old ones, and its end."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from dispatch.address import Address
from dispatch_pairing.listeners import WebListener

from tests.support.account_page import LOOPBACK
from tests.support.browser_end import Browser, forms
from tests.support.certificates import Certificates
from tests.support.pairing_device import PASSWORD
from tests.support.pairing_service import PairingService, with_limits

MINUTE_MS = 60_000


@pytest.fixture
async def service(tmp_path: Path) -> AsyncIterator[PairingService]:
    """A service with an account page."""
    async with PairingService(tmp_path / "pairing", web=LOOPBACK) as service:
        await service.add_account("ada")
        yield service


@pytest.fixture
async def ada(service: PairingService) -> AsyncIterator[Browser]:
    """Ada's browser, signed in."""
    async with Browser(str(service.running.web)) as browser:
        await browser.sign_in()
        yield browser


async def test_the_session_cookie_is_for_this_site_alone_and_kept_as_a_hash(service: PairingService) -> None:
    async with Browser(str(service.running.web)) as browser:
        answer = await browser.sign_in()
        session, *_ = answer.headers.get_list("set-cookie")
        assert session.startswith("dispatch=")
        assert session.partition("; ")[2] == "Path=/; HttpOnly; SameSite=Strict"
        token = bytes.fromhex(browser.cookies["dispatch"])
    assert len(token) == 32
    assert token not in (service.folder / "pairing.db").read_bytes()


async def test_over_tls_the_cookie_is_bound_to_the_host_and_browsers_are_told_to_stay_with_tls(tmp_path: Path) -> None:
    certificates = Certificates(tmp_path)
    web = WebListener(Address.parse("127.0.0.1:0"), certificates.server())
    async with PairingService(tmp_path / "pairing", web=web) as service:
        await service.add_account("ada")
        async with Browser(str(service.running.web), verify=certificates.believing()) as browser:
            answer = await browser.sign_in()

            session, visitor = answer.headers.get_list("set-cookie")
            assert session.startswith("__Host-dispatch=")
            assert session.partition("; ")[2] == "Path=/; HttpOnly; SameSite=Strict; Secure"
            assert visitor == "__Host-dispatch-visitor=; Path=/; HttpOnly; SameSite=Strict; Secure; Max-Age=0"
            assert answer.headers["strict-transport-security"] == "max-age=31536000"
            assert (await browser.get("/devices")).status_code == 200


async def test_behind_a_proxy_on_this_computer_that_speaks_tls_the_cookie_is_as_over_tls(
    service: PairingService,
) -> None:
    async with Browser(str(service.running.web), headers={"X-Forwarded-Proto": "https"}) as browser:
        answer = await browser.get("/sign-in")

    assert answer.headers["set-cookie"].startswith("__Host-dispatch-visitor=")
    assert answer.headers["strict-transport-security"]


async def test_a_sign_in_gives_a_new_session_whatever_the_browser_came_with(service: PairingService) -> None:
    fixed = "ab" * 32
    async with Browser(str(service.running.web)) as victim:
        victim.client.cookies.set("dispatch", fixed)
        await victim.sign_in()
        assert victim.cookies["dispatch"] != fixed
    async with Browser(str(service.running.web)) as attacker:
        attacker.client.cookies.set("dispatch", fixed)
        assert (await attacker.get("/devices")).headers["location"] == "/sign-in"


async def test_signing_in_again_ends_the_session_before(service: PairingService, ada: Browser) -> None:
    old = ada.cookies["dispatch"]
    form = {
        "account": "ada",
        "password": PASSWORD,
        "form_token": forms(await ada.get("/devices"))["/sign-out"]["form_token"],
    }
    assert (await ada.post("/sign-in", form)).status_code == 303
    assert ada.cookies["dispatch"] != old
    async with Browser(str(service.running.web)) as thief:
        thief.client.cookies.set("dispatch", old)
        assert (await thief.get("/devices")).headers["location"] == "/sign-in"


async def test_signing_out_ends_the_session_also_for_who_copied_it(service: PairingService, ada: Browser) -> None:
    stolen = ada.cookies["dispatch"]

    await ada.send("/devices", "/sign-out")

    assert "dispatch" not in ada.cookies
    ada.client.cookies.set("dispatch", stolen)
    assert (await ada.get("/devices")).headers["location"] == "/sign-in"


async def test_a_session_ends_when_it_is_not_used_and_at_the_latest_after_its_whole_length(
    service: PairingService, ada: Browser
) -> None:
    for _ in range(24):
        await service.advance(29 * MINUTE_MS)
        assert (await ada.get("/devices")).status_code == 200
    await service.advance(29 * MINUTE_MS)
    assert (await ada.get("/devices")).status_code == 303  # 12 h are over
    await ada.sign_in()
    await service.advance(30 * MINUTE_MS)
    assert (await ada.get("/devices")).status_code == 303


async def test_an_account_has_a_bounded_number_of_sessions_and_the_oldest_goes(tmp_path: Path) -> None:
    async with PairingService(tmp_path / "pairing", web=LOOPBACK, limits=with_limits(web_sessions=2)) as service:
        await service.add_account("ada")
        async with Browser(str(service.running.web)) as first, Browser(str(service.running.web)) as last:
            await first.sign_in()
            for _ in range(2):
                await service.advance(1_000)
                last.client.cookies.clear()
                await last.sign_in()
            assert (await first.get("/devices")).status_code == 303
            assert (await last.get("/devices")).status_code == 200


@pytest.mark.parametrize("cookie", ["", "zz", "ab" * 31, "ab" * 33, "00" * 32, "é"])
async def test_what_was_never_given_is_no_session(service: PairingService, cookie: str) -> None:
    async with Browser(str(service.running.web)) as browser:
        answer = await browser.client.get("/devices", headers=[(b"Cookie", f"dispatch={cookie}".encode())])
        assert (answer.status_code, answer.headers["location"]) == (303, "/sign-in")
