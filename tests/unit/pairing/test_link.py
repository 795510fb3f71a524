"""The code: what it holds, and one clear error for everything that is none."""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from hashlib import sha256

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from dispatch.names import NameInvalid
from dispatch.pairing.link import SCHEME, LinkError, LinkFault, Offer, read_link
from hypothesis import given
from hypothesis import strategies as st

from tests.support.pairs import counted, public

OFFER = Offer.make(service="dispatch.test", rng=counted("offer"))
DATA = urlsafe_b64decode(OFFER.code.link.removeprefix(SCHEME) + "==")


def link(data: bytes) -> str:
    return SCHEME + urlsafe_b64encode(data).rstrip(b"=").decode()


def fault(text: str) -> LinkFault:
    with pytest.raises(LinkError) as caught:
        read_link(text)
    return caught.value.fault


def test_the_phone_reads_what_the_host_shows() -> None:
    assert read_link(OFFER.code.link) == OFFER.code
    assert read_link(f"  {OFFER.code.link}\n") == OFFER.code  # as it comes when pasted


def test_the_bytes_are_version_offer_secret_key_service() -> None:
    private = X25519PrivateKey.from_private_bytes(OFFER.host_x25519_private)
    parts = (b"\x01", OFFER.code.offer_id, OFFER.code.secret, public(private), b"dispatch.test")

    assert b"".join(parts) == DATA
    assert OFFER.code.host_x25519 == public(private)


def test_the_claim_token_and_the_psk_follow_from_the_secret_and_tell_nothing_of_each_other() -> None:
    def hkdf(info: bytes) -> bytes:
        return HKDF(SHA256(), 32, None, info).derive(OFFER.code.secret)

    assert OFFER.code.claim_token == hkdf(b"dispatch/1 claim")
    assert OFFER.code.psk == hkdf(b"dispatch/1 pair psk")
    assert OFFER.code.claim_token_hash == sha256(OFFER.code.claim_token).digest()


def test_each_offer_is_another() -> None:
    rng = counted("offers")
    codes = [Offer.make(service="dispatch.test", rng=rng).code for _ in range(3)]

    assert len({code.offer_id for code in codes}) == len({code.secret for code in codes}) == 3
    assert len({code.host_x25519 for code in codes}) == 3


@pytest.mark.parametrize(
    "text",
    [
        "",
        "https://example.org/menu",
        "WIFI:T:WPA;S:home;P:secret-word;;",
        "otpauth://totp/x?secret=ABC",
        "hello",
        "dispatch:",
        "dispatch:other#AAAA",
        "DISPATCH:PAIR#AAAA",
        SCHEME + "A" * 3000,
    ],
)
def test_a_code_of_something_else_is_said_to_be_that_and_is_not_repeated(text: str) -> None:
    assert fault(text) is LinkFault.NOT_OURS
    with pytest.raises(LinkError) as caught:
        read_link(text)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        SCHEME,
        SCHEME + "AQ",
        SCHEME + "A",
        SCHEME + "****",
        SCHEME + "ä",
        OFFER.code.link[:-1],
        OFFER.code.link + "=",
        OFFER.code.link + "==",
        OFFER.code.link[:40] + " " + OFFER.code.link[40:],
        OFFER.code.link[:40] + "\n" + OFFER.code.link[40:],
        OFFER.code.link.replace("_", "/").replace("-", "+") + "!",
        link(DATA[:81]),
        link(b"\x00" + DATA[1:]),
        link(DATA + b"\xff"),
        link(DATA + b"\n"),
        link(DATA + "\u202e".encode()),
        link(DATA + b"x" * 253),
    ],
)
def test_a_damaged_code_is_said_to_be_damaged(text: str) -> None:
    assert fault(text) is LinkFault.DAMAGED


def test_a_code_of_a_newer_version_asks_for_an_update() -> None:
    assert fault(link(b"\x02 whatever a newer version may hold")) is LinkFault.NEWER


@given(st.text(max_size=300), st.booleans())
def test_no_text_does_anything_but_read_or_raise_the_one_error(text: str, ours: bool) -> None:
    try:
        code = read_link(SCHEME + text if ours else text)
    except LinkError:
        return
    assert code.link == SCHEME + text


def test_no_repr_shows_a_secret() -> None:
    shown = f"{OFFER!r} {OFFER.code!r}"
    for secret in (OFFER.code.secret, OFFER.code.host_x25519, OFFER.host_x25519_private):
        assert repr(secret)[2:-1] not in shown


def test_a_service_name_that_could_not_be_read_back_makes_no_code() -> None:
    with pytest.raises(NameInvalid):
        Offer.make(service="two\nlines", rng=counted("x"))
