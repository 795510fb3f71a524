"""Sign-in of a device at a provider of sign-ins: who comes in, who does not, and how often the provider is asked.

Over real gRPC and real HTTP, against a provider that lies when it is told to. tests/oidc runs a certified one.
"""

from __future__ import annotations

import base64
import hmac
import json
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from dispatch import errors
from dispatch_pairing.limits import Rate
from dispatch_pairing.logins import link
from dispatch_pairing.oidc.settings import ProviderSettings
from dispatch_pairing.policy import Policy, SignUp
from dispatch_pairing.sql import open_sqlite

from tests.support.pairing_device import Device, a_host, a_phone
from tests.support.pairing_service import HandClock, PairingService, with_limits
from tests.support.tiny_provider import CLIENT_ID, CLIENT_SECRET, Claims, TinyProvider, a_key, signed

SECOND_MS = 1_000


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def provider(clock: HandClock) -> Iterator[TinyProvider]:
    with TinyProvider(now_ms=clock.wall_ms) as provider:
        yield provider


def settings_for(provider: TinyProvider, *, newcomers: bool = True) -> ProviderSettings:
    return ProviderSettings(
        issuer=provider.issuer, client_id=CLIENT_ID, client_secret=CLIENT_SECRET, newcomers=newcomers
    )


@pytest.fixture
async def service(tmp_path: Path, clock: HandClock, provider: TinyProvider) -> AsyncIterator[PairingService]:
    async with PairingService(tmp_path / "pairing", clock=clock, provider=settings_for(provider)) as service:
        yield service


async def refused(device: Device, attempt_id: bytes) -> errors.DispatchError:
    with pytest.raises(errors.DispatchError) as failure:
        await device.finish_at_provider(attempt_id)
    return failure.value


async def comes_in(service: PairingService, provider: TinyProvider, device: Device) -> None:
    """Take a device through it with a person who enters the code at once."""
    begun = await device.begin_at_provider()
    provider.says = ""
    await service.advance(begun.interval_ms)
    await device.finish_at_provider(begun.attempt_id)


async def test_a_service_without_a_provider_says_so(tmp_path: Path) -> None:
    async with PairingService(tmp_path / "pairing") as service:
        phone = a_phone(service.address)
        with pytest.raises(errors.NoProvider):
            await phone.begin_at_provider()
        assert type(await refused(phone, b"a" * 16)) is errors.NoProvider


async def test_a_device_waits_until_its_person_has_entered_the_code(
    service: PairingService, provider: TinyProvider
) -> None:
    host = a_host(service.address)
    begun = await host.begin_at_provider()
    assert (begun.verification_uri, begun.expires_in_ms) == (f"{provider.issuer}/enter", 600 * SECOND_MS)
    assert begun.user_code in begun.verification_uri_complete
    await service.advance(begun.interval_ms)
    assert type(await refused(host, begun.attempt_id)) is errors.SignInPending

    provider.says = ""
    await service.advance(begun.interval_ms)
    await host.finish_at_provider(begun.attempt_id)

    assert host.signed_in.account == "Ada Lovelace"
    await host.create_offer(service.code())
    assert service.metric("dispatch_pairing_sign_ins_total", result="ok") == 1
    assert service.metric("dispatch_pairing_provider_answers_total", answer="pending") == 1
    assert service.metric("dispatch_pairing_provider_answers_total", answer="approved") == 1


async def test_all_devices_of_one_person_come_into_one_account(service: PairingService, provider: TinyProvider) -> None:
    host, phone = a_host(service.address), a_phone(service.address)

    await comes_in(service, provider, host)
    await comes_in(service, provider, phone)

    assert host.signed_in.account_id == phone.signed_in.account_id
    await service.paired(host, phone)


