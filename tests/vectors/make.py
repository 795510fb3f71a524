"""Writes the project's own vectors: `python -m tests.vectors.make`. tests/vectors/README.md says how to read them.

Every random draw is fixed and stands in the file under a name. The one exception is ML-KEM's encapsulation, whose
randomness the library draws itself: its results are taken from the files as they are, and made anew only when missing.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from dispatch.attestation import attestation
from dispatch.device.thread_file import seal_words
from dispatch.encoding import enc, message_id
from dispatch.files.names import safe_name
from dispatch.ids import FileId, PairId, TransferId
from dispatch.noise import Handshake
from dispatch.pairing.host import HostCeremony
from dispatch.pairing.link import SCHEME, Offer
from dispatch.pairing.phone import PhoneCeremony
from dispatch.plain import plain
from dispatch.proof import (
    PinnedKeys,
    call_proof_bytes,
    device_id,
    key_id,
    sign_grant,
    sign_key_set,
    stream_proof_bytes,
    transfer_proof_bytes,
)
from dispatch.sealed import kem
from dispatch.sealed.chain import FURTHEST_AHEAD, Chain, seal
from dispatch.sealed.errors import Why
from dispatch.sealed.file import CHUNK_BYTES, FileSeal, TransferEnd, count_of
from dispatch.sealed.frame import Direction, FrameClass
from dispatch.sealed.handshake import PhoneHandshake, answer
from dispatch.sealed.head import Head
from dispatch.sealed.history import event_hash, head_words, task_words
from dispatch.sealed.kdf import derive, mac
from dispatch.sealed.keys import PairKeys

from tests.support.pairs import counted, make_pair, public, signing_key

FOLDER = Path(__file__).parent
Vector = dict[str, Any]


class Draws:
    """An rng whose draws have names and are remembered."""

    def __init__(self, seed: str, names: Iterable[str]) -> None:
        self._rng = counted(f"vector {seed}")
        self._names = iter(names)
        self.drawn: dict[str, str] = {}

    def __call__(self, length: int) -> bytes:
        value = self._rng(length)
        self.drawn[next(self._names)] = value.hex()
        return value


class Kem:
    """Encapsulation as it was once recorded, by name."""

    def __init__(self, recorded: Vector) -> None:
        self.recorded = recorded

    def named(self, name: str) -> kem.Encapsulate:
        """Give the function that a ceremony or session takes."""

        def encapsulate(key: bytes) -> kem.Encapsulated:
            kept = self.recorded.get(name)
            if kept is None or kept["encapsulation_key"] != key.hex():
                secret, ciphertext = kem.encapsulate(key)
                kept = {"encapsulation_key": key.hex(), "ciphertext": ciphertext.hex(), "secret": secret.hex()}
                self.recorded[name] = kept
            return kem.Encapsulated(bytes.fromhex(kept["secret"]), bytes.fromhex(kept["ciphertext"]))

        return encapsulate


def encodings(_: Kem) -> Vector:
    """Enc, ids, names."""
    fields = [[], [""], ["61", "6263"], ["6162", "63"], ["00" * 300]]
    key = public(signing_key("vector phone"))
    return {
        "enc": [{"fields": one, "bytes": enc(*(bytes.fromhex(field) for field in one)).hex()} for one in fields],
        "message_id": [{"sealed": b"sealed".hex(), "message_id": message_id(b"sealed").hex()}],
        "device_id": [{"ed25519_public": key.hex(), "device_id": device_id(key).hex()}],
        "key_id": [{"ed25519_public": key.hex(), "key_id": key_id(key).hex()}],
        "names_taken": ["Phone", "B\u00fcro", "\u4e66\u623f", "a" * 64],
        "names_refused": ["", " x", "x ", "Bu\u0308ro", "a" * 65, "a\nb", "a\u202eb", "a\u200fb", "a\u2028b", "a\x00b"],
    }


def noise(_: Kem) -> Vector:
    """Both handshakes that are used, with short payloads."""
    cases = []
    for protocol, hidden in (
        ("Noise_XKpsk3_25519_ChaChaPoly_SHA256", True),
        ("Noise_KKpsk0_25519_ChaChaPoly_SHA256", False),
    ):
        keys = [X25519PrivateKey.from_private_bytes(counted(f"vector noise {who}")(32)) for who in ("i", "r")]
        draws = [Draws(f"noise {protocol} {who}", ["ephemeral"]) for who in ("i", "r")]
        psk = counted("vector noise psk")(32)
        sides = [
            Handshake(
                protocol,
                initiator=not own,
                rng=draws[own],
                prologue=b"prologue",
                s=keys[own],
                rs=None if own and hidden else public(keys[1 - own]),
                psks=[psk],
            )
            for own in (0, 1)
        ]
        messages: list[Vector] = []
        while not sides[0].done:
            writer = len(messages) % 2
            payload = b"payload %d" % len(messages)
            wire = sides[writer].write(payload)
            sides[1 - writer].read(wire)
            messages.append({"payload": payload.hex(), "message": wire.hex()})
        split = sides[0].split()
        cases.append(
            {
                "protocol": protocol,
                "prologue": b"prologue".hex(),
                "psk": psk.hex(),
                "initiator_static": keys[0].private_bytes_raw().hex(),
                "responder_static": keys[1].private_bytes_raw().hex(),
                "initiator_ephemeral": draws[0].drawn["ephemeral"],
                "responder_ephemeral": draws[1].drawn["ephemeral"],
                "messages": messages,
                "h": split.h.hex(),
                "k1": split.k1.hex(),
                "k2": split.k2.hex(),
            }
        )
    return {"cases": cases}


def links(_: Kem) -> Vector:
    """The code and what follows from it."""
    draws = Draws("offer", ["offer_id", "secret", "host_x25519_private"])
    offer = Offer.make(service="pairing.example:7301", rng=draws)
    good = offer.code.link
    return {
        "good": {
            **draws.drawn,
            "host_x25519": offer.code.host_x25519.hex(),
            "service": offer.code.service,
            "link": good,
            "claim_token": offer.code.claim_token.hex(),
            "claim_token_hash": offer.code.claim_token_hash.hex(),
            "psk": offer.code.psk.hex(),
        },
        "bad": [
            {"link": "https://example.org/", "fault": "NOT_OURS"},
            {"link": "WIFI:T:WPA;S:home;P:word;;", "fault": "NOT_OURS"},
            {"link": good[:-1], "fault": "DAMAGED"},
            {"link": good + "=", "fault": "DAMAGED"},
            {"link": good[:30] + "\n" + good[30:], "fault": "DAMAGED"},
            {"link": SCHEME + "AQ", "fault": "DAMAGED"},
            {"link": SCHEME + "AgAA", "fault": "NEWER"},
        ],
    }


def pairing(kems: Kem) -> Vector:
    """A whole ceremony, both people saying yes."""
    offer_draws = Draws("ceremony offer", ["offer_id", "secret", "host_x25519_private"])
    phone_draws = Draws("ceremony phone", ["x25519_private", "kem_seed", "ephemeral", "n_phone", "salt_5", "salt_7"])
    host_draws = Draws("ceremony host", ["ephemeral", "n_host", "salt_4", "salt_6", "salt_8"])
    phone_key, host_key = signing_key("vector phone"), signing_key("vector host")
    offer = Offer.make(service="pairing.example:7301", rng=offer_draws)
    phone = PhoneCeremony(offer.code, own_ed25519=public(phone_key), own_name="Ann's phone", rng=phone_draws)
    host = HostCeremony(
        offer,
        own_ed25519=public(host_key),
        own_name="B\u00fcro",
        rng=host_draws,
        encapsulate=kems.named("pairing"),
    )
    steps: dict[str, str] = {}
    derived: dict[str, str] = {}

    def carry(outgoing: list[Any]) -> None:
        rest = list(outgoing)
        while rest:
            step, payload = rest.pop(0)
            steps[str(step)] = payload.hex()
            rest += (host if step % 2 else phone).receive(step, payload)

    carry(phone.begin())
    secrets = phone._secrets
    assert secrets is not None
    code = phone.code
    derived |= {"h": secrets.h.hex(), "prk": secrets.prk.hex()}
    derived |= {"p2h": secrets.own_key.hex(), "h2p": secrets.peer_key.hex()}
    host.confirm(host_key.sign)
    carry(phone.confirm(phone_key.sign))
    result, of_host = phone.result, host.result
    assert result is not None
    assert of_host is not None
    assert result.host_signature is not None
    return {
        "offer": {**offer_draws.drawn, "service": offer.code.service, "link": offer.code.link},
        "phone": {**phone_draws.drawn, "ed25519_private": phone_key.private_bytes_raw().hex(), "name": "Ann's phone"},
        "host": {**host_draws.drawn, "ed25519_private": host_key.private_bytes_raw().hex(), "name": "B\u00fcro"},
        "kem": kems.recorded["pairing"],
        "steps": steps,
        "derived": derived,
        "code": code,
        "pair_id": result.keys.pair_id.hex(),
        "pair_psk": result.keys.pair_psk.hex(),
        "attestation": result.attestation.hex(),
        "phone_signature": result.phone_signature.hex(),
        "host_signature": result.host_signature.hex(),
        "stored": {"phone": result.keys.to_bytes().hex(), "host": of_host.keys.to_bytes().hex()},
    }


def keys_of(keys: PairKeys) -> dict[str, str]:
    """Write the keys of one side."""
    return {
        "own_x25519_private": keys.own_x25519.hex(),
        "peer_x25519_public": keys.peer_x25519.hex(),
        "own_ed25519_public": keys.own_ed25519.hex(),
        "peer_ed25519_public": keys.peer_ed25519.hex(),
    }


def sessions(kems: Kem) -> Vector:
    """A session's handshake and the first frame of each chain; once with a host that seals in an epoch, once without."""
    cases = []
    pair = make_pair("vector session")
    for name, host_epoch in (("first session", None), ("a later session", bytes(range(8)))):
        phone_draws = Draws(f"session phone {name}", ["kem_seed", "ephemeral"])
        host_draws = Draws(f"session host {name}", ["ephemeral"])
        head = Head() if host_epoch is None else Head(258, bytes(range(32)))
        phone = PhoneHandshake(pair.phone, grant=b"a serialized grant", head=head, now_ms=0, rng=phone_draws)
        answered = answer(
            pair.host,
            phone.message1,
            host_epoch=host_epoch,
            now_ms=0,
            rng=host_draws,
            encapsulate=kems.named(name),
        )
        epoch, _ = phone.finish(answered.message2, now_ms=0)
        chains: dict[str, Any] = {}
        for label, chain in (
            ("up command", epoch.up_command),
            ("up live", epoch.up_live),
            ("down keep", epoch.down_keep),
            ("down live", epoch.down_live),
        ):
            draws = Draws(f"session {name} {label}", ["salt"])
            body = b"" if label == "up live" else label.encode()
            sealed = seal(chain, body, draws).sealed
            chains[label] = {
                "direction": int(chain.direction),
                "class": int(chain.frame_class),
                "key": chain.key.hex(),
                "first_frame": {**draws.drawn, "body": body.hex(), "sealed": sealed.hex()},
            }
        cases.append(
            {
                "name": name,
                "pair_id": pair.phone.pair_id.hex(),
                "pair_psk": pair.phone.pair_psk.hex(),
                "phone": {**keys_of(pair.phone), **phone_draws.drawn},
                "host": {**keys_of(pair.host), **host_draws.drawn},
                "versions_offered": [1],
                "grant": b"a serialized grant".hex(),
                "head": {"number": head.number, "hash": head.hash.hex()},
                "host_epoch": host_epoch.hex() if host_epoch else None,
                "kem": kems.recorded[name],
                "message1": phone.message1.hex(),
                "message2": answered.message2.hex(),
                "epoch": epoch.epoch.hex(),
                "chains": chains,
            }
        )
    return {"cases": cases}


