"""Noise: what every handshake must do, both sides driven as a pair. Published vectors are in tests/vectors."""

from __future__ import annotations

from itertools import pairwise

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from dispatch.noise import DH_BYTES, LONGEST_MESSAGE, Handshake, NoiseError
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.pairs import counted, public

KK = "Noise_KKpsk0_25519_ChaChaPoly_SHA256"
XK = "Noise_XKpsk3_25519_ChaChaPoly_SHA256"
PSK = b"p" * 32
A, B = (X25519PrivateKey.from_private_bytes(counted(name)(32)) for name in "ab")


def pair(
    protocol: str, *, psks: tuple[bytes, bytes] = (PSK, PSK), prologues: tuple[bytes, bytes] = (b"", b"")
) -> tuple[Handshake, Handshake]:
    """Make both sides; XK does not tell the responder the initiator's key."""
    initiator = Handshake(
        protocol, initiator=True, rng=counted("i"), prologue=prologues[0], s=A, rs=public(B), psks=psks[:1]
    )
    responder = Handshake(
        protocol,
        initiator=False,
        rng=counted("r"),
        prologue=prologues[1],
        s=B,
        rs=public(A) if protocol == KK else None,
        psks=psks[1:],
    )
    return initiator, responder


def run(initiator: Handshake, responder: Handshake) -> list[bytes]:
    """Carry all messages, and give them."""
    messages: list[bytes] = []
    writer, reader = initiator, responder
    while not writer.done:
        messages.append(writer.write(b"payload %d" % len(messages)))
        assert reader.read(messages[-1]) == b"payload %d" % (len(messages) - 1)
        writer, reader = reader, writer
    return messages


@pytest.mark.parametrize("protocol", [KK, XK])
def test_both_sides_of_a_finished_handshake_have_the_same_hash_and_keys(protocol: str) -> None:
    initiator, responder = pair(protocol)

    run(initiator, responder)

    assert initiator.split() == responder.split()
    assert len({initiator.split().h, initiator.split().k1, initiator.split().k2}) == 3


def test_the_responder_learns_the_initiators_static_key_where_the_pattern_sends_it() -> None:
    initiator, responder = pair(XK)
    assert responder.remote_static is None

    run(initiator, responder)

    assert responder.remote_static == public(A)


@pytest.mark.parametrize("protocol", [KK, XK])
@pytest.mark.parametrize("differing", ["psk", "prologue"])
def test_another_psk_or_prologue_ends_in_a_refusal(protocol: str, differing: str) -> None:
    initiator, responder = (
        pair(protocol, psks=(PSK, b"q" * 32)) if differing == "psk" else pair(protocol, prologues=(b"1", b"2"))
    )

    with pytest.raises(NoiseError):
        run(initiator, responder)


@pytest.mark.parametrize("protocol", [KK, XK])
def test_a_message_with_any_byte_changed_is_refused_and_the_true_one_still_fits(protocol: str) -> None:
    initiator, responder = pair(protocol)
    writer, reader = initiator, responder
    while not writer.done:
        message = writer.write(b"payload")
        for place in range(len(message)):
            with pytest.raises(NoiseError):
                reader.read(message[:place] + bytes([message[place] ^ 1]) + message[place + 1 :])
        assert reader.read(message) == b"payload"
        writer, reader = reader, writer
    assert initiator.split() == responder.split()


@pytest.mark.parametrize("protocol", [KK, XK])
def test_a_message_that_is_cut_or_too_long_is_refused_and_the_true_one_still_fits(protocol: str) -> None:
    initiator, responder = pair(protocol)
    message = initiator.write(b"")

    for length in range(len(message)):
        with pytest.raises(NoiseError):
            responder.read(message[:length])
    with pytest.raises(NoiseError, match="length"):
        responder.read(message.ljust(LONGEST_MESSAGE + 1, b"x"))

    assert responder.read(message) == b""


def test_lengths_are_checked_before_any_cryptography() -> None:
    initiator, responder = pair(KK)
    least = DH_BYTES + 16
    assert len(initiator.write(b"")) == least

    with pytest.raises(NoiseError, match="length"):
        responder.read(bytes(least - 1))
    with pytest.raises(NoiseError, match="unusable"):
        responder.read(bytes(least))


# Points whose product with any key is zero: 0, 1, p - 1, and the two of order eight.
SMALL_ORDER = [
    bytes(32),
    (1).to_bytes(32, "little"),
    (2**255 - 20).to_bytes(32, "little"),
    (2**255 - 19).to_bytes(32, "little"),
    bytes.fromhex("e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800"),
    bytes.fromhex("5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157"),
]


@pytest.mark.parametrize("point", SMALL_ORDER)
def test_a_key_that_makes_every_shared_secret_zero_is_refused(point: bytes) -> None:
    _, responder = pair(XK)
    with pytest.raises(NoiseError, match="unusable"):
        responder.read(point + bytes(16))

    initiator = Handshake(XK, initiator=True, rng=counted("i"), s=A, rs=point, psks=(PSK,))
    with pytest.raises(NoiseError, match="unusable"):
        initiator.write()


def test_a_side_that_is_not_at_its_turn_neither_writes_nor_reads() -> None:
    initiator, responder = pair(KK)
    message = initiator.write(b"")

    with pytest.raises(NoiseError, match="turn"):
        initiator.write(b"")
    with pytest.raises(NoiseError, match="turn"):
        responder.write(b"")
    with pytest.raises(NoiseError, match="open"):
        initiator.read(message)  # its own message, reflected
    responder.read(message)
    with pytest.raises(NoiseError, match="turn"):
        responder.read(message)


