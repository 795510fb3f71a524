"""The project's own vectors: that they are what the code does, and that somebody who has only the document agrees.

The second half uses nothing of this project's cryptography: `noiseprotocol` for the handshakes, `cryptography` for the
primitives, and the byte layouts of docs/encryption.md. It is what a client in another language does with these files.
"""

from __future__ import annotations

import hmac
import json
import unicodedata
import warnings
from base64 import urlsafe_b64decode
from hashlib import sha256
from typing import Any

import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand
from dispatch.api.thread.v1.thread_pb2 import TransferWord
from dispatch.ids import FileId, TransferId
from dispatch.names import NameInvalid, peer_name
from dispatch.pairing.link import LinkError, read_link
from dispatch.sealed.chain import Chain, open_
from dispatch.sealed.errors import SealError
from dispatch.sealed.file import FileSeal, TransferEnd
from dispatch.sealed.keys import PairKeys
from noise.connection import Keypair, NoiseConnection  # type: ignore[import-untyped]  # it ships no types

from tests.vectors.make import FILES, FOLDER, build

raw = bytes.fromhex


def load(name: str) -> Any:
    return json.loads((FOLDER / name).read_text())


# ---- The code agrees with the files ----


def test_the_files_are_what_the_script_writes() -> None:
    """If this fails, the protocol has changed: that takes a reason and an ADR, or it is a defect."""
    built = build()
    assert {path.name for path in FOLDER.glob("*.json")} == set(FILES)
    for name, text in built.items():
        assert (FOLDER / name).read_text() == text, name


def test_links() -> None:
    vector = load("link.json")
    good = vector["good"]
    code = read_link(good["link"])
    assert (code.offer_id, code.secret, code.host_x25519) == tuple(
        raw(good[field]) for field in ("offer_id", "secret", "host_x25519")
    )
    assert code.service == good["service"]
    for bad in vector["bad"]:
        with pytest.raises(LinkError) as caught:
            read_link(bad["link"])
        assert caught.value.fault.name == bad["fault"]


def test_frames_open_in_order_and_the_others_are_refused_for_the_named_reason() -> None:
    vector = load("chain.json")
    start = chain = Chain.from_bytes(raw(vector["chain"]["stored"]))
    at = {0: start}
    for frame in vector["frames"]:
        body, chain = open_(chain, raw(frame["sealed"]))
        assert body == raw(frame["body"])
        at[chain.n] = chain
    assert open_(start, raw(vector["furthest"]["sealed"])).body == raw(vector["furthest"]["body"])
    for place in (0, 2):
        for refused in vector[f"refused_by_the_chain_at_{place}"]:
            with pytest.raises(SealError) as caught:
                open_(at[place], raw(refused["sealed"]))
            assert caught.value.why.name == refused["why"]


def test_chunks_and_words_of_a_file_open_and_the_others_are_refused_for_the_named_reason() -> None:
    vector = load("file.json")
    seal = FileSeal(FileId(raw(vector["file_id"])), 5, raw(vector["key"]))
    chunk = next(case for case in vector["files"] if case["size"] == 5)["chunks"][0]
    assert seal.open_chunk(raw(chunk["sealed"]), expected=0) == b"\x01" * 5
    for word in vector["words_of_the_file_of_5_bytes"]:
        said = seal.open_word(TransferId(raw(vector["transfer_id"])), TransferEnd(word["end"]), raw(word["sealed"]))
        assert said == raw(word["body"])
        TransferWord.FromString(said)
    for refused in vector["refused_as_chunk_0_of_5_bytes"]:
        with pytest.raises(SealError) as caught:
            seal.open_chunk(raw(refused["sealed"]), expected=0)
        assert caught.value.why.name == refused["why"]


def test_names() -> None:
    vector = load("encodings.json")
    for name in vector["names_taken"]:
        assert peer_name(name) == name
    for name in vector["names_refused"]:
        with pytest.raises(NameInvalid):
            peer_name(name)


# ---- Somebody who has only the document agrees ----


def enc(*fields: bytes | str) -> bytes:
    parts = [field.encode() if isinstance(field, str) else field for field in fields]
    return b"".join(len(part).to_bytes(2, "big") + part for part in parts)


def mac(key: bytes, data: bytes) -> bytes:
    return hmac.new(key, data, "sha256").digest()