def chains(_: Kem) -> Vector:
    """Frames along a chain, with every size of text, and frames that must not open."""
    start = Chain(
        pair_id=PairId(bytes(range(16))),
        epoch=b"epoch-08",
        direction=Direction.DOWN,
        frame_class=FrameClass.KEEP,
        n=0,
        key=counted("vector chain")(32),
    )
    chain, frames = start, []
    for body in (b"", b"body", b"b" * 252, b"b" * 253, b"b" * 1021):
        draws = Draws(f"chain {chain.n}", ["salt"])
        sealed, after = seal(chain, body, draws)
        frames.append(
            {
                "n": chain.n,
                "chain_key": chain.key.hex(),
                "message_key": mac(chain.key, b"\x01").hex(),
                "salt": draws.drawn["salt"],
                "body": body.hex(),
                "sealed": sealed.hex(),
                "message_id": message_id(sealed).hex(),
            }
        )
        chain = after

    def at(n: int) -> bytes:
        turned = start
        for _ in range(n):
            turned = replace(turned, n=turned.n + 1, key=mac(turned.key, b"\x02"))
        return seal(turned, b"far", Draws(f"far {n}", ["salt"])).sealed

    good = bytes.fromhex(str(frames[1]["sealed"]))
    far = at(FURTHEST_AHEAD)
    return {
        "chain": {
            "pair_id": start.pair_id.hex(),
            "epoch": start.epoch.hex(),
            "direction": int(start.direction),
            "class": int(start.frame_class),
            "n": start.n,
            "key": start.key.hex(),
            "stored": start.to_bytes().hex(),
        },
        "frames": frames,
        "furthest": {"n": FURTHEST_AHEAD, "body": b"far".hex(), "sealed": far.hex()},
        "refused_by_the_chain_at_0": [
            {"why": Why.MALFORMED.name, "sealed": ""},
            {"why": Why.MALFORMED.name, "sealed": good[:-1].hex()},
            {"why": Why.MALFORMED.name, "sealed": (good + b"\0").hex()},
            {"why": Why.VERSION.name, "sealed": (b"\x02" + good[1:]).hex()},
            {"why": Why.UNKNOWN_EPOCH.name, "sealed": (good[:1] + b"EPOCH-08" + good[9:]).hex()},
            {"why": Why.TOO_FAR.name, "sealed": at(FURTHEST_AHEAD + 1).hex()},
            {"why": Why.BAD_TAG.name, "sealed": (good[:-1] + bytes([good[-1] ^ 1])).hex()},
            {"why": Why.BAD_TAG.name, "sealed": (good[:16] + b"\x02" + good[17:]).hex()},
        ],
        "refused_by_the_chain_at_2": [{"why": Why.TOO_OLD.name, "sealed": good.hex()}],
    }


