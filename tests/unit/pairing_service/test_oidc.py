"""The pure parts of a sign-in at a provider: what the operator says, how an attempt goes on, which addresses are safe."""

from __future__ import annotations

import itertools
import re
from dataclasses import replace
from pathlib import Path

import pytest
from dispatch.ids import DeviceId
from dispatch_pairing import settings
from dispatch_pairing.model import Visitor
from dispatch_pairing.oidc.attempts import STEPS, Attempt, Book, Said, State, after, asked, unanswered
from dispatch_pairing.oidc.discovery import is_safe
from dispatch_pairing.oidc.id_token import ALGORITHMS, read_keys
from dispatch_pairing.oidc.settings import DEFAULTS, PREFIX, SETTINGS, BadSettings, ProviderSettings, read
from joserfc.jwk import ECKey, OctKey

OPERATIONS = (Path(__file__).resolve().parents[3] / "docs" / "operations.md").read_text()
ADA = Visitor(issuer="https://id.example", subject="1815", name="Ada")


def environment(**said: str) -> dict[str, str]:
    return {f"{PREFIX}{name}": text for name, text in said.items()}


# ---- What the operator says.


def test_without_settings_there_is_no_provider() -> None:
    assert read({"DISPATCH_PAIRING_SOMETHING": "else", "PATH": "/bin"}) is None


def test_what_the_operator_says_is_read(tmp_path: Path) -> None:
    secret, ca = tmp_path / "secret", tmp_path / "ca.pem"
    secret.write_text("  hidden \nnot this\n")
    secret.chmod(0o600)
    ca.write_text("")

    said = read(
        environment(
            ISSUER="https://id.example/realm",
            CLIENT_ID="dispatch",
            CLIENT_SECRET_FILE=str(secret),
            SCOPES="openid  email",
            CA=str(ca),
            SIGN_UP="open",
        )
    )

    assert said == ProviderSettings(
        issuer="https://id.example/realm",
        client_id="dispatch",
        client_secret="hidden",
        scopes="openid email",
        ca=ca,
        newcomers=True,
    )
    assert "hidden" not in repr(said)


def test_nobody_gets_an_account_unless_the_operator_says_so() -> None:
    said = read(environment(ISSUER="https://id.example", CLIENT_ID="dispatch"))

    assert said == ProviderSettings(issuer="https://id.example", client_id="dispatch", newcomers=False)