def kdf(prk: bytes, label: bytes, length: int) -> bytes:
    return HKDFExpand(SHA256(), length, b"dispatch/1 " + label).derive(prk)


def prk_of(h: bytes, k1: bytes, k2: bytes, secret: bytes) -> bytes:
    return mac(h, k1 + k2 + secret)


def open_box(key: bytes, aad: bytes, box: bytes) -> bytes:
    return ChaCha20Poly1305(mac(key, box[:16])).decrypt(bytes(12), box[16:], aad)


def open_frame(pair_id: bytes, direction: int, frame_class: int, chain_key: bytes, sealed: bytes) -> bytes:
    aad = b"dispatch/frame/1" + pair_id + bytes([direction, frame_class]) + sealed[:17]
    text = open_box(mac(chain_key, b"\x01"), aad, sealed[17:])
    assert len(text) in (256, 1024, 4096, 16384, 65536)
    length = int.from_bytes(text[:4], "big")
    assert not any(text[4 + length :])
    return text[4 : 4 + length]


def ed25519(private: str) -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(raw(private))


def ed25519_public(private: str) -> bytes:
    return ed25519(private).public_key().public_bytes_raw()


def x25519_public(private: str) -> bytes:
    return X25519PrivateKey.from_private_bytes(raw(private)).public_key().public_bytes_raw()


class Noise:
    """A side of a handshake by the independent implementation, its ephemeral key fixed."""

    def __init__(
        self,
        protocol: str,
        *,
        initiator: bool,
        prologue: bytes,
        psk: str,
        static: str,
        remote: bytes | None,
        ephemeral: str,
    ) -> None:
        self.initiator = initiator
        self.side = NoiseConnection.from_name(protocol.encode())
        (self.side.set_as_initiator if initiator else self.side.set_as_responder)()
        self.side.set_psks(psks=[raw(psk)])
        self.side.set_prologue(prologue)
        self.side.set_keypair_from_private_bytes(Keypair.STATIC, raw(static))
        if remote is not None:
            self.side.set_keypair_from_public_bytes(Keypair.REMOTE_STATIC, remote)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it warns about every ephemeral key that is set, which vectors need
            self.side.set_keypair_from_private_bytes(Keypair.EPHEMERAL, raw(ephemeral))
            self.side.start_handshake()

    def write(self, payload: bytes) -> bytes:
        return bytes(self.side.write_message(payload))

    def read(self, message: bytes) -> bytes:
        return bytes(self.side.read_message(message))

    def split(self) -> tuple[bytes, bytes, bytes]:
        state = self.side.noise_protocol
        own, peer = state.cipher_state_encrypt.k, state.cipher_state_decrypt.k
        k1, k2 = (own, peer) if self.initiator else (peer, own)
        return self.side.get_handshake_hash(), k1, k2


@pytest.mark.parametrize("case", load("noise.json")["cases"], ids=lambda case: case["protocol"])
@pytest.mark.parametrize("initiator", [True, False])
def test_noise_by_another_implementation(case: Any, initiator: bool) -> None:
    own, peer = ("initiator", "responder") if initiator else ("responder", "initiator")
    knows_peer = initiator or "KK" in case["protocol"]
    side = Noise(
        case["protocol"],
        initiator=initiator,
        prologue=raw(case["prologue"]),
        psk=case["psk"],
        static=case[f"{own}_static"],
        remote=x25519_public(case[f"{peer}_static"]) if knows_peer else None,
        ephemeral=case[f"{own}_ephemeral"],
    )
    for number, message in enumerate(case["messages"]):
        if (number % 2 == 0) == initiator:
            assert side.write(raw(message["payload"])) == raw(message["message"])
        else:
            assert side.read(raw(message["message"])) == raw(message["payload"])
    assert [part.hex() for part in side.split()] == [case["h"], case["k1"], case["k2"]]