def test_a_finished_handshake_is_used_up() -> None:
    initiator, responder = pair(KK)
    with pytest.raises(NoiseError, match="not over"):
        initiator.split()
    first, second = run(initiator, responder)

    for side in (initiator, responder):
        assert side.done
        with pytest.raises(NoiseError, match="turn"):
            side.write()
        with pytest.raises(NoiseError, match="turn"):
            side.read(first)
        with pytest.raises(NoiseError, match="turn"):
            side.read(second)


def test_a_message_of_one_handshake_does_not_fit_another() -> None:
    one, _ = pair(KK)
    other = Handshake(KK, initiator=True, rng=counted("other"), s=A, rs=public(B), psks=(PSK,))
    _, responder = pair(KK)
    responder.read(other.write(b""))
    reply = responder.write(b"")
    one.write(b"")

    with pytest.raises(NoiseError):
        one.read(reply)
    assert other.read(reply) == b""


def test_a_payload_that_makes_the_message_too_long_is_refused_and_a_shorter_one_goes() -> None:
    initiator, responder = pair(KK)
    room = LONGEST_MESSAGE - DH_BYTES - 16

    with pytest.raises(NoiseError, match="too long"):
        initiator.write(bytes(room + 1))

    assert responder.read(initiator.write(bytes(room))) == bytes(room)


@pytest.mark.parametrize(
    "protocol",
    [
        "",
        "Noise_KKpsk0_25519_ChaChaPoly",
        "Noise_KKpsk0_448_ChaChaPoly_SHA256",
        "Noise_ZZ_25519_ChaChaPoly_SHA256",
        "Noise_KKpsk_25519_ChaChaPoly_SHA256",
        "Noise_KKpsk0_25519_ChaChaPoly_SHA3",
        "Noise_KKpsk0_25519_ChaChaPoly_SHA256_",
        "noise_KKpsk0_25519_ChaChaPoly_SHA256",
    ],
)
def test_an_unknown_protocol_is_refused(protocol: str) -> None:
    with pytest.raises(NoiseError, match="not one of those"):
        Handshake(protocol, initiator=True, rng=counted("i"), s=A, rs=public(B), psks=(PSK,))


def test_a_handshake_that_lacks_a_key_its_pattern_needs_is_refused_at_once() -> None:
    with pytest.raises(NoiseError, match="pre-shared"):
        Handshake(KK, initiator=True, rng=counted("i"), s=A, rs=public(B))
    with pytest.raises(NoiseError, match="pre-shared"):
        Handshake(KK, initiator=True, rng=counted("i"), s=A, rs=public(B), psks=(b"short",))
    with pytest.raises(NoiseError, match="pre-shared"):
        Handshake(KK.replace("psk0", "psk3"), initiator=True, rng=counted("i"), s=A, rs=public(B), psks=(PSK,))
    with pytest.raises(NoiseError, match="lacks a key"):
        Handshake(KK, initiator=True, rng=counted("i"), rs=public(B), psks=(PSK,))
    with pytest.raises(NoiseError, match="lacks the peer's key"):
        Handshake(KK, initiator=True, rng=counted("i"), s=A, psks=(PSK,))
    with pytest.raises(NoiseError, match="lacks the peer's key"):
        Handshake(KK, initiator=True, rng=counted("i"), s=A, rs=b"short", psks=(PSK,))


def test_no_repr_shows_a_key() -> None:
    initiator, responder = pair(KK)
    run(initiator, responder)
    split = initiator.split()

    shown = f"{initiator!r} {split!r} {initiator._state!r}"

    for secret in (split.h, split.k1, split.k2, PSK, A.private_bytes_raw()):
        assert repr(secret)[2:-1] not in shown
        assert secret.hex() not in shown


def test_a_psk_pattern_mixes_the_ephemeral_keys_so_that_two_messages_never_share_a_key() -> None:
    """With psk0 and no static keys the first message is keyed by the psk alone but for the ephemeral: trap 1."""

    def first(seed: str) -> bytes:
        name = "Noise_NNpsk0_25519_ChaChaPoly_SHA256"
        return Handshake(name, initiator=True, rng=counted(seed), psks=(PSK,)).write(b"same text")

    one, other = first("1")[DH_BYTES:], first("2")[DH_BYTES:]
    text = b"same text"
    streams = [bytes(c ^ t for c, t in zip(sealed, text, strict=False)) for sealed in (one, other)]
    assert streams[0] != streams[1]


@settings(max_examples=60)
@given(st.lists(st.binary(max_size=300), min_size=3, max_size=3), st.binary(max_size=100))
def test_any_payloads_and_prologue_go_through(payloads: list[bytes], prologue: bytes) -> None:
    initiator, responder = pair(XK, prologues=(prologue, prologue))
    for payload, (writer, reader) in zip(payloads, pairwise([initiator, responder, initiator, responder]), strict=True):
        assert reader.read(writer.write(payload)) == payload
    assert initiator.split() == responder.split()


@settings(max_examples=200)
@given(st.binary(max_size=200))
def test_garbage_is_refused_with_the_one_error(garbage: bytes) -> None:
    for protocol in (KK, XK):
        _, responder = pair(protocol)
        with pytest.raises(NoiseError):
            responder.read(garbage)
