"""Noise against an implementation that other people wrote: `noiseprotocol`, a development dependency."""

from __future__ import annotations

import warnings
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from dispatch.noise import Handshake
from noise.connection import Keypair, NoiseConnection  # type: ignore[import-untyped]  # it ships no types

from tests.support.pairs import counted, public

PSK = b"p" * 32
A, B = (X25519PrivateKey.from_private_bytes(counted(name)(32)) for name in "ab")
SUITE = "25519_ChaChaPoly_SHA256"
PATTERNS = ["XKpsk3", "KKpsk0", "NN", "XX", "IK", "IXpsk2", "NNpsk0", "KKpsk2", "XXpsk3"]


def theirs(protocol: str, *, initiator: bool, prologue: bytes) -> NoiseConnection:
    """Set up the other implementation's side."""
    side = NoiseConnection.from_name(protocol.encode())
    (side.set_as_initiator if initiator else side.set_as_responder)()
    own, peer = (A, B) if initiator else (B, A)
    if "psk" in protocol:
        side.set_psks(psks=[PSK])
    side.set_prologue(prologue)
    pattern = protocol.split("_")[1]
    if pattern[0 if initiator else 1] != "N":
        side.set_keypair_from_private_bytes(Keypair.STATIC, own.private_bytes_raw())
    if pattern[1 if initiator else 0] == "K":
        side.set_keypair_from_public_bytes(Keypair.REMOTE_STATIC, public(peer))
    side.start_handshake()
    return side


def ours(protocol: str, *, initiator: bool, prologue: bytes) -> Handshake:
    """Set up this project's side."""
    own, peer = (A, B) if initiator else (B, A)
    pattern = protocol.split("_")[1]
    return Handshake(
        protocol,
        initiator=initiator,
        rng=counted("ours"),
        prologue=prologue,
        s=own if pattern[0 if initiator else 1] != "N" else None,
        rs=public(peer) if pattern[1 if initiator else 0] == "K" else None,
        psks=(PSK,) if "psk" in protocol else (),
    )


@pytest.mark.parametrize("pattern", PATTERNS)
@pytest.mark.parametrize("we_begin", [True, False])
def test_a_handshake_with_the_independent_implementation_gives_both_the_same(pattern: str, we_begin: bool) -> None:
    protocol = f"Noise_{pattern}_{SUITE}"
    us = ours(protocol, initiator=we_begin, prologue=b"bound")
    them = theirs(protocol, initiator=not we_begin, prologue=b"bound")

    turn, our_turn = 0, we_begin
    while not us.done:
        payload = b"message %d" % turn
        if our_turn:
            assert bytes(them.read_message(us.write(payload))) == payload
        else:
            assert us.read(bytes(them.write_message(payload))) == payload
        turn, our_turn = turn + 1, not our_turn

    assert them.handshake_finished
    assert us.split().h == them.get_handshake_hash()
    ours_first, theirs_first = us.split().k1, us.split().k2
    ciphers = them.noise_protocol.cipher_state_encrypt, them.noise_protocol.cipher_state_decrypt
    assert [cipher.k for cipher in ciphers] == ([theirs_first, ours_first] if we_begin else [ours_first, theirs_first])


def test_with_the_same_ephemeral_keys_both_write_the_same_bytes() -> None:
    protocol = f"Noise_KKpsk0_{SUITE}"
    ephemeral = counted("ours")(32)
    us = ours(protocol, initiator=True, prologue=b"bound")
    them: Any = NoiseConnection.from_name(protocol.encode())
    them.set_as_initiator()
    them.set_psks(psks=[PSK])
    them.set_prologue(b"bound")
    them.set_keypair_from_private_bytes(Keypair.STATIC, A.private_bytes_raw())
    them.set_keypair_from_public_bytes(Keypair.REMOTE_STATIC, public(B))
    with warnings.catch_warnings():
        # It warns about every ephemeral key that is set from outside, which is the point of this test.
        warnings.simplefilter("ignore")
        them.set_keypair_from_private_bytes(Keypair.EPHEMERAL, ephemeral)
        them.start_handshake()
        message = bytes(them.write_message(b"payload"))

    assert us.write(b"payload") == message
