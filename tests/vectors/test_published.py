"""The published vectors against what this project is made of: Noise, the curves, the KEM, the AEAD and the key derivation.

Each test says how many vectors it ran: a file that lost half of them would otherwise pass.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305
from dispatch.noise import Handshake, NoiseError
from dispatch.sealed import kem
from dispatch.sealed.kdf import extract, mac
from dispatch.signatures import verify

from tests.vectors.published import from_folder, from_package, records

raw = bytes.fromhex


def side(vector: dict[str, Any], who: str) -> Handshake:
    """Set up one side as a Noise vector says."""
    static = vector.get(f"{who}_static")
    remote = vector.get(f"{who}_remote_static")
    return Handshake(
        vector["protocol_name"],
        initiator=who == "init",
        rng=lambda _: raw(vector[f"{who}_ephemeral"]),
        prologue=raw(vector[f"{who}_prologue"]),
        s=X25519PrivateKey.from_private_bytes(raw(static)) if static else None,
        rs=raw(remote) if remote else None,
        psks=[raw(psk) for psk in vector.get(f"{who}_psks", [])],
    )


def transport(protocol: str, key: bytes, n: int, text: bytes) -> bytes:
    """Seal a message behind the handshake, which Dispatch itself never does with Noise's keys."""
    big = "AESGCM" in protocol
    cipher = AESGCM(key) if big else ChaCha20Poly1305(key)
    return cipher.encrypt(bytes(4) + n.to_bytes(8, "big" if big else "little"), text, b"")


def check_noise(vector: dict[str, Any]) -> None:
    """Run a vector: both sides write and read its messages, then seal those behind the handshake."""
    sides = side(vector, "init"), side(vector, "resp")
    one_way = len(vector["protocol_name"].split("_")[1].partition("psk")[0]) == 1
    sent: Counter[int] = Counter()
    for number, message in enumerate(vector["messages"]):
        text, wire = raw(message["payload"]), raw(message["ciphertext"])
        writer = 0 if one_way else number % 2
        if sides[writer].done:
            split = sides[writer].split()
            key = (split.k1, split.k2)[writer]
            assert transport(vector["protocol_name"], key, sent[writer], text) == wire
            sent[writer] += 1
        else:
            assert sides[writer].write(text) == wire
            assert sides[1 - writer].read(wire) == text
    assert sides[0].split() == sides[1].split()
    assert sides[0].split().h == raw(vector["handshake_hash"])
    assert sent, "the vector has no message behind its handshake"


def test_noise_cacophony_all_288_fundamental_and_psk_patterns() -> None:
    ran, others = 0, Counter[str]()
    for vector in from_folder("noise_cacophony_25519.json")["vectors"]:
        pattern = vector["protocol_name"].split("_")[1]
        if "1" in pattern.partition("psk")[0]:
            others[pattern] += 1  # the deferred patterns, which nothing here uses
            with pytest.raises(NoiseError):
                side(vector, "init")
            continue
        check_noise(vector)
        ran += 1
    assert ran == 288
    assert sum(others.values()) == 184


def test_wycheproof_x25519() -> None:
    results: Counter[str] = Counter()
    for group in from_folder("wycheproof_x25519.json")["testGroups"]:
        for test in group["tests"]:
            private = X25519PrivateKey.from_private_bytes(raw(test["private"]))
            public = X25519PublicKey.from_public_bytes(raw(test["public"]))
            if not any(raw(test["shared"])):
                with pytest.raises(ValueError):
                    private.exchange(public)
                # The same through a handshake: its first message is refused.
                with pytest.raises(NoiseError):
                    Handshake(
                        "Noise_NK_25519_ChaChaPoly_SHA256",
                        initiator=True,
                        rng=lambda n: b"e" * n,
                        rs=raw(test["public"]),
                    ).write()
                results["refused"] += 1
                continue
            assert test["result"] != "invalid"
            assert private.exchange(public) == raw(test["shared"]), test["tcId"]
            results["agreed"] += 1
    assert results["refused"] == 31
    assert results["agreed"] >= 264


def test_wycheproof_ed25519() -> None:
    results: Counter[str] = Counter()
    for group in from_folder("wycheproof_ed25519.json")["testGroups"]:
        key = raw(group["publicKey"]["pk"])
        for test in group["tests"]:
            assert verify(key, raw(test["sig"]), raw(test["msg"])) is (test["result"] == "valid"), test["tcId"]
            results[test["result"]] += 1
    assert results == {"valid": 88, "invalid": 63}


