"""What an attacker tries on the account page: other sites' forms, stolen, fixed and old sessions, wrong names, floods."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from dispatch import errors
from dispatch.address import Address
from dispatch.errors import SignInFailed
from dispatch.tls import KeyFiles
from dispatch_pairing.app import Settings, running
from dispatch_pairing.limits import Rate
from dispatch_pairing.listeners import WebListener
from dispatch_pairing.model import Account
from dispatch_pairing.web.provider import Begun

from tests.support.account_page import LOOPBACK, kept
from tests.support.browser_end import Browser, forms, text
from tests.support.certificates import Certificates, is_shown, shown_by
from tests.support.pairing_device import PASSWORD, a_phone
from tests.support.pairing_service import PairingService, with_limits

MINUTE_MS = 60_000
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


def turned_away(service: PairingService, reason: str) -> float:
    return service.metric("dispatch_pairing_web_turned_away_total", reason=reason)


# ---- what every answer says ----


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


# ---- cookies and sessions ----


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


async def test_a_new_certificate_is_shown_without_a_restart(tmp_path: Path) -> None:
    certificates = Certificates(tmp_path)
    web = WebListener(Address.parse("127.0.0.1:0"), certificates.server())
    async with PairingService(tmp_path / "pairing", web=web) as service:
        fresh = certificates.issue()
        assert not is_shown(fresh, await shown_by(str(service.running.web)))

        certificates.keys(fresh)

        assert is_shown(fresh, await shown_by(str(service.running.web)))
        assert service.metric("dispatch_pairing_certificate_expiry_seconds", listener="web") > 0


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


# ---- forms of other sites ----


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


# ---- names, sizes, kinds ----


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
    async with PairingService(tmp_path / "pairing", web=LOOPBACK, limits=with_limits(web_read_ms=50)) as service:
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


@pytest.mark.parametrize("path", ["//evil.example/", "/devices/", "/../etc/passwd", "/style.css/../../render.py"])
async def test_no_path_leads_elsewhere(ada: Browser, path: str) -> None:
    web = Address.parse(ada.address)
    reader, writer = await asyncio.open_connection(web.host, web.port)
    writer.write(f"GET {path} HTTP/1.1\r\nHost: {web}\r\nConnection: close\r\n\r\n".encode())
    answer = await reader.read()
    writer.close()

    assert answer.startswith(b"HTTP/1.1 404")
    assert b"location" not in answer.lower().partition(b"\r\n\r\n")[0]


# ---- guessing ----


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


# ---- where it listens ----


@pytest.mark.parametrize("certificate", [None, KeyFiles])
async def test_off_this_computer_the_page_needs_a_certificate(tmp_path: Path, certificate: object) -> None:
    files = None if certificate is None else Certificates(tmp_path).server()
    settings = Settings(
        listen=Address.parse("127.0.0.1:0"), data=tmp_path / "data", web=WebListener(Address.parse("0.0.0.0:0"), files)
    )
    if files is not None:
        async with running(settings) as service:
            assert service.web is not None
        return

    with pytest.raises(ValueError, match="needs a certificate"):
        async with running(settings):
            pass


# ---- a provider of sign-ins ----


@dataclass(slots=True)
class FakeProvider:
    """A provider at the seam: it knows one browser, and whose account it is."""

    account: Account | None = None
    name: str = "Example ID"
    backs: list[str] = field(default_factory=list)

    async def begin(self, *, back: str) -> Begun:
        self.backs.append(back)
        return Begun(url="https://id.example/authorize?state=s&next=1", kept="the-browser_keeps-this")

    async def finish(self, *, back: str, kept: str, answer: Mapping[str, str]) -> Account:
        self.backs.append(back)
        if self.account is None or kept != "the-browser_keeps-this" or answer.get("code") != "good":
            raise SignInFailed
        return self.account


@pytest.fixture
async def federated(tmp_path: Path) -> AsyncIterator[tuple[PairingService, FakeProvider]]:
    """A service that works with a provider."""
    provider = FakeProvider()
    async with PairingService(tmp_path / "pairing", web=LOOPBACK, web_provider=provider) as service:
        await service.add_account("ada")
        async with kept(service) as repositories:
            provider.account = await repositories.accounts.find("ada")
        yield service, provider


async def test_a_person_signs_in_at_the_provider_and_comes_back(
    federated: tuple[PairingService, FakeProvider],
) -> None:
    service, provider = federated
    async with Browser(str(service.running.web)) as browser:
        assert "Sign in with Example ID" in text(await browser.get("/sign-in"))

        onward = await browser.send("/sign-in", "/sign-in/provider")
        assert '<a class="button" href="https://id.example/authorize?state=s&amp;next=1">' in onward.text
        assert "SameSite=Lax" in onward.headers["set-cookie"]
        back = await browser.get("/sign-in/provider/back?code=good&state=s")

        assert back.status_code == 200
        assert browser.cookies.keys() == {"dispatch"}
        assert (await browser.get("/devices")).status_code == 200
    assert provider.backs == [f"http://{service.running.web}/sign-in/provider/back"] * 2


async def test_who_comes_back_without_having_begun_here_is_not_signed_in(
    federated: tuple[PairingService, FakeProvider],
) -> None:
    service, _ = federated
    async with Browser(str(service.running.web)) as browser:
        for path, begun in (("?code=good", False), ("?code=bad", True), ("", True)):
            if begun:
                await browser.send("/sign-in", "/sign-in/provider")
            assert (await browser.get(f"/sign-in/provider/back{path}")).status_code == 403
            assert "dispatch" not in browser.cookies


async def test_without_a_provider_there_is_no_button_and_no_way(service: PairingService) -> None:
    async with Browser(str(service.running.web)) as browser:
        form = forms(await browser.get("/sign-in"))
        assert form.keys() == {"/sign-in"}
        answer = await browser.post("/sign-in/provider", form["/sign-in"])
        assert answer.status_code == 409
        assert "works with no other provider" in text(answer)
