"""Sign-in at a certified provider: the real programs, a real provider, and somebody who opens its pages."""

from __future__ import annotations

import html
import os
import re
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from dispatch import errors
from dispatch.clock import SystemClock
from dispatch_pairing.metrics import Metrics
from dispatch_pairing.model import Visitor
from dispatch_pairing.oidc.provider import Provider
from dispatch_pairing.oidc.settings import ProviderSettings
from dispatch_pairing.oidc.web import WebSignIns
from dispatch_pairing.stamp import Stamp
from prometheus_client import CollectorRegistry

from tests.oidc.certified import CLIENT_ID, CLIENT_SECRET, REDIRECT_URI, Browser, Certified
from tests.support.processes import Event, Process, run
from tests.support.waiting import DEADLINE_SECONDS
from tests.support.world import World, scrape


@pytest.fixture
async def provider() -> AsyncIterator[Certified]:
    async with Certified() as provider:
        yield provider


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    async with Browser() as browser:
        yield browser


def environment(provider: Certified, folder: Path, **more: str) -> dict[str, str]:
    """Give the settings of a pairing service that works with the provider."""
    settings = {"ISSUER": provider.issuer, "CLIENT_ID": CLIENT_ID, "SIGN_UP": "open"} | more
    if provider.secret is not None:
        secret = folder / "client-secret"
        secret.write_text(provider.secret + "\n")
        secret.chmod(0o600)
        settings["CLIENT_SECRET_FILE"] = str(secret)
    return {f"DISPATCH_PAIRING_OIDC_{name}": text for name, text in settings.items()}


@pytest.fixture
async def world(tmp_path: Path, provider: Certified) -> AsyncIterator[World]:
    async with World(tmp_path, pairing_env=environment(provider, tmp_path)) as world:
        await world.start_pairing()
        yield world


async def login(world: World, program: str, device: str) -> Process:
    """Begin a sign-in; somebody has to enter the code."""
    return await world.start(
        program, "login", "--home", world.home(device), "--server", world.server, "--name", device, "--provider"
    )


async def refused(process: Process) -> tuple[int, Event]:
    refusal = await process.event("refused")
    return await process.ended(), refusal


async def test_a_person_signs_phone_and_computer_in_and_pairs_them(world: World) -> None:
    await world.start_relay()
    for program, device in (("dispatch-host", "desk"), ("dispatch-phone", "pocket")):
        signing_in = await login(world, program, device)
        code = await signing_in.event("enter_code")
        assert code["code"] in code["url_complete"]
        async with Browser() as browser:
            await browser.enter_code(code["url_complete"])
            await browser.log_in("ada")
        signed_in = await signing_in.event("signed_in")
        assert await signing_in.ended() == 0
        assert (signed_in["account"], signed_in["device"]) == ("ada at the provider", device)

    on_host, on_phone = await world.pair("desk", "pocket")

    assert (on_host["phone"], on_phone["host"]) == ("pocket", "desk")


async def test_nothing_that_is_secret_is_in_a_log_a_metric_or_the_database(world: World, browser: Browser) -> None:
    signing_in = await login(world, "dispatch-phone", "pocket")
    code = await signing_in.event("enter_code")
    await browser.enter_code(code["url_complete"])
    await browser.log_in("ada")
    await signing_in.event("signed_in")

    metrics = await scrape(world.pairing_metrics)
    await world.pairing.stop()
    kept = b"".join(file.read_bytes() for file in (world.folder / "pairing").iterdir())

    assert b'dispatch_pairing_provider_answers_total{answer="approved"} 1.0' in metrics
    assert b"sign-in begun" in world.pairing.stderr
    for secret in (CLIENT_SECRET, code["code"], "access_token", "eyJ"):
        assert secret.encode() not in bytes(world.pairing.stderr) + metrics + kept


async def test_a_person_who_says_no_is_asked_no_more(world: World, browser: Browser) -> None:
    signing_in = await login(world, "dispatch-phone", "pocket")
    await browser.enter_code((await signing_in.event("enter_code"))["url_complete"])

    await browser.say_no()

    code, refusal = await refused(signing_in)
    assert (code, refusal["reason"]) == (5, "SIGN_IN_DENIED")


async def test_a_code_that_nobody_enters_is_over_in_the_end(tmp_path: Path) -> None:
    async with (
        Certified(code_seconds=3) as provider,
        World(tmp_path, pairing_env=environment(provider, tmp_path)) as world,
    ):
        await world.start_pairing()
        signing_in = await login(world, "dispatch-host", "desk")

        code, refusal = await refused(signing_in)

        assert (code, refusal["reason"]) == (5, "SIGN_IN_EXPIRED")


async def test_ctrl_c_ends_the_waiting(world: World) -> None:
    for program, device in (("dispatch-host", "desk"), ("dispatch-phone", "pocket")):
        signing_in = await login(world, program, device)
        await signing_in.event("enter_code")

        signing_in.signal(signal.SIGINT)

        assert await signing_in.ended() == 130
        assert signing_in.stderr == b""


async def test_a_provider_that_comes_back_with_another_key_is_believed(world: World, provider: Certified) -> None:
    for device in ("first", "second"):
        signing_in = await login(world, "dispatch-phone", device)
        async with Browser() as browser:
            await browser.enter_code((await signing_in.event("enter_code"))["url_complete"])
            await browser.log_in("ada")
        await signing_in.event("signed_in")
        await provider.stop()
        await provider.start()