def history(_: Kem) -> Vector:
    """Linked events, and the words that are signed."""
    at, events = Head(), []
    for event in (b"the first event's bytes", b"the second event's bytes", b""):
        hashed = event_hash(at.hash, event)
        events.append({"number": at.number + 1, "previous": at.hash.hex(), "event": event.hex(), "hash": hashed.hex()})
        at = Head(at.number + 1, hashed)
    phone, host = signing_key("vector phone"), signing_key("vector host")
    pair_id, task_id = bytes(range(16)), bytes(range(16, 32))
    task = task_words(pair_id=pair_id, task_id=task_id, attempt=2, body=b"an action's bytes", head=at)
    head = head_words(pair_id=pair_id, head=at)
    return {
        "events": events,
        "task": {
            "ed25519_private": phone.private_bytes_raw().hex(),
            "pair_id": pair_id.hex(),
            "task_id": task_id.hex(),
            "attempt": 2,
            "body": b"an action's bytes".hex(),
            "head": {"number": at.number, "hash": at.hash.hex()},
            "signed_bytes": task.hex(),
            "signature": phone.sign(task).hex(),
        },
        "head": {
            "ed25519_private": host.private_bytes_raw().hex(),
            "pair_id": pair_id.hex(),
            "head": {"number": at.number, "hash": at.hash.hex()},
            "signed_bytes": head.hex(),
            "signature": host.sign(head).hex(),
        },
        "thread_file": {
            "ed25519_private": phone.private_bytes_raw().hex(),
            "lines_sha256": at.hash.hex(),
            "signed_bytes": seal_words(at.hash).hex(),
            "signature": phone.sign(seal_words(at.hash)).hex(),
        },
    }