def test_all_mistakes_are_reported_together_and_no_secret(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(b"h\xefdden\n")
    secret.chmod(0o600)

    with pytest.raises(BadSettings) as mistakes:
        read(
            environment(
                ISSUER="http://id.example",
                CLIENT_SECRET="hidden",
                CLIENT_SECRET_FILE=str(secret),
                SCOPES="profile",
                CA=str(tmp_path / "missing.pem"),
                SIGN_UP="perhaps",
            )
        )

    lines = str(mistakes.value).splitlines()
    assert [re.match(rf"{PREFIX}(\w+)", line)[1] for line in lines] == [  # type: ignore[index] # no match fails as it should
        *("CLIENT_SECRET", "CLIENT_ID", "ISSUER", "SCOPES", "SIGN_UP", "CLIENT_SECRET_FILE", "CA"),
    ]
    assert "dden" not in str(mistakes.value)


def test_mistakes_about_the_provider_are_reported_with_all_others() -> None:
    with pytest.raises(settings.BadSettings) as mistakes:
        settings.read({"DISPATCH_PAIRING_DEVICES": "many", **environment(ISSUER="https://id.example")})

    assert [line.partition(" ")[0] for line in str(mistakes.value).splitlines()] == [
        "DISPATCH_PAIRING_DEVICES",
        f"{PREFIX}CLIENT_ID",
    ]


@pytest.mark.parametrize("content", ["", "\n", None])
def test_a_secret_that_is_not_there_is_a_mistake(tmp_path: Path, content: str | None) -> None:
    secret = tmp_path / "secret"
    if content is not None:
        secret.write_text(content)
        secret.chmod(0o600)

    with pytest.raises(BadSettings, match="CLIENT_SECRET_FILE"):
        read(environment(ISSUER="https://id.example", CLIENT_ID="dispatch", CLIENT_SECRET_FILE=str(secret)))


def test_the_document_lists_every_setting() -> None:
    rows = re.findall(rf"^\| `{PREFIX}(\w+)` \| ([^|]*) \| (.*) \|$", OPERATIONS, re.MULTILINE)

    assert {name: about for name, _, about in rows} == SETTINGS
    assert {name: default.strip(" `") for name, default, _ in rows if default.strip()} == DEFAULTS


# ---- Which addresses are safe.


@pytest.mark.parametrize(
    ("url", "safe"),
    [
        ("https://id.example", True),
        ("https://id.example:8443/realms/one?x=y", True),
        ("http://127.0.0.1:8080", True),
        ("http://localhost/x", True),
        ("http://[::1]:8080", True),
        ("http://id.example", False),
        ("http://127.0.0.1.id.example", False),
        ("http://localhost.id.example", False),
        ("https://user@id.example", False),
        ("https://id.example/#part", False),
        ("https://", False),
        ("https://id.example:port", False),
        ("https://id.example/ x", False),
        ("https://id.example/\n", False),
        ("https://[::1", False),
        ("https://ïd.example", False),
        ("ftp://id.example", False),
        ("id.example", False),
        ("https://id.example/" + "x" * 3_000, False),
    ],
)
def test_secrets_go_to_safe_addresses_only(url: str, safe: bool) -> None:
    assert is_safe(url, loopback=True) is safe


def test_a_provider_elsewhere_has_nothing_on_this_computer() -> None:
    assert not is_safe("http://127.0.0.1:8080", loopback=False)


# ---- How an attempt goes on.


def waiting(device: bytes = b"d" * 16) -> Attempt:
    return Attempt(
        attempt_id=b"a" * 16,
        device_id=DeviceId(device),
        device_code="code",
        expires_ms=100_000,
        interval_ms=5_000,
        ask_ms=5_000,
    )


def test_every_word_of_the_provider_has_its_step_while_an_attempt_waits_and_none_afterwards() -> None:
    assert STEPS.keys() == set(itertools.product([State.WAITING], Said))
    for state, said in itertools.product([State.APPROVED, State.DENIED, State.EXPIRED], Said):
        with pytest.raises(KeyError):
            after(replace(waiting(), state=state), said, now_ms=0, again_ms=0)


def test_slow_down_means_slower_for_good_within_reason() -> None:
    attempt = waiting()
    for _ in range(30):
        attempt = after(attempt, Said.SLOW_DOWN, now_ms=10_000, again_ms=0)

    assert (attempt.interval_ms, attempt.ask_ms) == (60_000, 70_000)
    assert after(attempt, Said.PENDING, now_ms=0, again_ms=0).ask_ms == 60_000


def test_a_question_without_an_answer_doubles_the_wait_within_reason() -> None:
    waits = []
    attempt = waiting()
    for _ in range(5):
        attempt = unanswered(attempt, now_ms=0)
        waits.append(attempt.ask_ms)

    assert waits == [10_000, 20_000, 40_000, 60_000, 60_000]


def test_a_question_on_its_way_keeps_others_waiting() -> None:
    assert asked(waiting(), now_ms=7_000).ask_ms == 12_000


def test_what_was_approved_keeps_no_code_and_is_soon_over() -> None:
    attempt = after(waiting(), ADA, now_ms=10_000, again_ms=60_000)

    assert (attempt.state, attempt.visitor, attempt.device_code) == (State.APPROVED, ADA, "")
    assert attempt.expires_ms == 70_000


def test_the_book_is_bounded_and_what_is_over_makes_room() -> None:
    book = Book(limit=2)
    first, second, third = (waiting(bytes([n]) * 16) for n in range(3))
    for attempt in (first, second):
        book.put(attempt)

    assert book.has_room(first.device_id, now_ms=0)
    assert not book.has_room(third.device_id, now_ms=99_999)
    assert book.has_room(third.device_id, now_ms=100_000)
    assert len(book) == 0


def test_what_became_of_an_attempt_does_not_undo_a_later_one() -> None:
    book = Book(limit=2)
    before, now = waiting(), replace(waiting(), attempt_id=b"n" * 16)
    book.put(now)

    book.update(before)
    book.drop(before)

    assert book.find(now.device_id, now.attempt_id, now_ms=0) == now


def test_an_attempt_shows_no_code() -> None:
    assert "code'" not in repr(waiting())


# ---- Keys.


def test_only_public_keys_for_signatures_are_read() -> None:
    good = ECKey.generate_key("P-256", {"kid": "good"}).as_dict(private=False)
    keys = read_keys(
        {
            "keys": [
                good,
                good | {"use": "enc"},
                OctKey.generate_key(256).as_dict(private=True),
                {"kty": "RSA", "n": "AQAB", "e": "AQAB"},
                {"kty": "EC", "crv": "P-256", "x": "", "y": ""},
                {"kty": "AKP"},
                good | {"kid": 7},
                "nonsense",
            ]
        }
    )

    assert [key.kid for key in keys] == ["good"]
    assert read_keys({"keys": "none"}) == read_keys({}) == ()


def test_neither_shared_secrets_nor_nothing_count_as_signatures() -> None:
    assert not {name for name in ALGORITHMS if name.startswith("HS") or name == "none"}
