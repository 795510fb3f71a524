"""Encodings, signatures, names, the attestation, and how a device and the service prove themselves."""

from __future__ import annotations

from hashlib import sha256
from itertools import product

import pytest
from dispatch.attestation import AttestationError, attestation, parse_attestation, verify_attestation
from dispatch.encoding import EncodingError, dec, enc, message_id
from dispatch.names import NameInvalid, device_name, peer_name, service_name
from dispatch.proof import (
    KeySignature,
    PinnedKeys,
    call_proof_bytes,
    device_id,
    key_id,
    may_replace,
    proves,
    sign_grant,
    sign_key_set,
    stream_proof_bytes,
    verify_grant,
)
from dispatch.signatures import usable, verify
from hypothesis import given
from hypothesis import strategies as st

from tests.support.pairs import public, signing_key

PHONE, HOST = signing_key("phone"), signing_key("host")
OLD, NEW, STRANGER = signing_key("old"), signing_key("new"), signing_key("stranger")

# ---- enc ----


@given(st.lists(st.binary(max_size=40), max_size=6))
def test_what_enc_writes_dec_reads(fields: list[bytes]) -> None:
    assert dec(enc(*fields), len(fields)) == tuple(fields)


@given(st.lists(st.binary(max_size=4), max_size=4), st.lists(st.binary(max_size=4), max_size=4))
def test_two_different_lists_of_fields_never_give_the_same_bytes(one: list[bytes], other: list[bytes]) -> None:
    assert (enc(*one) == enc(*other)) is (one == other)


def test_enc_is_a_length_of_two_bytes_and_the_field_and_text_is_utf_8() -> None:
    assert enc(b"ab", "ü", b"") == b"\0\2ab" + b"\0\2\xc3\xbc" + b"\0\0"


def test_a_field_that_is_too_long_is_refused() -> None:
    assert len(enc(bytes(65535))) == 65537
    with pytest.raises(EncodingError):
        enc(bytes(65536))


@pytest.mark.parametrize("data", [b"\0", b"\0\1", b"\0\1a\0", b"\0\1a\0\1", b"\0\1a\0\1bc", b"\0\1a\0\1b\0\0"])
def test_bytes_that_are_not_exactly_the_fields_are_refused(data: bytes) -> None:
    with pytest.raises(EncodingError):
        dec(data, 2)


def test_a_message_id_is_16_bytes_of_the_hash_of_the_sealed_bytes() -> None:
    assert message_id(b"sealed") == sha256(b"sealed").digest()[:16]


# ---- Signatures ----

P = 2**255 - 19
D = -121665 * pow(121666, -1, P) % P


def double(point: tuple[int, int]) -> tuple[int, int]:
    """Add a point of the curve to itself."""
    x, y = point
    k = D * x * x * y * y % P
    return 2 * x * y * pow(1 + k, -1, P) % P, (y * y + x * x) * pow(1 - k, -1, P) % P