def test_the_ceremony_by_the_document() -> None:
    vector = load("pairing.json")
    offer, phone, host, steps = (vector[part] for part in ("offer", "phone", "host", "steps"))
    derived = vector["derived"]
    kem = MLKEM768PrivateKey.from_seed_bytes(raw(phone["kem_seed"]))
    offer_prk = mac(bytes(32), raw(offer["secret"]))
    side = Noise(
        "Noise_XKpsk3_25519_ChaChaPoly_SHA256",
        initiator=True,
        prologue=enc("dispatch/pair/1", raw(offer["offer_id"]), offer["service"]),
        psk=kdf(offer_prk, b"pair psk", 32).hex(),
        static=phone["x25519_private"],
        remote=x25519_public(offer["host_x25519_private"]),
        ephemeral=phone["ephemeral"],
    )
    phone_key, host_key = ed25519_public(phone["ed25519_private"]), ed25519_public(host["ed25519_private"])

    assert side.write(kem.public_key().public_bytes_raw()).hex() == steps["1"]
    payload = side.read(raw(steps["2"]))
    assert payload[1088:] == host_key + host["name"].encode()
    secret = kem.decapsulate(payload[:1088])
    assert (payload[:1088].hex(), secret.hex()) == (vector["kem"]["ciphertext"], vector["kem"]["secret"])
    assert side.write(phone_key + phone["name"].encode()).hex() == steps["3"]

    h, k1, k2 = side.split()
    prk = prk_of(h, k1, k2, secret)
    assert {"h": h.hex(), "prk": prk.hex()} == {name: derived[name] for name in ("h", "prk")}
    keys = {name: kdf(prk, b"pair " + name.encode(), 32) for name in ("p2h", "h2p")}
    assert {name: key.hex() for name, key in keys.items()} == {name: derived[name] for name in keys}
    pair_id = kdf(prk, b"pair id", 16)
    assert (pair_id.hex(), kdf(prk, b"session psk", 32).hex()) == (vector["pair_id"], vector["pair_psk"])

    texts = {
        step: open_box(keys["p2h" if step % 2 else "h2p"], b"dispatch/pair/1" + bytes([step]), raw(steps[str(step)]))
        for step in range(4, 9)
    }
    n_host, n_phone = raw(host["n_host"]), raw(phone["n_phone"])
    assert texts[4] == sha256(b"dispatch/pair/1 commit" + h + n_host).digest()
    assert (texts[5], texts[6]) == (n_phone, n_host)
    number = int.from_bytes(kdf(prk, b"sas" + n_host + n_phone, 8), "big") % 1_000_000
    assert vector["code"] == f"{number // 1000:03} {number % 1000:03}"

    attestation = enc("dispatch/attest/1", pair_id, offer["service"], host_key, phone_key)
    assert attestation.hex() == vector["attestation"]
    assert texts[7] == ed25519(phone["ed25519_private"]).sign(attestation) == raw(vector["phone_signature"])
    assert texts[8] == ed25519(host["ed25519_private"]).sign(attestation) == raw(vector["host_signature"])
    stored = PairKeys.from_bytes(raw(vector["stored"]["phone"]))
    assert stored.pair_psk.hex() == vector["pair_psk"]


def test_the_code_by_the_document() -> None:
    good = load("link.json")["good"]
    data = urlsafe_b64decode(good["link"].removeprefix("dispatch:pair#") + "==")
    host_key = x25519_public(good["host_x25519_private"])
    assert data == b"\x01" + raw(good["offer_id"]) + raw(good["secret"]) + host_key + good["service"].encode()
    prk = mac(bytes(32), raw(good["secret"]))
    token = kdf(prk, b"claim", 32)
    assert (token.hex(), sha256(token).hexdigest()) == (good["claim_token"], good["claim_token_hash"])
    assert kdf(prk, b"pair psk", 32).hex() == good["psk"]


@pytest.mark.parametrize("case", load("session.json")["cases"], ids=lambda case: case["name"])
def test_a_session_by_the_document(case: Any) -> None:
    phone, host = case["phone"], case["host"]
    header = raw(case["pair_id"]) + bytes([len(case["versions_offered"]), *case["versions_offered"]])
    kem = MLKEM768PrivateKey.from_seed_bytes(raw(phone["kem_seed"]))
    side = Noise(
        "Noise_KKpsk0_25519_ChaChaPoly_SHA256",
        initiator=True,
        prologue=enc("dispatch/session/1", header, raw(host["own_ed25519_public"]), raw(phone["own_ed25519_public"])),
        psk=case["pair_psk"],
        static=phone["own_x25519_private"],
        remote=raw(phone["peer_x25519_public"]),
        ephemeral=phone["ephemeral"],
    )
    head = case["head"]["number"].to_bytes(8, "big") + raw(case["head"]["hash"])

    message1 = side.write(kem.public_key().public_bytes_raw() + enc(raw(case["grant"])) + head)
    assert (b"\x81" + header + message1).hex() == case["message1"]
    assert case["message2"].startswith("82")
    payload = side.read(raw(case["message2"])[1:])

    assert payload[1088] == 1
    assert payload[1089:].hex() == (case["host_epoch"] or "00" * 8)
    prk = prk_of(*side.split(), kem.decapsulate(payload[:1088]))
    epoch = kdf(prk, b"epoch", 8)
    assert epoch.hex() == case["epoch"]
    for label, chain in case["chains"].items():
        key = kdf(prk, label.encode(), 32)
        assert key.hex() == chain["key"]
        frame = raw(chain["first_frame"]["sealed"])
        assert frame[:17] == b"\x01" + epoch + bytes(8)
        body = open_frame(raw(case["pair_id"]), chain["direction"], chain["class"], key, frame)
        assert body.hex() == chain["first_frame"]["body"]


