"""Forms that the account page does not take: of other sites, too large, half or no forms at all."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import pytest

from tests.support.account_page import LOOPBACK, kept, turned_away
from tests.support.browser_end import Browser, forms, text
from tests.support.pairing_device import PASSWORD
from tests.support.pairing_service import PairingService, with_limits


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


@pytest.mark.parametrize("token", [None, "", "0" * 64, "é"])
async def test_a_form_without_the_sessions_token_changes_nothing(
    service: PairingService, ada: Browser, token: str | None
) -> None:
    phone = await service.phone("pocket")
    fields = {} if token is None else {"form_token": token}

    for path in (f"/devices/{phone.id.hex()}/revoke", "/sign-out-everywhere", "/sign-out", "/account/erase"):
        assert (await ada.post(path, {**fields, "password": PASSWORD})).status_code == 403

    assert (await ada.get("/devices")).status_code == 200
    assert turned_away(service, "form_token") == 4
    async with kept(service) as repositories:
        assert await repositories.feed.since(0, limit=1) == []


async def test_the_token_of_another_session_does_not_fit(service: PairingService, ada: Browser) -> None:
    await service.add_account("eve", "eve's own password")
    async with Browser(str(service.running.web)) as eve:
        await eve.sign_in("eve", "eve's own password")
        hers = forms(await eve.get("/account"))["/sign-out-everywhere"]

    assert (await ada.post("/sign-out-everywhere", hers)).status_code == 403
    assert (await ada.get("/devices")).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "http://127.0.0.1:1"},
        {"Origin": "http://evil.example:80@127.0.0.1"},
        {"Origin": "file://"},
        {"Origin": "http://[", "Sec-Fetch-Site": "same-origin"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "none"},
        {"Origin": "null", "Sec-Fetch-Site": "cross-site"},
    ],
)
async def test_a_form_from_another_site_changes_nothing_even_with_the_token(
    service: PairingService, ada: Browser, headers: Mapping[str, str]
) -> None:
    form = forms(await ada.get("/account"))["/sign-out-everywhere"]

    answer = await ada.client.post("/sign-out-everywhere", data=form, headers=headers)

    assert answer.status_code == 403
    assert (await ada.get("/devices")).status_code == 200
    assert turned_away(service, "cross_site") == 1


async def test_our_own_forms_are_taken_as_browsers_send_them(service: PairingService, ada: Browser) -> None:
    form = forms(await ada.get("/account"))["/sign-out-everywhere"]
    ours = {"Origin": f"http://{service.running.web}", "Sec-Fetch-Site": "same-origin"}

    assert (await ada.client.post("/sign-out-everywhere", data=form, headers=ours)).status_code == 303


async def test_nobody_is_signed_in_by_a_form_of_another_site(service: PairingService) -> None:
    async with Browser(str(service.running.web)) as victim, Browser(str(service.running.web)) as attacker:
        theirs = forms(await attacker.get("/sign-in"))["/sign-in"]
        await victim.get("/sign-in")

        answer = await victim.post("/sign-in", {**theirs, "account": "ada", "password": PASSWORD})

        assert answer.status_code == 403
        assert "dispatch" not in victim.cookies


async def test_reading_changes_nothing(service: PairingService, ada: Browser) -> None:
    phone = await service.phone("pocket")
    for path in ("/sign-out", "/sign-out-everywhere", "/sign-in/provider"):
        assert (await ada.get(path)).status_code == 405
    assert (await ada.get(f"/devices/{phone.id.hex()}/revoke")).status_code == 200
    assert "pocket Phone" in text(await ada.get("/devices"))
    assert (await ada.client.head("/devices")).status_code == 200


async def test_a_form_that_is_too_large_is_not_read(service: PairingService, ada: Browser) -> None:
    form = forms(await ada.get("/devices"))["/sign-out"]

    answer = await ada.post("/sign-out", {**form, "more": "x" * 20_000})

    assert answer.status_code == 413
    assert turned_away(service, "too_large") == 1
    assert (await ada.get("/devices")).status_code == 200


async def test_a_form_without_a_length_is_read_up_to_the_limit(service: PairingService, ada: Browser) -> None:
    async def endless() -> AsyncIterator[bytes]:
        for _ in range(64):
            yield b"x" * 1_024

    answer = await ada.client.post(
        "/sign-out", content=endless(), headers={"Content-Type": "application/x-www-form-urlencoded"}
    )

    assert answer.status_code == 413


async def test_half_a_form_changes_nothing(tmp_path: Path) -> None:
    async with PairingService(tmp_path / "pairing", web=LOOPBACK, limits=with_limits(web_read_ms=1_000)) as service:
        await service.add_account("ada")
        async with Browser(str(service.running.web)) as ada:
            await ada.sign_in()
            form = forms(await ada.get("/account"))["/sign-out-everywhere"]
            body = f"form_token={form['form_token']}"
            head = (
                f"POST /sign-out-everywhere HTTP/1.1\r\nHost: {service.running.web}\r\n"
                f"Cookie: dispatch={ada.cookies['dispatch']}\r\n"
                f"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {len(body) + 10}\r\n\r\n"
            )
            web = service.running.web
            assert web is not None
            reader, writer = await asyncio.open_connection(web.host, web.port)
            writer.write((head + body).encode())

            assert (await reader.readline()).startswith(b"HTTP/1.1 408")

            writer.close()
            assert (await ada.get("/devices")).status_code == 200
            assert turned_away(service, "too_slow") == 1


@pytest.mark.parametrize("kind", ["application/json", "multipart/form-data; boundary=x", "text/plain", ""])
async def test_only_forms_are_taken(service: PairingService, ada: Browser, kind: str) -> None:
    token = forms(await ada.get("/devices"))["/sign-out"]["form_token"]

    answer = await ada.client.post("/sign-out", content=f"form_token={token}", headers={"Content-Type": kind})

    assert answer.status_code == 415
