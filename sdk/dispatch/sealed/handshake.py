"""The handshake that begins a session:

Noise KKpsk0 with ML-KEM-768 in its payloads, and the chains that come of it.

    message 1 = 0x81 | pair_id (16) | count (1) | versions (count) | Noise message 1
    message 2 = 0x82 | Noise message 2

The first byte tells both from a sealed frame, which begins with its version. Nothing that message 1 says may be acted
on before the phone has confirmed: it may be a replay, or forged by somebody who has stolen the phone's keys. Called
by dispatch.sealed.session. docs/encryption.md "Session".
"""

from __future__ import annotations

from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from dispatch.encoding import enc
from dispatch.ids import ID_BYTES, PairId, Rng
from dispatch.noise import Handshake, NoiseError, Split
from dispatch.sealed import kem
from dispatch.sealed.chain import Chain
from dispatch.sealed.errors import SealError, Why
from dispatch.sealed.frame import EPOCH_BYTES, VERSION, Direction, FrameClass
from dispatch.sealed.head import HEAD_BYTES, Head
from dispatch.sealed.kdf import agree, derive
from dispatch.sealed.keys import PairKeys, Role

NOISE = "Noise_KKpsk0_25519_ChaChaPoly_SHA256"
MESSAGE_1 = 0x81
MESSAGE_2 = 0x82
LONGEST_GRANT = 4096
_MOST_VERSIONS = 16
_NO_EPOCH = bytes(EPOCH_BYTES)
_PAYLOAD_2_BYTES = kem.CIPHERTEXT_BYTES + 1 + EPOCH_BYTES
_CHAIN_LABELS = {
    (Direction.UP, FrameClass.COMMAND): b"up command",
    (Direction.UP, FrameClass.LIVE): b"up live",
    (Direction.DOWN, FrameClass.KEEP): b"down keep",
    (Direction.DOWN, FrameClass.LIVE): b"down live",
}


@dataclass(slots=True, repr=False)
class Epoch:
    """The keys of one session. Lives in memory only, except that the keep chain is taken out of it to be committed."""

    epoch: bytes
    version: int
    started_ms: int
    """When message 2 was written, on the host; when it was received, on the phone."""
    up_command: Chain
    up_live: Chain
    down_keep: Chain
    down_live: Chain


class PhoneHandshake:
    """The phone's side: one object, one handshake. `message1` goes out; `finish` takes what comes back."""

    def __init__(
        self, keys: PairKeys, *, grant: bytes, head: Head, now_ms: int, rng: Rng, versions: tuple[int, ...] = (VERSION,)
    ) -> None:
        """Write message 1. Draws the KEM's seed (64 bytes), then the ephemeral key (32 bytes)."""
        if len(grant) > LONGEST_GRANT:
            raise ValueError("the grant is too long")
        self.started_ms = now_ms
        self._pair_id = keys.pair_id
        self._versions = versions
        header = keys.pair_id + bytes([len(versions), *versions])
        self._kem = kem.generate(rng(kem.SEED_BYTES))
        self._noise = _noise(keys, header, rng)
        payload = kem.encapsulation_key(self._kem) + enc(grant) + head.to_bytes()
        self.message1 = bytes([MESSAGE_1]) + header + self._noise.write(payload)

    def finish(self, message2: bytes, *, now_ms: int) -> tuple[Epoch, bytes | None]:
        """Read message 2: the new epoch, and the epoch in which the host seals now.

        Raises SealError, and the true one still fits.
        """
        if message2[:1] != bytes([MESSAGE_2]):
            raise SealError(Why.MALFORMED)
        try:
            payload = self._noise.read(message2[1:])
        except NoiseError as error:
            raise SealError(Why.BAD_TAG) from error
        if len(payload) != _PAYLOAD_2_BYTES:
            raise SealError(Why.MALFORMED)
        ciphertext, version = payload[: kem.CIPHERTEXT_BYTES], payload[kem.CIPHERTEXT_BYTES]
        if version not in self._versions:
            raise SealError(Why.VERSION)
        host_epoch = payload[-EPOCH_BYTES:]
        secret = kem.decapsulate(self._kem, ciphertext)
        epoch = _epoch(self._pair_id, self._noise.split(), secret, version=version, now_ms=now_ms)
        return epoch, None if host_epoch == _NO_EPOCH else host_epoch