def files(_: Kem) -> Vector:
    """Chunks of files of telling sizes, words of a transfer, and what must not open."""
    key, file_id = counted("vector file key")(32), FileId(bytes(range(16)))
    transfer_id = TransferId(bytes(range(16, 32)))
    cases = []
    for size in (0, 5, CHUNK_BYTES, CHUNK_BYTES + 1):
        seal, chunks = FileSeal(file_id, size, key), []
        for index in range(count_of(size)):
            draws = Draws(f"file {size} {index}", ["salt"])
            length = min(CHUNK_BYTES, size - index * CHUNK_BYTES)
            sealed = seal.seal_chunk(index, bytes([index + 1]) * length, draws)
            # Every byte of a chunk is its index and one, so that this file need not hold 64 KiB twice.
            digest = sha256(sealed).hexdigest()
            shown = {"sealed": sealed.hex()} if length < 64 else {"sealed_sha256": digest}
            chunks.append({"index": index, "bytes": length, **draws.drawn, **shown})
        cases.append({"size": size, "chunks": chunks})
    small = FileSeal(file_id, 5, key)
    good = small.seal_chunk(0, b"bytes", Draws("file good", ["salt"]))
    of_longer = FileSeal(file_id, CHUNK_BYTES + 5, key).seal_chunk(1, b"bytes", Draws("file moved", ["salt"]))
    words = []
    for name, end, body in (
        ("ask for chunk 0", TransferEnd.TAKES, "0800"),
        ("ask for chunk 300", TransferEnd.TAKES, "08ac02"),
        ("have", TransferEnd.TAKES, "1001"),
        ("refused, FILE_CHANGED", TransferEnd.GIVES, "187a"),
    ):
        draws = Draws(f"file word {name}", ["salt"])
        sealed = small.seal_word(transfer_id, end, bytes.fromhex(body), draws)
        words.append({"word": name, "end": int(end), "body": body, **draws.drawn, "sealed": sealed.hex()})
    return {
        "key": key.hex(),
        "file_id": file_id.hex(),
        "transfer_id": transfer_id.hex(),
        "files": cases,
        "words_of_the_file_of_5_bytes": words,
        "refused_as_chunk_0_of_5_bytes": [
            {"why": Why.MALFORMED.name, "sealed": ""},
            {"why": Why.MALFORMED.name, "sealed": good[:-1].hex()},
            {"why": Why.MALFORMED.name, "sealed": words[0]["sealed"]},
            {"why": Why.BAD_TAG.name, "sealed": (good[:-1] + bytes([good[-1] ^ 1])).hex()},
            {"why": Why.TOO_FAR.name, "sealed": of_longer.hex()},
            {"why": Why.BAD_TAG.name, "sealed": (of_longer[:1] + bytes(4) + of_longer[5:]).hex()},
        ],
    }


