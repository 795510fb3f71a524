"""The pairing ceremony: eight steps, each once and in order, and a code that is compared on both devices.

The phone sends 1, 3, 5 and 7, the host 2, 4, 6 and 8; the code is there after 6. 1 to 3 are Noise XKpsk3 with ML-
KEM-768 in the payloads; from 4 on every step is a box. This module is what both sides share, `phone` and `host` are
the machines. Any failure ends a ceremony and drops its keys. Timers, the person's answer and the transport are the
driver's; **when `result` is set, the driver commits it before it sends what the same call gave it.**
docs/encryption.md "Pairing".
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from hashlib import sha256
from typing import NamedTuple

from dispatch.attestation import attestation
from dispatch.encoding import enc
from dispatch.ids import PairId, Rng
from dispatch.names import NameInvalid, device_name, peer_name
from dispatch.noise import Handshake, NoiseError
from dispatch.pairing.link import Code
from dispatch.sealed.box import open_box, seal_box
from dispatch.sealed.errors import SealError
from dispatch.sealed.kdf import agree, derive
from dispatch.sealed.keys import PairKeys, Role
from dispatch.signatures import Signer, usable, verify

NOISE = "Noise_XKpsk3_25519_ChaChaPoly_SHA256"
LONGEST_STEP = 4096
KEY_BYTES = 32
_AAD = b"dispatch/pair/1"
_COMMIT = b"dispatch/pair/1 commit"


class Failure(Enum):
    """Why a ceremony ended without a pair."""

    OUT_OF_ORDER = "a step came twice or out of its turn"
    HANDSHAKE = "the handshake does not verify: somebody is in between, or the code is not the one shown"
    MALFORMED = "a step does not have the form that it must have"
    NAME = "the other side's name breaks the rules"
    COMMITMENT = "the number that was opened is not the one that was committed to"
    SIGNATURE = "the other side's signature does not fit"
    REFUSED = "somebody said no"


class CeremonyFailed(Exception):
    """The ceremony is over without a pair, and its keys are gone."""

    def __init__(self, why: Failure) -> None:
        super().__init__(why.value)
        self.why = why


class State(Enum):
    """What a ceremony waits for."""

    STEP_1 = 1
    STEP_2 = 2
    STEP_3 = 3
    STEP_4 = 4
    STEP_5 = 5
    STEP_6 = 6
    COMPARE = "compare"
    """Both codes are there: the host waits for step 7 and its person, the phone for its person."""
    PERSON = "person"
    """The host has a verified step 7 and waits for its person."""
    STEP_7 = 7
    """The host's person has confirmed; it waits for step 7."""
    STEP_8 = 8
    """The phone has confirmed; it waits for step 8."""
    PAIRED = "paired"
    FAILED = "failed"


class Outgoing(NamedTuple):
    """A step for the other side."""

    step: int
    payload: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Paired:
    """What a ceremony gives. On the phone it is there with step 7, provisional until `host_signature` is."""

    keys: PairKeys
    peer_name: str
    attestation: bytes
    phone_signature: bytes
    host_signature: bytes | None

    @property
    def peer_key(self) -> bytes:
        """The peer's Ed25519 key. It is the one that counts: another one from the service is an error."""
        return self.keys.peer_ed25519


@dataclass(slots=True, repr=False)
class _Secrets:
    """What follows from the handshake; gone when the ceremony ends."""

    h: bytes
    prk: bytes
    own_key: bytes
    peer_key: bytes
    pair_keys: PairKeys
    attestation: bytes