def test_chains_by_the_document() -> None:
    vector = load("chain.json")
    at = vector["chain"]
    key = raw(at["key"])
    for frame in vector["frames"]:
        assert key.hex() == frame["chain_key"]
        assert mac(key, b"\x01").hex() == frame["message_key"]
        sealed = raw(frame["sealed"])
        assert sealed[:17] == b"\x01" + raw(at["epoch"]) + frame["n"].to_bytes(8, "big")
        assert sealed[17:33].hex() == frame["salt"]
        body = open_frame(raw(at["pair_id"]), at["direction"], at["class"], key, sealed)
        assert body.hex() == frame["body"]
        assert sha256(sealed).digest()[:16].hex() == frame["message_id"]
        key = mac(key, b"\x02")
    stored = raw(at["pair_id"]) + raw(at["epoch"]) + bytes([at["direction"], at["class"]]) + bytes(8) + raw(at["key"])
    assert at["stored"] == (b"\x01" + stored).hex()
    for refused in vector["refused_by_the_chain_at_0"]:
        if refused["why"] == "BAD_TAG":
            with pytest.raises(InvalidTag):
                open_frame(raw(at["pair_id"]), at["direction"], at["class"], raw(at["key"]), raw(refused["sealed"]))


def test_events_and_signed_words_by_the_document() -> None:
    vector = load("history.json")
    before = bytes(32)
    for event in vector["events"]:
        assert event["previous"] == before.hex()
        before = sha256(b"dispatch/event/1" + before + raw(event["event"])).digest()
        assert event["hash"] == before.hex()
    task, head = vector["task"], vector["head"]
    place = task["head"]["number"].to_bytes(8, "big"), raw(task["head"]["hash"])
    words = enc(
        "dispatch/task/1",
        raw(task["pair_id"]),
        raw(task["task_id"]),
        task["attempt"].to_bytes(4, "big"),
        sha256(raw(task["body"])).digest(),
        place[0] + place[1],
    )
    assert words.hex() == task["signed_bytes"]
    assert ed25519(task["ed25519_private"]).sign(words).hex() == task["signature"]
    words = enc("dispatch/head/1", raw(head["pair_id"]), *place)
    assert words.hex() == head["signed_bytes"]
    assert ed25519(head["ed25519_private"]).sign(words).hex() == head["signature"]
    file = vector["thread_file"]
    words = enc("dispatch/thread-file/1", raw(file["lines_sha256"]))
    assert words.hex() == file["signed_bytes"]
    assert ed25519(file["ed25519_private"]).sign(words).hex() == file["signature"]


def test_proofs_by_the_document() -> None:
    vector = load("proofs.json")
    device, stream, call = vector["device"], vector["stream"], vector["call"]
    device_id = sha256(b"dispatch/device/1" + ed25519_public(device["ed25519_private"])).digest()[:16]
    assert device_id.hex() == device["device_id"]
    words = enc(
        "dispatch-pop/1 stream",
        stream["dialled"],
        device_id,
        raw(stream["client_nonce"]),
        raw(stream["server_nonce"]),
        sha256(raw(stream["grant"])).digest(),
    )
    assert (words.hex(), ed25519(device["ed25519_private"]).sign(words).hex()) == (
        stream["signed_bytes"],
        stream["signature"],
    )
    words = enc(
        "dispatch-pop/1 call",
        call["dialled"],
        call["method"],
        device_id,
        raw(call["nonce"]),
        sha256(raw(call["request"])).digest(),
    )
    assert (words.hex(), ed25519(device["ed25519_private"]).sign(words).hex()) == (
        call["signed_bytes"],
        call["signature"],
    )