def proofs(_: Kem) -> Vector:
    """What a device signs for a server, and what the service signs for everybody."""
    phone, host = signing_key("vector phone"), signing_key("vector host")
    old, new = signing_key("vector service old"), signing_key("vector service new")
    device, nonces = device_id(public(phone)), counted("vector nonces")
    client_nonce, server_nonce, call_nonce = nonces(32), nonces(32), nonces(48)
    stream = stream_proof_bytes(
        dialled="relay.example:7302",
        device=device,
        client_nonce=client_nonce,
        server_nonce=server_nonce,
        grant=b"a serialized SignedGrant",
    )
    transfer_id = bytes(range(16))
    transfer = transfer_proof_bytes(
        dialled="relay.example:7302",
        device=device,
        client_nonce=client_nonce,
        server_nonce=server_nonce,
        grant=b"a serialized SignedGrant",
        transfer_id=transfer_id,
    )
    method = "/dispatch.api.pairing.v1.PairingService/RenewGrant"
    call = call_proof_bytes(
        dialled="pairing.example:7301", method=method, device=device, nonce=call_nonce, request=b"request bytes"
    )
    attested = attestation(
        pair_id=bytes(range(16)), service="pairing.example:7301", host_key=public(host), phone_key=public(phone)
    )
    pinned = PinnedKeys((public(new), public(old)), 2)
    grant = sign_grant(new.sign, public(new), b"a serialized Grant")
    return {
        "device": {"ed25519_private": phone.private_bytes_raw().hex(), "device_id": device.hex()},
        "stream": {
            "dialled": "relay.example:7302",
            "client_nonce": client_nonce.hex(),
            "server_nonce": server_nonce.hex(),
            "grant": b"a serialized SignedGrant".hex(),
            "signed_bytes": stream.hex(),
            "signature": phone.sign(stream).hex(),
        },
        "transfer": {
            "dialled": "relay.example:7302",
            "client_nonce": client_nonce.hex(),
            "server_nonce": server_nonce.hex(),
            "grant": b"a serialized SignedGrant".hex(),
            "transfer_id": transfer_id.hex(),
            "signed_bytes": transfer.hex(),
            "signature": phone.sign(transfer).hex(),
        },
        "call": {
            "dialled": "pairing.example:7301",
            "method": method,
            "nonce": call_nonce.hex(),
            "request": b"request bytes".hex(),
            "signed_bytes": call.hex(),
            "signature": phone.sign(call).hex(),
        },
        "attestation": {
            "pair_id": bytes(range(16)).hex(),
            "service": "pairing.example:7301",
            "host_ed25519_private": host.private_bytes_raw().hex(),
            "phone_ed25519_private": phone.private_bytes_raw().hex(),
            "signed_bytes": attested.hex(),
            "host_signature": host.sign(attested).hex(),
            "phone_signature": phone.sign(attested).hex(),
        },
        "grant": {
            "ed25519_private": new.private_bytes_raw().hex(),
            "grant": b"a serialized Grant".hex(),
            "signed_bytes": enc("dispatch/grant/1", b"a serialized Grant").hex(),
            "key_id": grant.key_id.hex(),
            "signature": grant.signature.hex(),
        },
        "key_set": {
            "keys": [key.hex() for key in pinned.keys],
            "sequence": 2,
            "signed_bytes": enc("dispatch/keys/1", (2).to_bytes(8, "big"), *pinned.keys).hex(),
            "signatures": [
                {"key_id": one.key_id.hex(), "signature": one.signature.hex()}
                for one in (sign_key_set(key.sign, public(key), pinned) for key in (new, old))
            ],
        },
    }