@dataclass(frozen=True, slots=True, repr=False)
class Answered:
    """The host's answer: message 2 to send, the epoch that it would begin, and what the phone said of itself."""

    message2: bytes
    epoch: Epoch
    grant: bytes
    head: Head


def answer(
    keys: PairKeys,
    message1: bytes,
    *,
    host_epoch: bytes | None,
    now_ms: int,
    rng: Rng,
    encapsulate: kem.Encapsulate = kem.encapsulate,
) -> Answered:
    """Read message 1 and write message 2. `host_epoch` is where the host seals now. Raises SealError."""
    header = _header(message1, keys.pair_id)
    if VERSION not in header[ID_BYTES + 1 :]:
        raise SealError(Why.VERSION)
    noise = _noise(keys, header, rng)
    try:
        payload = noise.read(message1[1 + len(header) :])
    except NoiseError as error:
        raise SealError(Why.BAD_TAG) from error
    ek, grant, head = _payload_1(payload)
    try:
        encapsulated = encapsulate(ek)
    except ValueError as error:
        raise SealError(Why.MALFORMED) from error
    reply = noise.write(encapsulated.ciphertext + bytes([VERSION]) + (host_epoch or _NO_EPOCH))
    epoch = _epoch(keys.pair_id, noise.split(), encapsulated.secret, version=VERSION, now_ms=now_ms)
    return Answered(bytes([MESSAGE_2]) + reply, epoch, grant, head)


def is_handshake(live: bytes) -> bool:
    """Tell whether a message of class live belongs to a handshake rather than being a sealed frame."""
    return live[:1] in (bytes([MESSAGE_1]), bytes([MESSAGE_2]))


def _header(message1: bytes, pair_id: PairId) -> bytes:
    """Check and give the part of message 1 that stands in the clear, from the pair_id on."""
    count_at = 1 + ID_BYTES
    if message1[:1] != bytes([MESSAGE_1]) or len(message1) <= count_at:
        raise SealError(Why.MALFORMED)
    if message1[1:count_at] != pair_id:
        raise SealError(Why.OTHER_PAIR)
    count = message1[count_at]
    versions = message1[count_at + 1 : count_at + 1 + count]
    if not 1 <= count <= _MOST_VERSIONS or len(versions) != count:
        raise SealError(Why.MALFORMED)
    return message1[1 : count_at + 1 + count]


def _payload_1(payload: bytes) -> tuple[bytes, bytes, Head]:
    grant_at = kem.KEY_BYTES + 2
    head_at = grant_at + int.from_bytes(payload[kem.KEY_BYTES : grant_at], "big")
    if len(payload) != head_at + HEAD_BYTES or head_at - grant_at > LONGEST_GRANT:
        raise SealError(Why.MALFORMED)
    return payload[: kem.KEY_BYTES], payload[grant_at:head_at], Head.from_bytes(payload[head_at:])


def _noise(keys: PairKeys, header: bytes, rng: Rng) -> Handshake:
    return Handshake(
        NOISE,
        initiator=keys.role is Role.PHONE,
        prologue=enc("dispatch/session/1", header, keys.host_ed25519, keys.phone_ed25519),
        s=X25519PrivateKey.from_private_bytes(keys.own_x25519),
        rs=keys.peer_x25519,
        psks=(keys.pair_psk,),
        rng=rng,
    )


def _epoch(pair_id: PairId, split: Split, secret: bytes, *, version: int, now_ms: int) -> Epoch:
    prk = agree(split.h, split.k1, split.k2, secret)
    epoch = derive(prk, b"epoch", EPOCH_BYTES)
    chains = {
        kind: Chain(
            pair_id=pair_id, epoch=epoch, direction=kind[0], frame_class=kind[1], n=0, key=derive(prk, label, 32)
        )
        for kind, label in _CHAIN_LABELS.items()
    }
    return Epoch(
        epoch=epoch,
        version=version,
        started_ms=now_ms,
        up_command=chains[Direction.UP, FrameClass.COMMAND],
        up_live=chains[Direction.UP, FrameClass.LIVE],
        down_keep=chains[Direction.DOWN, FrameClass.KEEP],
        down_live=chains[Direction.DOWN, FrameClass.LIVE],
    )