async def test_a_name_at_the_provider_is_no_way_into_an_account_of_that_name(
    service: PairingService, provider: TinyProvider
) -> None:
    await service.add_account("ada")
    provider.claims = {"preferred_username": "ADA", "name": "ada", "email": "ada", "email_verified": True}
    owner, visitor = await service.phone(account="ada"), a_phone(service.address)

    await comes_in(service, provider, visitor)

    assert visitor.signed_in.account_id != owner.signed_in.account_id
    assert visitor.signed_in.account == "ADA-2"


async def test_nobody_has_a_password_who_signs_in_at_the_provider(
    service: PairingService, provider: TinyProvider
) -> None:
    await comes_in(service, provider, a_phone(service.address))

    for password in ("", "anything"):
        with pytest.raises(errors.SignInFailed):
            await a_phone(service.address).sign_in("Ada Lovelace", password)


async def test_somebody_without_an_account_needs_a_link_where_the_operator_makes_accounts(
    tmp_path: Path, clock: HandClock, provider: TinyProvider
) -> None:
    settings = settings_for(provider, newcomers=False)
    async with PairingService(tmp_path / "pairing", clock=clock, provider=settings) as service:
        await service.add_account("ada")
        phone = a_phone(service.address)
        with pytest.raises(errors.SignUpClosed) as closed:
            await comes_in(service, provider, phone)
        assert closed.value.metadata["policy"] == "oidc_sign_up"

        store = await open_sqlite(service.folder / "pairing.db")
        await link("Ada", issuer=provider.issuer, subject="1815", store=store)
        await store.close()
        await comes_in(service, provider, phone)

        assert phone.signed_in.account_id == (await service.host(account="ada")).signed_in.account_id


async def test_where_everybody_may_sign_up_the_providers_people_may_as_well(
    tmp_path: Path, clock: HandClock, provider: TinyProvider
) -> None:
    async with PairingService(
        tmp_path / "pairing",
        clock=clock,
        provider=settings_for(provider, newcomers=False),
        policy=Policy(sign_up=SignUp.OPEN),
    ) as service:
        await comes_in(service, provider, a_phone(service.address))


async def test_an_app_that_is_too_old_is_told_so_before_its_code_is_used_up(
    tmp_path: Path, clock: HandClock, provider: TinyProvider
) -> None:
    async with PairingService(
        tmp_path / "pairing",
        clock=clock,
        provider=settings_for(provider),
        policy=Policy(min_phone_version="2.0"),
    ) as service:
        with pytest.raises(errors.AppTooOld):
            await comes_in(service, provider, a_phone(service.address))
        assert provider.asked("/token") == []


async def test_the_same_subject_at_another_provider_is_somebody_else(
    service: PairingService, provider: TinyProvider
) -> None:
    await service.add_account("ada")
    store = await open_sqlite(service.folder / "pairing.db")
    await link("ada", issuer="https://another.example", subject="1815", store=store)
    await store.close()
    phone = a_phone(service.address)

    await comes_in(service, provider, phone)

    assert phone.signed_in.account == "Ada Lovelace"


# ---- How often the provider is asked.


async def test_the_provider_is_asked_no_faster_than_it_allows(service: PairingService, provider: TinyProvider) -> None:
    phone = a_phone(service.address)
    begun = await phone.begin_at_provider()

    async def asks(after_ms: int) -> tuple[int, int]:
        """Ask after so long; gives how long to wait and how often the provider was asked by then."""
        await service.advance(after_ms)
        refusal = await refused(phone, begun.attempt_id)
        assert isinstance(refusal, errors.SignInPending)
        return refusal.retry_after_ms, len(provider.asked("/token"))

    assert await asks(4_999) == (1, 0)
    assert await asks(1) == (5_000, 1)
    assert await asks(0) == (5_000, 1)
    provider.says = "slow_down"
    assert await asks(5_000) == (10_000, 2)
    provider.says = "authorization_pending"
    assert await asks(9_999) == (1, 2)
    assert await asks(1) == (10_000, 3)