def kdf(_: Kem) -> Vector:
    """The labelled derivation."""
    prk = counted("vector prk")(32)
    labels = ["claim", "pair psk", "pair p2h", "pair h2p", "session psk", "epoch", "up command", "down keep"]
    return {
        "prk": prk.hex(),
        "derived": [{"label": label, "bytes": derive(prk, label.encode(), 32).hex()} for label in labels],
    }


def shown(_: Kem) -> Vector:
    """What a stranger wrote, as it is shown; and under which name a file of theirs is kept."""
    hidden = "".join(chr(0xE0000 + ord(sign)) for sign in "bcc evil")
    texts = [
        *(
            "",
            "Delete 3 files?",
            "Gr\u00f6\u00dfe: 3 MB",
            "\u8cc7\u6599",
            "\u05e2\u05d1\u05e8\u05d9\u05ea",
            "a\n\tb",
            "a\r\nb\rc",
        ),
        *(
            "\U0001f469\u200d\U0001f4bb done",
            "\u2764\ufe0f\u200d\U0001f525 \u260e\ufe0e",
            "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645",
        ),
        *(
            "1\ufe0f\u20e3 \u203c\ufe0f \u2194\ufe0f \U0001f44d\U0001f3fd",
            "\u0d15\u0d4d\u200d",
            "\U0001f469\u200dx",
            "b\u200dc\u200dc",
            "\u8d44\ufe0f\u6599",
        ),
        *(
            "run a\u202etxt.exe",
            "\u2066a\u2069",
            "a\u061cb",
            "a\u200fb",
            "bob\u200b@x",
            "pay\u00adpal",
            "\ufeffa",
            "a\u2060b",
        ),
        *(
            "a\u3164b",
            "a\uffa0b",
            "a\u115fb",
            "a\u2800b",
            "a\u034fb",
            f"mail{hidden}",
            "a\ufe0f\ufe0f",
            "a\u200d\u200db",
        ),
        *(
            "a\u2028b\u2029c",
            "a\x00b\x1b[31mc\x7f",
            "a\x85b\x9bc",
            "a\ue000b",
            "a\U0010fffdb",
            "a\ufff0b",
            "a\U000e0fffb",
            "a\udcffb",
        ),
    ]
    names = [
        *(
            "photo.jpg",
            "Gr\u00f6\u00dfe.pdf",
            "Gro\u0308\u00dfe.pdf",
            "../../etc/passwd",
            "C:\\x\\y.txt",
            ".hidden",
            "...",
            "",
            " a .",
            'a<b>:"|?*c',
        ),
        *(
            "a\u202egpj.exe",
            "a\u061cb",
            "a\u200b\u00adb",
            "a\u2028b",
            "a\nb",
            "a\udcffb",
            "CON",
            "nul.txt",
            "com1.tar.gz",
            "console",
        ),
        *("x" * 300 + ".pdf", "\u8cc7" * 100 + ".pdf", "x" * 190 + " ..pdf", "x" * 300, "a." + "x" * 300),
    ]
    return {
        "texts": [{"written": text, "shown": plain(text)} for text in texts],
        "names": [{"sent": name, "kept": safe_name(name)} for name in names],
    }


FILES: dict[str, Callable[[Kem], Vector]] = {
    "encodings.json": encodings,
    "kdf.json": kdf,
    "noise.json": noise,
    "link.json": links,
    "pairing.json": pairing,
    "session.json": sessions,
    "chain.json": chains,
    "history.json": history,
    "file.json": files,
    "proofs.json": proofs,
    "plain.json": shown,
}


def build() -> dict[str, str]:
    """Make the text of every file."""
    kems = Kem(recorded())
    return {name: as_text(make(kems)) for name, make in FILES.items()}


def recorded() -> Vector:
    """Take the encapsulations out of the files that there are."""
    found: Vector = {}
    if (FOLDER / "pairing.json").exists():
        found["pairing"] = json.loads((FOLDER / "pairing.json").read_text())["kem"]
    if (FOLDER / "session.json").exists():
        found |= {case["name"]: case["kem"] for case in json.loads((FOLDER / "session.json").read_text())["cases"]}
    return found


def as_text(vector: Vector) -> str:
    """Write a file as people read it."""
    return json.dumps(vector, indent=2) + "\n"


if __name__ == "__main__":
    for name, text in build().items():
        (FOLDER / name).write_text(text)