def x_of(y: int) -> int | None:
    """Find an x for a y, if there is one."""
    square = (y * y - 1) * pow(D * y * y + 1, -1, P) % P
    root = pow(square, (P + 3) // 8, P)
    for candidate in (root, root * pow(2, (P - 1) // 4, P) % P):
        if candidate * candidate % P == square:
            return candidate
    return None


EIGHTHS = (  # as they are published, little-endian
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
)
SMALL_Y = [0, 1, P - 1, *(int.from_bytes(bytes.fromhex(known), "little") for known in EIGHTHS)]


@pytest.mark.parametrize("y", SMALL_Y)
def test_a_point_of_small_order_is_nobodys_key(y: int) -> None:
    x = x_of(y)
    assert x is not None
    assert double(double(double((x, y)))) == (0, 1)
    for sign, encoding in product((0, 1), (y, y + P)):
        if encoding < 2**255:
            assert not usable((encoding | sign << 255).to_bytes(32, "little"))


def test_the_signature_that_fits_everything_is_refused() -> None:
    """OpenSSL takes the identity for a key, and then this one signature for any message."""
    identity, signature = (1).to_bytes(32, "little"), (1).to_bytes(64, "little")

    assert not verify(identity, signature, b"any message")


def test_an_honest_key_is_usable_and_its_signature_fits_only_its_message() -> None:
    signature = PHONE.sign(b"message")

    assert usable(public(PHONE))
    assert verify(public(PHONE), signature, b"message")
    assert not verify(public(PHONE), signature, b"massage")
    assert not verify(public(HOST), signature, b"message")
    assert not verify(public(PHONE), signature[:-1], b"message")
    assert not verify(public(PHONE)[:-1], signature, b"message")
    assert not verify(b"\xff" * 32, signature, b"message")


# ---- Names ----


@pytest.mark.parametrize("name", ["Phone", "Großes Ä", "书房", "👩\u200d💻", "a" * 64, "Ann's phone (2)"])
def test_a_good_name_is_taken(name: str) -> None:
    assert device_name(name) == peer_name(name) == service_name(name) == name


TRICKS = ["\x00", "\n", "\t", "\x7f", "\x9b", "\u2028", "\u2029", chr(0xD800)]
BIDI = [chr(sign) for sign in (0x61C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A))]


@pytest.mark.parametrize("sign", TRICKS + BIDI)
def test_a_name_with_a_sign_that_could_trick_somebody_is_refused_and_not_repeated(sign: str) -> None:
    for check in (device_name, peer_name, service_name):
        with pytest.raises(NameInvalid) as caught:
            check(f"name{sign}eman")
        assert "eman" not in str(caught.value)


@pytest.mark.parametrize("name", ["", " ", "\u2028", "a" * 65])
def test_an_empty_name_and_a_long_one_are_refused(name: str) -> None:
    for check in (device_name, peer_name):
        with pytest.raises(NameInvalid):
            check(name)


def test_what_a_person_typed_is_tidied_and_what_a_peer_sends_has_to_be_tidy() -> None:
    assert device_name("  A\u0308  ") == "Ä"
    for untidy in ("A\u0308", " A", "A "):
        with pytest.raises(NameInvalid):
            peer_name(untidy)
        with pytest.raises(NameInvalid):
            service_name(untidy)


def test_a_service_may_have_a_long_domain_name() -> None:
    assert service_name("s" * 253)
    with pytest.raises(NameInvalid):
        service_name("s" * 254)


# ---- Attestation ----

A = attestation(pair_id=b"P" * 16, service="dispatch.test", host_key=public(HOST), phone_key=public(PHONE))


def test_an_attestation_names_the_pair_the_service_and_both_keys() -> None:
    assert enc("dispatch/attest/1", b"P" * 16, "dispatch.test", public(HOST), public(PHONE)) == A
    read = verify_attestation(A, phone_signature=PHONE.sign(A), host_signature=HOST.sign(A))

    assert (read.pair_id, read.service) == (b"P" * 16, "dispatch.test")
    assert (read.host_key, read.phone_key) == (public(HOST), public(PHONE))


def test_both_devices_must_have_signed_the_very_same_attestation() -> None:
    other = attestation(pair_id=b"Q" * 16, service="dispatch.test", host_key=public(HOST), phone_key=public(PHONE))
    for phone_signature, host_signature in (
        (HOST.sign(A), PHONE.sign(A)),
        (PHONE.sign(other), HOST.sign(A)),
        (PHONE.sign(A), HOST.sign(other)),
        (b"", HOST.sign(A)),
        (PHONE.sign(A), b""),
    ):
        with pytest.raises(AttestationError):
            verify_attestation(A, phone_signature=phone_signature, host_signature=host_signature)


IDENTITY = (1).to_bytes(32, "little")


@pytest.mark.parametrize(
    "data",
    [
        b"",
        A[:-1],
        A + b"\0",
        enc("dispatch/attest/2", b"P" * 16, "dispatch.test", public(HOST), public(PHONE)),
        enc("dispatch/attest/1", b"P" * 15, "dispatch.test", public(HOST), public(PHONE)),
        enc("dispatch/attest/1", b"P" * 16, b"\xff", public(HOST), public(PHONE)),
        enc("dispatch/attest/1", b"P" * 16, "", public(HOST), public(PHONE)),
        enc("dispatch/attest/1", b"P" * 16, "a\nb", public(HOST), public(PHONE)),
        enc("dispatch/attest/1", b"P" * 16, "dispatch.test", public(HOST), public(HOST)),
        enc("dispatch/attest/1", b"P" * 16, "dispatch.test", IDENTITY, public(PHONE)),
        enc("dispatch/attest/1", b"P" * 16, "dispatch.test", public(HOST), public(PHONE)[:-1]),
    ],
)
def test_an_attestation_that_does_not_keep_to_its_form_is_refused(data: bytes) -> None:
    with pytest.raises(AttestationError):
        parse_attestation(data)


@given(st.binary(max_size=200))
def test_garbage_is_no_attestation(data: bytes) -> None:
    with pytest.raises(AttestationError):
        parse_attestation(data)


# ---- Proofs of a device ----


def test_a_device_id_follows_from_its_key() -> None:
    assert device_id(public(PHONE)) == sha256(b"dispatch/device/1" + public(PHONE)).digest()[:16]


STREAM = stream_proof_bytes(
    dialled="relay.test:7302", device=b"D" * 16, client_nonce=b"c" * 32, server_nonce=b"s" * 32, grant=b"grant"
)
CALL = call_proof_bytes(dialled="pairing.test:7301", method="/p.S/M", device=b"D" * 16, nonce=b"n", request=b"request")


def test_the_proof_of_a_stream_is_over_the_address_dialled_both_nonces_and_the_grant() -> None:
    grant_hash = sha256(b"grant").digest()
    assert enc("dispatch-pop/1 stream", "relay.test:7302", b"D" * 16, b"c" * 32, b"s" * 32, grant_hash) == STREAM


def test_the_proof_of_a_call_is_over_the_address_dialled_the_method_the_nonce_and_the_request() -> None:
    request_hash = sha256(b"request").digest()
    assert enc("dispatch-pop/1 call", "pairing.test:7301", "/p.S/M", b"D" * 16, b"n", request_hash) == CALL


def test_a_proof_is_by_the_key_that_the_device_id_names() -> None:
    device = device_id(public(PHONE))

    assert proves(public(PHONE), device, PHONE.sign(STREAM), STREAM)
    assert not proves(public(PHONE), device, PHONE.sign(STREAM), CALL)
    assert not proves(public(PHONE), device_id(public(HOST)), PHONE.sign(STREAM), STREAM)
    assert not proves(public(HOST), device, HOST.sign(STREAM), STREAM)


# ---- Grants and key sets ----


def test_a_grant_is_good_when_a_pinned_key_signed_exactly_its_bytes() -> None:
    pinned = PinnedKeys((public(NEW), public(OLD)), 2)
    for key in (NEW, OLD):
        signature = sign_grant(key.sign, public(key), b"grant")
        assert verify_grant(pinned, b"grant", signature)
        assert not verify_grant(pinned, b"grant ", signature)
        assert not verify_grant(pinned, b"grant", KeySignature(b"x" * 8, signature.signature))
    assert not verify_grant(pinned, b"grant", sign_grant(STRANGER.sign, public(STRANGER), b"grant"))
    NEW.public_key().verify(sign_grant(NEW.sign, public(NEW), b"grant").signature, enc("dispatch/grant/1", b"grant"))
    assert key_id(public(NEW)) == sha256(public(NEW)).digest()[:8]


def signatures(keys: PinnedKeys, *signers: object) -> list[KeySignature]:
    by = {"old": OLD, "new": NEW, "stranger": STRANGER}
    return [sign_key_set(by[str(name)].sign, public(by[str(name)]), keys) for name in signers]


KNOWN = PinnedKeys((public(OLD),), 1)
ROTATED = PinnedKeys((public(NEW), public(OLD)), 2)
FOREIGN = PinnedKeys((public(STRANGER),), 9)


@pytest.mark.parametrize(
    ("known", "offered", "signers", "taken"),
    [
        pytest.param(None, KNOWN, ["old"], True, id="first start"),
        pytest.param(None, KNOWN, [], False, id="first start, unsigned"),
        pytest.param(None, KNOWN, ["stranger"], False, id="first start, signed by somebody else"),
        pytest.param(KNOWN, ROTATED, ["new", "old"], True, id="rotation"),
        pytest.param(KNOWN, ROTATED, ["new"], False, id="no known key signed"),
        pytest.param(KNOWN, ROTATED, ["old"], False, id="the new key did not sign"),
        pytest.param(KNOWN, FOREIGN, ["stranger"], False, id="a stranger's set"),
        pytest.param(ROTATED, KNOWN, ["new", "old"], False, id="an old set"),
        pytest.param(KNOWN, KNOWN, ["old"], False, id="the same sequence"),
    ],
)
def test_a_key_set_replaces_the_known_one_only_when_a_known_key_signed_it_and_it_is_newer(
    known: PinnedKeys | None, offered: PinnedKeys, signers: list[str], taken: bool
) -> None:
    assert may_replace(known, offered, signatures(offered, *signers)) is taken


def test_a_signature_of_one_key_set_fits_no_other() -> None:
    assert not may_replace(KNOWN, ROTATED, signatures(PinnedKeys(ROTATED.keys, 3), "new", "old"))
    NEW.public_key().verify(
        signatures(ROTATED, "new")[0].signature,
        enc("dispatch/keys/1", bytes(7) + b"\x02", public(NEW), public(OLD)),
    )


@pytest.mark.parametrize(
    ("keys", "sequence"),
    [
        ((), 1),
        ((b"k" * 31,), 1),
        ((IDENTITY,), 1),
        ((public(OLD), public(OLD)), 1),
        ((public(OLD),), -1),
        ((public(OLD), public(NEW), public(STRANGER)), 1),
    ],
)
def test_a_key_set_that_does_not_keep_to_its_form_is_refused(keys: tuple[bytes, ...], sequence: int) -> None:
    with pytest.raises(ValueError):
        PinnedKeys(keys, sequence)