def test_attestation_grant_and_key_set_by_the_document() -> None:
    vector = load("proofs.json")
    attested, grant, keys = vector["attestation"], vector["grant"], vector["key_set"]
    words = enc(
        "dispatch/attest/1",
        raw(attested["pair_id"]),
        attested["service"],
        ed25519_public(attested["host_ed25519_private"]),
        ed25519_public(attested["phone_ed25519_private"]),
    )
    assert words.hex() == attested["signed_bytes"]
    for who in ("host", "phone"):
        assert ed25519(attested[f"{who}_ed25519_private"]).sign(words).hex() == attested[f"{who}_signature"]
    words = enc("dispatch/grant/1", raw(grant["grant"]))
    assert (words.hex(), ed25519(grant["ed25519_private"]).sign(words).hex()) == (
        grant["signed_bytes"],
        grant["signature"],
    )
    assert grant["key_id"] == sha256(ed25519_public(grant["ed25519_private"])).digest()[:8].hex()
    words = enc("dispatch/keys/1", keys["sequence"].to_bytes(8, "big"), *(raw(key) for key in keys["keys"]))
    assert words.hex() == keys["signed_bytes"]
    assert [one["key_id"] for one in keys["signatures"]] == [
        sha256(raw(key)).digest()[:8].hex() for key in keys["keys"]
    ]


def test_encodings_by_the_document() -> None:
    vector = load("encodings.json")
    for case in vector["enc"]:
        assert enc(*(raw(field) for field in case["fields"])).hex() == case["bytes"]
    for case in vector["message_id"]:
        assert sha256(raw(case["sealed"])).digest()[:16].hex() == case["message_id"]
    for case in vector["key_id"]:
        assert sha256(raw(case["ed25519_public"])).digest()[:8].hex() == case["key_id"]
    assert all(unicodedata.is_normalized("NFC", name) for name in vector["names_taken"])
    derivations = load("kdf.json")
    for case in derivations["derived"]:
        assert kdf(raw(derivations["prk"]), case["label"].encode(), 32).hex() == case["bytes"]


def seal_box(key: bytes, aad: bytes, text: bytes, salt: bytes) -> bytes:
    return salt + ChaCha20Poly1305(mac(key, salt)).encrypt(bytes(12), text, aad)


def test_files_by_the_document_alone() -> None:
    vector = load("file.json")
    key, file_id, transfer_id = (raw(vector[name]) for name in ("key", "file_id", "transfer_id"))
    for case in vector["files"]:
        count = max(1, (case["size"] + 65_535) // 65_536)
        assert len(case["chunks"]) == count
        for chunk in case["chunks"]:
            index = chunk["index"].to_bytes(4, "big")
            aad = b"dispatch/file/1" + file_id + index + bytes([chunk["index"] == count - 1])
            content = bytes([chunk["index"] + 1]) * chunk["bytes"]
            sealed = b"\x01" + index + seal_box(key, aad, content, raw(chunk["salt"]))
            assert chunk.get("sealed", sealed.hex()) == sealed.hex()
            assert chunk.get("sealed_sha256", sha256(sealed).hexdigest()) == sha256(sealed).hexdigest()
    for word in vector["words_of_the_file_of_5_bytes"]:
        aad = b"dispatch/file-word/1" + file_id + transfer_id + bytes([word["end"]])
        assert word["sealed"] == (b"\x02" + seal_box(key, aad, raw(word["body"]), raw(word["salt"]))).hex()


def test_the_proof_of_a_transfer_by_the_document_alone() -> None:
    vector = load("proofs.json")
    transfer = vector["transfer"]
    signed = enc(
        "dispatch-pop/1 transfer",
        transfer["dialled"],
        raw(vector["device"]["device_id"]),
        raw(transfer["client_nonce"]),
        raw(transfer["server_nonce"]),
        sha256(raw(transfer["grant"])).digest(),
        raw(transfer["transfer_id"]),
    )
    assert transfer["signed_bytes"] == signed.hex()
    key = Ed25519PrivateKey.from_private_bytes(raw(vector["device"]["ed25519_private"]))
    key.public_key().verify(raw(transfer["signature"]), signed)