async def test_a_provider_that_is_down_is_named_as_the_reason(world: World, provider: Certified) -> None:
    await provider.stop()

    code, refusal = await refused(await login(world, "dispatch-phone", "pocket"))

    assert (code, refusal["reason"]) == (9, "PROVIDER_UNREACHABLE")


async def test_a_provider_that_goes_down_meanwhile_is_told_and_asked_again(world: World, provider: Certified) -> None:
    signing_in = await login(world, "dispatch-host", "desk")
    await signing_in.event("enter_code")
    await provider.stop()

    warning = await signing_in.event("warning")

    assert warning["reason"] == "PROVIDER_UNREACHABLE"
    assert signing_in.returncode is None


async def test_a_service_that_is_a_public_client_works_as_well(tmp_path: Path, browser: Browser) -> None:
    async with (
        Certified(secret=None) as provider,
        World(tmp_path, pairing_env=environment(provider, tmp_path)) as world,
    ):
        await world.start_pairing()
        signing_in = await login(world, "dispatch-phone", "pocket")
        await browser.enter_code((await signing_in.event("enter_code"))["url_complete"])
        await browser.log_in("ada")

        assert (await signing_in.event("signed_in"))["account"] == "ada at the provider"


async def test_where_sign_up_is_closed_the_operator_links_whom_to_let_in(tmp_path: Path, provider: Certified) -> None:
    async with World(tmp_path, pairing_env=environment(provider, tmp_path, SIGN_UP="closed")) as world:
        await world.start_pairing()
        await world.add_account("Ada")

        async def tries() -> Process:
            signing_in = await login(world, "dispatch-phone", "pocket")
            async with Browser() as browser:
                await browser.enter_code((await signing_in.event("enter_code"))["url_complete"])
                await browser.log_in("ada-1815")
            return signing_in

        code, refusal = await refused(await tries())
        assert (code, refusal["reason"], refusal["policy"]) == (9, "SIGN_UP_CLOSED", "oidc_sign_up")

        code, events = await run(
            "dispatch-pairing", "account", "link", "ada", "--issuer", provider.issuer, "--subject", "ada-1815",
            "--data", str(tmp_path / "pairing"),
        )  # fmt: skip
        assert (code, events[-1]["account"], events[-1]["before"]) == (0, "Ada", None)

        assert (await (await tries()).event("signed_in"))["account"] == "Ada"


@pytest.fixture
async def web(provider: Certified) -> AsyncIterator[WebSignIns]:
    settings = ProviderSettings(issuer=provider.issuer, client_id=CLIENT_ID, client_secret=CLIENT_SECRET)
    metrics, clock = Metrics(CollectorRegistry()), SystemClock()
    async with Provider.opened(settings, clock=clock, metrics=metrics) as line:
        yield WebSignIns(provider=line, clock=clock, rng=os.urandom, stamp=Stamp.of(os.urandom(32)))


async def test_a_person_signs_in_to_the_account_page_at_the_provider(
    tmp_path: Path, provider: Certified, browser: Browser
) -> None:
    async with World(tmp_path, pairing_env=environment(provider, tmp_path)) as world:
        await world.start_pairing("--web", "127.0.0.1:0")
        site = f"http://{(await world.pairing.event('listening'))['web']}"
        await provider.stop()
        provider.redirect_uri = f"{site}/sign-in/provider/back"
        await provider.start()

        async with httpx.AsyncClient(base_url=site, trust_env=False, timeout=DEADLINE_SECONDS) as page:
            form = re.search(r'name="(form_token|[\w-]*token)" value="([^"]+)"', (await page.get("/sign-in")).text)
            assert form
            headers = {"Sec-Fetch-Site": "same-origin"}
            onward = await page.post("/sign-in/provider", data={form[1]: form[2]}, headers=headers)
            assert onward.status_code == 200, onward.text
            await browser.open(html.unescape(onward.text.split('href="')[-1].split('"')[0]))
            await browser.log_in("ada")
            back = await page.get(browser.url)
            assert back.status_code == 200, back.text

            devices = await page.get("/devices")

    assert devices.status_code == 200
    assert "ada at the provider" in devices.text


async def test_a_browser_comes_back_with_who_somebody_is(
    web: WebSignIns, provider: Certified, browser: Browser
) -> None:
    url, kept = await web.begin(REDIRECT_URI)
    await browser.open(url)
    await browser.log_in("ada")

    visitor = await web.finish(kept, browser.query)

    assert visitor == Visitor(issuer=provider.issuer, subject="ada", name="ada at the provider")
    with pytest.raises(errors.SignInExpired):
        await web.finish(kept, browser.query)  # the code is used up


async def test_a_code_is_worth_nothing_in_another_browser(web: WebSignIns, browser: Browser) -> None:
    url, _ = await web.begin(REDIRECT_URI)
    _, others = await web.begin(REDIRECT_URI)
    await browser.open(url)
    await browser.log_in("ada")

    with pytest.raises(errors.SignInExpired):
        await web.finish(others, browser.query)


async def test_a_browser_comes_back_with_a_no(web: WebSignIns, browser: Browser) -> None:
    url, kept = await web.begin(REDIRECT_URI)
    await browser.open(url)
    await browser.say_no()

    with pytest.raises(errors.SignInDenied):
        await web.finish(kept, browser.query)
