"""The way through a provider of sign-ins and back to the account page."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from dispatch.errors import SignInFailed
from dispatch_pairing.model import Account
from dispatch_pairing.web.provider import Begun

from tests.support.account_page import LOOPBACK, kept
from tests.support.browser_end import Browser, forms, text
from tests.support.pairing_service import PairingService


@pytest.fixture
async def service(tmp_path: Path) -> AsyncIterator[PairingService]:
    """A service with an account page."""
    async with PairingService(tmp_path / "pairing", web=LOOPBACK) as service:
        await service.add_account("ada")
        yield service


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