async def test_a_provider_that_is_down_is_said_so_and_asked_less_often(
    service: PairingService, provider: TinyProvider
) -> None:
    phone = a_phone(service.address)
    begun = await phone.begin_at_provider()
    provider.stop()
    await service.advance(5_000)

    down = await refused(phone, begun.attempt_id)

    assert isinstance(down, errors.ProviderUnreachable)
    assert down.retry_after_ms == 10_000
    provider.start()
    provider.says = ""
    await service.advance(10_000)
    await phone.finish_at_provider(begun.attempt_id)


async def test_a_provider_that_is_down_at_first_is_found_when_it_is_back(
    service: PairingService, provider: TinyProvider
) -> None:
    phone = a_phone(service.address)
    provider.stop()
    with pytest.raises(errors.ProviderUnreachable) as down:
        await phone.begin_at_provider()
    assert down.value.retry_after_ms == 5_000
    with pytest.raises(errors.ProviderUnreachable):
        await phone.begin_at_provider()
    assert service.metric("dispatch_pairing_provider_answers_total", answer="unreachable") == 1  # asked once

    provider.start()
    await service.advance(5_000)

    await comes_in(service, provider, phone)


async def test_codes_are_given_out_at_a_bounded_rate_and_number(
    tmp_path: Path, clock: HandClock, provider: TinyProvider
) -> None:
    limits = with_limits(provider_per_address=Rate(burst=3, refill_ms=60_000), provider_attempts=2)
    async with PairingService(
        tmp_path / "pairing", clock=clock, provider=settings_for(provider), limits=limits
    ) as service:
        first, second, third = (a_phone(service.address) for _ in range(3))
        await first.begin_at_provider()
        await second.begin_at_provider()
        with pytest.raises(errors.RateLimited, match="wait at the provider"):
            await third.begin_at_provider()
        with pytest.raises(errors.RateLimited, match="begun") as often:
            await first.begin_at_provider()
        assert often.value.retry_after_ms == 60_000
        assert len(provider.asked("/device")) == 2

        await service.advance(600 * SECOND_MS)  # the first two codes are over

        await third.begin_at_provider()


# ---- How it ends otherwise.


@pytest.mark.parametrize(
    ("says", "kind"),
    [
        ("access_denied", errors.SignInDenied),
        ("expired_token", errors.SignInExpired),
        ("invalid_grant", errors.SignInExpired),
        ("unauthorized_client", errors.ProviderFailed),
        ("something new", errors.ProviderFailed),
    ],
)
async def test_a_no_of_the_provider_is_final(
    service: PairingService, provider: TinyProvider, says: str, kind: type[errors.DispatchError]
) -> None:
    phone = a_phone(service.address)
    begun = await phone.begin_at_provider()
    provider.says = says
    await service.advance(5_000)

    assert type(await refused(phone, begun.attempt_id)) is kind

    provider.says = ""
    await service.advance(60_000)
    assert type(await refused(phone, begun.attempt_id)) in (kind, errors.SignInExpired)
    assert len(provider.asked("/token")) == 1


async def test_a_code_is_over_with_its_time(service: PairingService, provider: TinyProvider) -> None:
    phone = a_phone(service.address)
    begun = await phone.begin_at_provider()
    provider.says = ""
    await service.advance(begun.expires_in_ms)

    assert type(await refused(phone, begun.attempt_id)) is errors.SignInExpired
    assert provider.asked("/token") == []


async def test_an_attempt_is_good_for_the_device_that_began_it(service: PairingService, provider: TinyProvider) -> None:
    mine, other = a_phone(service.address), a_phone(service.address)
    begun, theirs = await mine.begin_at_provider(), await other.begin_at_provider()
    provider.says = ""
    await service.advance(5_000)

    assert type(await refused(other, begun.attempt_id)) is errors.SignInExpired
    assert type(await refused(mine, b"?" * 16)) is errors.SignInExpired
    assert type(await refused(mine, b"short")) is errors.BadRequest

    await mine.finish_at_provider(begun.attempt_id)
    await other.finish_at_provider(theirs.attempt_id)


