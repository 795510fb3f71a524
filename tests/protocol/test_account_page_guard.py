"""What every answer of the account page tells the browser, and who is answered at all: which names, paths and networks."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from dispatch.address import Address
from dispatch.tls import KeyFiles
from dispatch_pairing.app import Settings, running
from dispatch_pairing.listeners import WebListener
from dispatch_pairing.storage import Storage

from tests.support.account_page import LOOPBACK, turned_away
from tests.support.browser_end import Browser
from tests.support.certificates import Certificates, is_shown, shown_by
from tests.support.pairing_service import PairingService

CSP = "default-src 'none'; style-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"


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


@pytest.mark.parametrize(
    "path", ["/sign-in", "/devices", "/account/export.json", "/style.css", "/nowhere", "/sign-in/provider/back"]
)
async def test_every_answer_says_what_the_browser_may_not_do(ada: Browser, path: str) -> None:
    headers = (await ada.get(path)).headers

    assert headers["content-security-policy"] == CSP
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "DENY"
    assert headers["cross-origin-opener-policy"] == "same-origin"
    assert headers["cross-origin-resource-policy"] == "same-origin"
    assert headers["cache-control"] == "no-store"
    assert "strict-transport-security" not in headers  # in the clear it would be a lie
    assert "access-control-allow-origin" not in headers
    assert "server" not in headers


async def test_refused_requests_say_the_same(ada: Browser) -> None:
    for answer in (await ada.get("/devices", Host="evil.example"), await ada.post("/sign-out", {})):
        assert answer.status_code in (403, 421)
        assert answer.headers["content-security-policy"] == CSP
        assert answer.headers["cache-control"] == "no-store"


async def test_no_page_has_script_or_style_in_it_or_names_another_site(ada: Browser) -> None:
    for path in ("/sign-in", "/devices", "/requests", "/tasks", "/account", "/account/password", "/account/erase"):
        page = (await ada.get(path)).text
        for word in ("<script", "<style", " style=", " onclick=", "http://", "https://", "//cdn"):
            assert word not in page, (path, word)


async def test_pages_of_an_account_need_a_sign_in(service: PairingService) -> None:
    async with Browser(str(service.running.web)) as stranger:
        for path in ("/", "/devices", "/requests", "/tasks", "/account", "/account/export.json", "/account/erase"):
            answer = await stranger.get(path)
            assert (answer.status_code, answer.headers["location"]) == (303, "/sign-in")
        for path in ("/account/erase", "/sign-out-everywhere", f"/devices/{'00' * 16}/revoke"):
            assert (await stranger.post(path, {})).headers["location"] == "/sign-in"


@pytest.mark.parametrize("host", ["evil.example", "evil.example:7304", "", "127.0.0.1.evil.example", "[::2]", "a b"])
async def test_a_name_that_is_not_the_services_is_turned_away(service: PairingService, ada: Browser, host: str) -> None:
    answer = await ada.get("/sign-in", Host=host)

    assert answer.status_code == 421
    assert turned_away(service, "host") == 1


async def test_every_advertised_name_is_the_services(tmp_path: Path) -> None:
    async with (
        PairingService(tmp_path / "pairing", web=LOOPBACK, advertise=("Dispatch.example:7301",)) as service,
        Browser(str(service.running.web)) as browser,
    ):
        for host in ("dispatch.example", "DISPATCH.example:443", "localhost", "127.0.0.1:9", "[::1]"):
            assert (await browser.get("/sign-in", Host=host)).status_code == 200


@pytest.mark.parametrize("path", ["//evil.example/", "/devices/", "/../etc/passwd", "/style.css/../../render.py"])
async def test_no_path_leads_elsewhere(ada: Browser, path: str) -> None:
    web = Address.parse(ada.address)
    reader, writer = await asyncio.open_connection(web.host, web.port)
    writer.write(f"GET {path} HTTP/1.1\r\nHost: {web}\r\nConnection: close\r\n\r\n".encode())
    answer = await reader.read()
    writer.close()

    assert answer.startswith(b"HTTP/1.1 404")
    assert b"location" not in answer.lower().partition(b"\r\n\r\n")[0]


@pytest.mark.parametrize("certificate", [None, KeyFiles])
async def test_off_this_computer_the_page_needs_a_certificate(tmp_path: Path, certificate: object) -> None:
    files = None if certificate is None else Certificates(tmp_path).server()
    settings = Settings(
        listen=Address.parse("127.0.0.1:0"),
        storage=Storage.given(tmp_path / "data"),
        web=WebListener(Address.parse("0.0.0.0:0"), files),
    )
    if files is not None:
        async with running(settings) as service:
            assert service.web is not None
        return

    with pytest.raises(ValueError, match="needs a certificate"):
        async with running(settings):
            pass


async def test_a_new_certificate_is_shown_without_a_restart(tmp_path: Path) -> None:
    certificates = Certificates(tmp_path)
    web = WebListener(Address.parse("127.0.0.1:0"), certificates.server())
    async with PairingService(tmp_path / "pairing", web=web) as service:
        fresh = certificates.issue()
        assert not is_shown(fresh, await shown_by(str(service.running.web)))

        certificates.keys(fresh)

        assert is_shown(fresh, await shown_by(str(service.running.web)))
        assert service.metric("dispatch_pairing_certificate_expiry_seconds", listener="web") > 0
