"""Sign-in of a browser at a provider: what binds the answer to the browser that asked. tests/oidc has a certified provider."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterator
from urllib.parse import parse_qsl, urlsplit

import pytest
from dispatch import errors
from dispatch_pairing.metrics import Metrics
from dispatch_pairing.model import Visitor
from dispatch_pairing.oidc.provider import Provider
from dispatch_pairing.oidc.settings import ProviderSettings
from dispatch_pairing.oidc.web import LIFETIME_MS, WebSignIns
from dispatch_pairing.stamp import Stamp
from prometheus_client import CollectorRegistry

from tests.support.pairing_service import HandClock
from tests.support.tiny_provider import CLIENT_ID, CLIENT_SECRET, TinyProvider

HERE = "https://dispatch.example/sign-in/back"


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def provider(clock: HandClock) -> Iterator[TinyProvider]:
    with TinyProvider(now_ms=clock.wall_ms) as provider:
        yield provider


@pytest.fixture
async def web(provider: TinyProvider, clock: HandClock) -> AsyncIterator[WebSignIns]:
    settings = ProviderSettings(issuer=provider.issuer, client_id=CLIENT_ID, client_secret=CLIENT_SECRET)
    async with Provider.opened(settings, clock=clock, metrics=Metrics(CollectorRegistry())) as line:
        yield WebSignIns(provider=line, clock=clock, rng=os.urandom, stamp=Stamp.of(b"k" * 32))


async def test_a_browser_that_comes_back_brings_who_somebody_is(web: WebSignIns, provider: TinyProvider) -> None:
    url, kept = await web.begin(HERE)

    visitor = await web.finish(kept, provider.authorize(url))

    assert visitor == Visitor(issuer=provider.issuer, subject="1815", name="Ada Lovelace")


async def test_everything_that_binds_the_answer_goes_along_and_nothing_that_is_secret(
    web: WebSignIns, provider: TinyProvider
) -> None:
    url, kept = await web.begin(HERE)
    query = dict(parse_qsl(urlsplit(url).query))

    assert url.startswith(f"{provider.issuer}/authorize?")
    assert query.keys() == {
        *("response_type", "client_id", "redirect_uri", "scope", "state", "nonce"),
        *("code_challenge", "code_challenge_method"),
    }
    assert (query["response_type"], query["redirect_uri"]) == ("code", HERE)
    assert len({query["state"], query["nonce"], query["code_challenge"]}) == 3
    assert kept.replace("-", "").replace("_", "").isalnum()


async def test_the_code_goes_with_the_verifier_and_the_address_that_it_was_given_for(
    web: WebSignIns, provider: TinyProvider
) -> None:
    url, kept = await web.begin(HERE)
    answer = provider.authorize(url)
    await web.finish(kept, answer)

    form = provider.asked("/token")[0].form
    assert (form["code"], form["redirect_uri"]) == (answer["code"], HERE)
    assert len(form["code_verifier"]) == 43


async def test_an_answer_counts_in_the_browser_that_asked(web: WebSignIns, provider: TinyProvider) -> None:
    url, mine = await web.begin(HERE)
    _, others = await web.begin(HERE)
    answer = provider.authorize(url)

    for kept in (others, "", "nonsense", "é", mine[:-4] + "AAAA", "A" + mine[1:], mine + mine, "A" * 4_000):
        with pytest.raises(errors.SignInExpired):
            await web.finish(kept, answer)
    for state in ({"state": ""}, {"state": "another"}, {"state": "é"}):
        with pytest.raises(errors.SignInExpired):
            await web.finish(mine, answer | state)
    assert provider.asked("/token") == []

    await web.finish(mine, answer)


async def test_a_code_of_another_browser_is_worth_nothing(web: WebSignIns, provider: TinyProvider) -> None:
    victims, _ = await web.begin(HERE)
    attackers, kept = await web.begin(HERE)
    stolen = provider.authorize(victims)["code"]

    with pytest.raises(errors.SignInExpired):
        await web.finish(kept, provider.authorize(attackers) | {"code": stolen})


async def test_what_another_service_kept_is_worth_nothing(web: WebSignIns, provider: TinyProvider) -> None:
    settings = ProviderSettings(issuer=provider.issuer, client_id=CLIENT_ID, client_secret=CLIENT_SECRET)
    clock = HandClock()
    async with Provider.opened(settings, clock=clock, metrics=Metrics(CollectorRegistry())) as line:
        url, kept = await WebSignIns(provider=line, clock=clock, rng=os.urandom, stamp=Stamp.of(b"x" * 32)).begin(HERE)

    with pytest.raises(errors.SignInExpired):
        await web.finish(kept, provider.authorize(url))


async def test_an_answer_that_comes_too_late_is_over(web: WebSignIns, provider: TinyProvider, clock: HandClock) -> None:
    url, kept = await web.begin(HERE)
    answer = provider.authorize(url)
    clock.now_ms += LIFETIME_MS

    with pytest.raises(errors.SignInExpired):
        await web.finish(kept, answer)


@pytest.mark.parametrize("nonce", ["another", None, 7])
async def test_a_token_that_was_made_for_another_question_is_not_believed(
    web: WebSignIns, provider: TinyProvider, nonce: object
) -> None:
    url, kept = await web.begin(HERE)
    provider.claims = {"nonce": nonce}

    with pytest.raises(errors.ProviderFailed, match="nonce"):
        await web.finish(kept, provider.authorize(url))


async def test_an_answer_of_another_provider_is_not_taken(web: WebSignIns, provider: TinyProvider) -> None:
    url, kept = await web.begin(HERE)

    with pytest.raises(errors.ProviderFailed, match="another provider"):
        await web.finish(kept, provider.authorize(url) | {"iss": "https://evil.example"})
    assert provider.asked("/token") == []


@pytest.mark.parametrize(
    ("brought", "kind"),
    [
        ({"error": "access_denied"}, errors.SignInDenied),
        ({"error": "server_error"}, errors.ProviderFailed),
        ({"code": ""}, errors.ProviderFailed),
        ({"code": "x" * 5_000}, errors.ProviderFailed),
        ({"code": "unknown"}, errors.SignInExpired),
    ],
    ids=str,
)
async def test_an_answer_without_a_code_that_is_good_is_refused(
    web: WebSignIns, provider: TinyProvider, brought: dict[str, str], kind: type[errors.DispatchError]
) -> None:
    url, kept = await web.begin(HERE)

    with pytest.raises(kind):
        await web.finish(kept, provider.authorize(url) | brought)


async def test_where_the_token_has_no_name_it_is_asked_for_and_may_be_missing(
    web: WebSignIns, provider: TinyProvider
) -> None:
    provider.claims = {"preferred_username": None}
    provider.about = {"userinfo_endpoint": f"{provider.issuer}/me"}
    for body, name in (
        (b'{"sub": "1815", "name": "Ada"}', "Ada"),
        (b'{"sub": "somebody else", "name": "Eve"}', ""),
        (b"nonsense", ""),
    ):
        provider.answer = {"/me": (200, body)}.get
        url, kept = await web.begin(HERE)

        assert (await web.finish(kept, provider.authorize(url))).name == name