async def test_a_fresh_code_ends_the_one_before(service: PairingService, provider: TinyProvider) -> None:
    phone = a_phone(service.address)
    before, now = await phone.begin_at_provider(), await phone.begin_at_provider()
    provider.says = ""
    await service.advance(5_000)

    assert type(await refused(phone, before.attempt_id)) is errors.SignInExpired
    await phone.finish_at_provider(now.attempt_id)


async def test_a_service_that_restarted_says_to_begin_again(service: PairingService, provider: TinyProvider) -> None:
    phone = a_phone(service.address)
    begun = await phone.begin_at_provider()
    await service.restart()
    provider.says = ""

    assert type(await refused(phone, begun.attempt_id)) is errors.SignInExpired
    await comes_in(service, provider, phone)


async def test_a_device_whose_answer_was_lost_may_ask_again_for_a_minute(
    service: PairingService, provider: TinyProvider
) -> None:
    phone = a_phone(service.address)
    begun = await phone.begin_at_provider()
    provider.says = ""
    await service.advance(5_000)
    await phone.finish_at_provider(begun.attempt_id)
    first = phone.session

    await phone.finish_at_provider(begun.attempt_id)
    assert phone.session != first
    assert len(provider.asked("/token")) == 1

    await service.advance(60_000)
    assert type(await refused(phone, begun.attempt_id)) is errors.SignInExpired


# ---- Tokens that are not believed.


def compact(header: Claims, claims: Claims, sign: Callable[[bytes], bytes]) -> str:
    """Write a token by hand, as no library would."""

    def part(content: bytes) -> str:
        return base64.urlsafe_b64encode(content).decode().rstrip("=")

    said = f"{part(json.dumps(header).encode())}.{part(json.dumps(claims).encode())}"
    return f"{said}.{part(sign(said.encode()))}"


def unsigned(_: TinyProvider, claims: Claims) -> str:
    return compact({"alg": "none"}, claims, lambda _: b"")


def by_public_key_as_secret(provider: TinyProvider, claims: Claims) -> str:
    secret = provider.key.as_pem(private=False)
    header = {"alg": "HS256", "kid": provider.key.kid}
    return compact(header, claims, lambda said: hmac.digest(secret, said, "sha256"))


def by_another_key(provider: TinyProvider, claims: Claims) -> str:
    return signed(TinyProvider(key=a_key(str(provider.key.kid))), claims)


def by_an_unknown_key(_: TinyProvider, claims: Claims) -> str:
    return signed(TinyProvider(key=a_key("stranger")), claims)


def with_its_own_key(_: TinyProvider, claims: Claims) -> str:
    own = a_key("own")
    return signed(TinyProvider(key=own), claims, jwk=own.as_dict(private=False))


def changed_afterwards(provider: TinyProvider, claims: Claims) -> str:
    header, _, signature = signed(provider, claims).split(".")
    return f"{header}.{compact({}, claims | {'sub': 'root'}, lambda _: b'').split('.')[1]}.{signature}"


def with_a_demand_that_we_do_not_know(provider: TinyProvider, claims: Claims) -> str:
    return by_hand(provider, claims, crit=["bound"], bound="to something")


def by_hand(provider: TinyProvider, claims: Claims, **header: Any) -> str:
    key = provider.key.private_key
    assert key is not None

    def sign(said: bytes) -> bytes:
        r, s = decode_dss_signature(key.sign(said, ECDSA(SHA256())))
        return r.to_bytes(32, "big") + s.to_bytes(32, "big")

    return compact({"alg": "ES256", "kid": provider.key.kid} | header, claims, sign)