class Ceremony:
    """What both sides share: the order of steps, the boxes, the end."""

    _OWN_LABEL: bytes
    _PEER_LABEL: bytes
    _ROLE: Role
    _HANDLERS: dict[tuple[State, int], Callable[..., list[Outgoing]]]

    def __init__(
        self, *, code: Code, own_ed25519: bytes, own_name: str, rng: Rng, noise: Handshake, state: State
    ) -> None:
        self._code = code
        self._own_ed25519 = own_ed25519
        self._own_name = device_name(own_name).encode()
        self._rng = rng
        self._noise: Handshake | None = noise
        self._secrets: _Secrets | None = None
        self._own_x25519 = b""
        self._peer_ed25519 = b""
        self.state = state
        self.code: str | None = None
        """What both people compare, "381 236", once both numbers are open."""
        self.peer_name: str | None = None
        """What the other device calls itself; show it only beside the code."""
        self.result: Paired | None = None
        """Commit this before sending on."""
        self.failure: Failure | None = None

    def receive(self, step: int, payload: bytes) -> list[Outgoing]:
        """Take a step of the other side and give the answers. Raises CeremonyFailed, once and for all."""
        handler = self._HANDLERS.get((self.state, step))
        if handler is None:
            raise self._fail(Failure.OUT_OF_ORDER)
        if len(payload) > LONGEST_STEP:
            raise self._fail(Failure.MALFORMED)
        try:
            return handler(self, payload)
        except (NoiseError, SealError):
            # The cause is not chained: it has nothing for people, and the ceremony is over either way.
            raise self._fail(Failure.HANDSHAKE) from None

    def refuse(self) -> None:
        """End it: the person said no, the time is over, or the service ended the offer. A pair that stands stays."""
        self._fail(Failure.REFUSED)

    def _fail(self, why: Failure) -> CeremonyFailed:
        """End the ceremony, drop its keys, and give the error to raise. The first reason stays, and so does a pair."""
        if self.state is State.PAIRED:
            return CeremonyFailed(why)
        self.state, self.failure = State.FAILED, self.failure or why
        self._noise = self._secrets = self.result = self.code = None
        self._own_x25519 = b""
        return CeremonyFailed(self.failure)

    def _handshake(self) -> Handshake:
        if self._noise is None:
            raise self._fail(Failure.OUT_OF_ORDER)
        return self._noise

    def _keys(self) -> _Secrets:
        if self._secrets is None:
            raise self._fail(Failure.OUT_OF_ORDER)
        return self._secrets

    def _meet(self, identity: bytes) -> None:
        """Read the peer's Ed25519 key and name out of its handshake payload."""
        key, name = identity[:KEY_BYTES], identity[KEY_BYTES:]
        if not usable(key) or key == self._own_ed25519:
            raise self._fail(Failure.MALFORMED)
        try:
            self.peer_name = peer_name(name.decode())
        except (NameInvalid, UnicodeDecodeError):
            raise self._fail(Failure.NAME) from None
        self._peer_ed25519 = key

    def _agree(self, shared_secret: bytes, peer_x25519: bytes) -> _Secrets:
        """Derive everything from the finished handshake."""
        split = self._handshake().split()
        prk = agree(split.h, split.k1, split.k2, shared_secret)
        keys = PairKeys(
            pair_id=PairId(derive(prk, b"pair id", 16)),
            role=self._ROLE,
            own_x25519=self._own_x25519,
            peer_x25519=peer_x25519,
            own_ed25519=self._own_ed25519,
            peer_ed25519=self._peer_ed25519,
            pair_psk=derive(prk, b"session psk", KEY_BYTES),
        )
        self._noise = None
        self._secrets = _Secrets(
            h=split.h,
            prk=prk,
            own_key=derive(prk, self._OWN_LABEL, KEY_BYTES),
            peer_key=derive(prk, self._PEER_LABEL, KEY_BYTES),
            pair_keys=keys,
            attestation=attestation(
                pair_id=keys.pair_id,
                service=self._code.service,
                host_key=keys.host_ed25519,
                phone_key=keys.phone_ed25519,
            ),
        )
        return self._secrets

    def _box(self, step: int, text: bytes) -> Outgoing:
        return Outgoing(step, seal_box(self._keys().own_key, _AAD + bytes([step]), text, self._rng))

    def _unbox(self, step: int, payload: bytes, length: int) -> bytes:
        text = open_box(self._keys().peer_key, _AAD + bytes([step]), payload)
        if len(text) != length:
            raise self._fail(Failure.MALFORMED)
        return text

    def _show_code(self, n_host: bytes, n_phone: bytes) -> None:
        number = int.from_bytes(derive(self._keys().prk, b"sas" + n_host + n_phone, 8), "big") % 1_000_000
        self.code = f"{number // 1000:03} {number % 1000:03}"
        self.state = State.COMPARE

    def _sign(self, signer: Signer) -> bytes:
        """Sign A, and make sure that the signer holds the key that the peer was told."""
        signature = signer(self._keys().attestation)
        if not verify(self._own_ed25519, signature, self._keys().attestation):
            raise ValueError("the signer does not have this device's key")
        return signature

    def _paired(self, *, phone_signature: bytes, host_signature: bytes | None) -> Paired:
        secrets = self._keys()
        return Paired(
            keys=secrets.pair_keys,
            peer_name=self.peer_name or "",
            attestation=secrets.attestation,
            phone_signature=phone_signature,
            host_signature=host_signature,
        )


def prologue(code: Code) -> bytes:
    """Write what both sides bind into the handshake before its first message."""
    return enc("dispatch/pair/1", code.offer_id, code.service)


def commitment(h: bytes, n_host: bytes) -> bytes:
    """Compute what the host commits to before it hears the phone's number."""
    return sha256(_COMMIT + h + n_host).digest()