def test_wycheproof_chacha20_poly1305() -> None:
    results: Counter[str] = Counter()
    for group in from_folder("wycheproof_chacha20_poly1305.json")["testGroups"]:
        for test in group["tests"]:
            cipher = ChaCha20Poly1305(raw(test["key"]))
            iv, aad, text, box = raw(test["iv"]), raw(test["aad"]), raw(test["msg"]), raw(test["ct"] + test["tag"])
            results["nonce of another length" if len(iv) != 12 else test["result"]] += 1
            if test["result"] == "valid":
                assert cipher.encrypt(iv, text, aad) == box
                assert cipher.decrypt(iv, box, aad) == text
            else:
                with pytest.raises((InvalidTag, ValueError)):
                    cipher.decrypt(iv, box, aad)
    assert results == {"valid": 256, "invalid": 60, "nonce of another length": 9}


def test_ml_kem_768_key_generation_decapsulation_and_implicit_rejection() -> None:
    ran = 0
    for vector in records(from_package("asymmetric/MLKEM/kat_MLKEM_768.rsp"), "count"):
        key = kem.generate(raw(vector["d"] + vector["z"]))
        assert kem.encapsulation_key(key) == raw(vector["pk"])
        assert kem.decapsulate(key, raw(vector["ct"])) == raw(vector["ss"])
        assert kem.decapsulate(key, raw(vector["ct_n"])) == raw(vector["ss_n"])
        ran += 1
    assert ran >= 100


def test_hkdf_of_rfc_5869() -> None:
    ran = 0
    for vector in records(from_package("KDF/rfc-5869-HKDF-SHA256.txt"), "count"):
        prk = extract(raw(vector["salt"]), raw(vector["ikm"]))
        assert prk == raw(vector["prk"])
        assert mac(prk, raw(vector["info"]) + b"\x01") == raw(vector["okm"])[:32]  # its first block is all that is used
        ran += 1
    assert ran >= 3


def test_hmac_of_rfc_4231() -> None:
    ran = 0
    for vector in records(from_package("HMAC/rfc-4231-sha256.txt"), "len"):
        expected = raw(vector["md"])
        assert mac(raw(vector["key"]), raw(vector["msg"]))[: len(expected)] == expected
        ran += 1
    assert ran >= 6


def test_x25519_of_rfc_7748() -> None:
    ran = 0
    for vector in records(from_package("asymmetric/X25519/rfc7748.txt"), "count"):
        if "output_u" not in vector:
            continue
        private = X25519PrivateKey.from_private_bytes(raw(vector["input_scalar"]))
        assert private.exchange(X25519PublicKey.from_public_bytes(raw(vector["input_u"]))) == raw(vector["output_u"])
        ran += 1
    assert ran >= 3


def test_ed25519_of_its_authors() -> None:
    ran = 0
    for line in from_package("asymmetric/Ed25519/sign.input"):
        if not line:
            continue
        secret, public, message, signed = (raw(field) for field in line.split(":")[:4])
        signature = signed[:64]
        assert Ed25519PrivateKey.from_private_bytes(secret[:32]).sign(message) == signature
        assert verify(public, signature, message)
        assert not verify(public, signature, message + b"\0")
        ran += 1
    assert ran == 1024


def test_chacha20_poly1305_of_openssl() -> None:
    results: Counter[str] = Counter()
    for vector in records(from_package("ciphers/ChaCha20Poly1305/openssl.txt"), "count"):
        if len(vector["iv"]) != 24 or len(vector["tag"]) != 32:
            continue  # nonces and tags of other lengths, which nothing here makes
        cipher = ChaCha20Poly1305(raw(vector["key"]))
        box = raw(vector["ciphertext"] + vector["tag"])
        if vector.get("result") == "CIPHERFINAL_ERROR":
            with pytest.raises(InvalidTag):
                cipher.decrypt(raw(vector["iv"]), box, raw(vector["aad"]))
            results["refused"] += 1
            continue
        assert cipher.encrypt(raw(vector["iv"]), raw(vector["plaintext"]), raw(vector["aad"])) == box
        results["sealed"] += 1
    assert results["sealed"] >= 1
    assert results["refused"] >= 1