LIES: dict[str, Any] = {
    "another audience": {"aud": "somebody else"},
    "another audience, in a list": {"aud": ["somebody else"]},
    "another audience, though made for us": {"aud": "somebody else", "azp": CLIENT_ID},
    "several audiences, and not said for whom": {"aud": [CLIENT_ID, "somebody else"]},
    "several audiences, made for another": {"aud": [CLIENT_ID, "somebody else"], "azp": "somebody else"},
    "made for another": {"azp": "somebody else"},
    "no audience": {"aud": None},
    "an audience that is a number": {"aud": 7},
    "another issuer": {"iss": "https://evil.example"},
    "an issuer with a slash more": {"iss": "/"},
    "no issuer": {"iss": None},
    "over": {"exp": -121},
    "over for ever": {"exp": float("nan")},
    "an end in words": {"exp": "tomorrow"},
    "no end": {"exp": None},
    "from the future": {"iat": 121},
    "of long ago": {"iat": -601},
    "not good yet": {"nbf": 121},
    "no beginning": {"iat": None},
    "about nobody": {"sub": None},
    "about nobody, in no letters": {"sub": ""},
    "about a number": {"sub": 7},
    "about somebody with too long an id": {"sub": "x" * 256},
    "unsigned": unsigned,
    "signed with the public key as a secret": by_public_key_as_secret,
    "signed by another key of that name": by_another_key,
    "signed by an unknown key": by_an_unknown_key,
    "signed by a key that it brings along": with_its_own_key,
    "changed after it was signed": changed_afterwards,
    "with a demand that is not known": with_a_demand_that_we_do_not_know,
    "no token": lambda *_: "not.a.token",
    "five parts": lambda *_: "a.b.c.d.e",
    "nothing": lambda *_: "",
    "letters from elsewhere": lambda *_: "é.è.ê",
}


def lie(provider: TinyProvider, clock: HandClock, what: Claims | Callable[[TinyProvider, Claims], str]) -> None:
    """Have the provider tell a lie; times are seconds from now."""
    if callable(what):
        provider.sign = what
        return
    now = clock.wall_ms() // 1_000
    times = {name for name in ("exp", "iat", "nbf") if isinstance(what.get(name), int)}
    provider.claims = what | {name: now + what[name] for name in times}
    if what.get("iss") == "/":
        provider.claims["iss"] = provider.issuer + "/"


@pytest.mark.parametrize("what", LIES.values(), ids=LIES)
async def test_a_token_that_does_not_hold_lets_nobody_in(
    service: PairingService, provider: TinyProvider, clock: HandClock, what: Any
) -> None:
    phone = a_phone(service.address)
    begun = await phone.begin_at_provider()
    provider.says = ""
    await service.advance(5_000)
    lie(provider, clock, what)

    refusal = await refused(phone, begun.attempt_id)

    assert type(refusal) is errors.ProviderFailed
    assert service.metric("dispatch_pairing_provider_answers_total", answer="failed") == 1
    assert service.metric("dispatch_pairing_sign_ins_total", result="ok") == 0
    assert not any(secret in refusal.detail for secret in provider.secrets if secret)


async def test_a_signature_of_a_kind_that_the_provider_does_not_make_is_not_believed(
    service: PairingService, provider: TinyProvider
) -> None:
    provider.about = {"id_token_signing_alg_values_supported": ["RS256"]}

    with pytest.raises(errors.ProviderFailed, match="algorithm"):
        await comes_in(service, provider, a_phone(service.address))


TRUTHS: dict[str, Any] = {
    "an audience in a list": {"aud": [CLIENT_ID]},
    "several audiences, made for us": {"aud": [CLIENT_ID, "somebody else"], "azp": CLIENT_ID},
    "a clock that is behind": {"iat": -100, "exp": -100},
    "a clock that is ahead": {"iat": 100, "exp": 500, "nbf": 100},
    "a nonce that nobody asked for": {"nonce": "x"},
    "a signature made by hand": by_hand,
}


@pytest.mark.parametrize("what", TRUTHS.values(), ids=TRUTHS)
async def test_a_token_that_holds_lets_its_person_in(
    service: PairingService, provider: TinyProvider, clock: HandClock, what: Any
) -> None:
    clock.now_ms += 5_000
    lie(provider, clock, what)
    clock.now_ms -= 5_000

    await comes_in(service, provider, a_phone(service.address))


async def test_a_key_that_the_provider_has_changed_is_taken(service: PairingService, provider: TinyProvider) -> None:
    await comes_in(service, provider, a_phone(service.address))
    provider.key = a_key("second")

    await comes_in(service, provider, a_phone(service.address))

    assert len(provider.asked("/keys")) == 2
    assert len(provider.asked("/.well-known/openid-configuration")) == 1


async def test_a_key_that_the_provider_has_withdrawn_is_dropped_within_the_hour(
    service: PairingService, provider: TinyProvider
) -> None:
    await comes_in(service, provider, a_phone(service.address))
    stolen, provider.published = provider.key, [a_key("second")]
    await service.advance(3_600_000)

    provider.key = stolen
    with pytest.raises(errors.ProviderFailed):
        await comes_in(service, provider, a_phone(service.address))


# ---- A provider that is not what it should be.


@pytest.mark.parametrize(
    "about",
    [
        {"issuer": "https://another.example"},
        {"issuer": None},
        {"token_endpoint": "http://elsewhere.example/token"},
        {"token_endpoint": "file:///etc/passwd"},
        {"token_endpoint": None},
        {"jwks_uri": ["a", "list"]},
        {"device_authorization_endpoint": None},
        {"id_token_signing_alg_values_supported": ["none", "HS256"]},
    ],
    ids=str,
)
async def test_a_provider_that_says_wrong_things_of_itself_is_not_used(
    service: PairingService, provider: TinyProvider, about: Claims
) -> None:
    provider.about = about

    with pytest.raises(errors.ProviderFailed):
        await a_phone(service.address).begin_at_provider()
    assert provider.asked("/token") == []


@pytest.mark.parametrize(
    "codes",
    [
        {"device_code": ""},
        {"device_code": 7},
        {"user_code": "two\nlines"},
        {"user_code": "x" * 65},
        {"verification_uri": "javascript:alert(1)"},
        {"verification_uri": "http://elsewhere.example/enter"},
        {"verification_uri_complete": "https://user:word@elsewhere.example"},
        {"expires_in": 0},
        {"expires_in": "600"},
        {"interval": -1},
    ],
    ids=str,
)
async def test_a_code_that_is_none_is_not_passed_on(
    service: PairingService, provider: TinyProvider, codes: Claims
) -> None:
    provider.codes = codes

    with pytest.raises(errors.ProviderFailed):
        await a_phone(service.address).begin_at_provider()


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (200, b"<html>", errors.ProviderFailed),
        (200, b"[" * 100_000, errors.ProviderFailed),
        (200, b"[]", errors.ProviderFailed),
        (200, b" " * 300_000, errors.ProviderFailed),
        (302, b"http://127.0.0.1:1/elsewhere", errors.ProviderFailed),
        (404, b"{}", errors.ProviderFailed),
        (429, b"{}", errors.ProviderUnreachable),
        (503, b"later", errors.ProviderUnreachable),
    ],
    ids=["html", "deep", "a list", "large", "redirect", "missing", "too many", "down"],
)
@pytest.mark.parametrize("path", ["/.well-known/openid-configuration", "/device"])
async def test_an_answer_that_is_none_is_a_refusal(
    service: PairingService,
    provider: TinyProvider,
    path: str,
    status: int,
    body: bytes,
    kind: type[errors.DispatchError],
) -> None:
    provider.answer = lambda asked: (status, body) if asked == path else None
    phone = a_phone(service.address)

    with pytest.raises(kind):
        await phone.begin_at_provider()

    provider.answer = lambda _: None
    await service.advance(5_000)
    await comes_in(service, provider, phone)


async def test_a_wrong_client_secret_is_the_operators_to_mend(
    tmp_path: Path, clock: HandClock, provider: TinyProvider
) -> None:
    settings = ProviderSettings(issuer=provider.issuer, client_id=CLIENT_ID, client_secret="another")
    async with PairingService(tmp_path / "pairing", clock=clock, provider=settings) as service:
        with pytest.raises(errors.ProviderFailed, match="no device code"):
            await a_phone(service.address).begin_at_provider()
