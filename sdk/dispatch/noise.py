"""The Noise Protocol Framework, revision 34, over Curve25519: handshakes, and nothing of what they are used for.

One object makes one handshake. It draws ephemeral keys from the `rng` it was given, checks lengths and order before any
cryptography, and changes only when a whole message was written or read: one that does not fit leaves it as it was.
Called by dispatch.pairing and dispatch.sealed.handshake. docs/encryption.md "Noise".
"""

from __future__ import annotations

import copy
import hashlib
import hmac
import re
from collections.abc import Sequence
from dataclasses import dataclass

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305

from dispatch.ids import Rng

LONGEST_MESSAGE = 65535
DH_BYTES = 32
PSK_BYTES = 32
_TAG_BYTES = 16
_NAME = re.compile(
    r"Noise_(?P<pattern>[A-Z]+)(?P<psks>(?:psk\d(?:\+psk\d)*)?)_25519_(?P<cipher>ChaChaPoly|AESGCM)_(?P<hash>SHA256|SHA512|BLAKE2s|BLAKE2b)"
)

# Which static keys are known beforehand (initiator's, responder's), then the messages, initiator first.
_PATTERNS = {
    "N": ("", "s", "e es"),
    "K": ("s", "s", "e es ss"),
    "X": ("", "s", "e es s ss"),
    "NN": ("", "", "e", "e ee"),
    "NK": ("", "s", "e es", "e ee"),
    "NX": ("", "", "e", "e ee s es"),
    "XN": ("", "", "e", "e ee", "s se"),
    "XK": ("", "s", "e es", "e ee", "s se"),
    "XX": ("", "", "e", "e ee s es", "s se"),
    "KN": ("s", "", "e", "e ee se"),
    "KK": ("s", "s", "e es ss", "e ee se"),
    "KX": ("s", "", "e", "e ee se s es"),
    "IN": ("", "", "e s", "e ee se"),
    "IK": ("", "s", "e es s ss", "e ee se"),
    "IX": ("", "", "e s", "e ee se s es"),
}
# Dispatch speaks ChaChaPoly and SHA256; the others cost a line each and let every published vector test the machine.
_CIPHERS: dict[str, tuple[type[ChaCha20Poly1305] | type[AESGCM], bool]] = {
    "ChaChaPoly": (ChaCha20Poly1305, False),
    "AESGCM": (AESGCM, True),  # True: its nonce counts big-endian, the other's little-endian
}
_HASHES = {"SHA256": "sha256", "SHA512": "sha512", "BLAKE2s": "blake2s", "BLAKE2b": "blake2b"}


class NoiseError(Exception):
    """A message does not fit the handshake, or the handshake was used out of order. Says nothing of any key."""


@dataclass(frozen=True, slots=True, repr=False)
class Split:
    """What a finished handshake gives: its hash, and two keys, the initiator's first. Its repr shows none of them."""

    h: bytes
    k1: bytes
    k2: bytes


@dataclass(slots=True, repr=False)
class _State:
    """Everything a message changes: the symmetric state and the keys learnt. Copied before, put in place after."""

    cipher: tuple[type[ChaCha20Poly1305] | type[AESGCM], bool]
    digest: str
    h: bytes
    ck: bytes
    k: ChaCha20Poly1305 | AESGCM | None = None
    n: int = 0
    e: X25519PrivateKey | None = None
    s: X25519PrivateKey | None = None
    re: bytes | None = None
    rs: bytes | None = None
    psks: tuple[bytes, ...] = ()  # those not used yet

    def mix_hash(self, data: bytes) -> None:
        self.h = hashlib.new(self.digest, self.h + data).digest()

    def hkdf(self, ikm: bytes, outputs: int) -> list[bytes]:
        temp, previous, result = hmac.digest(self.ck, ikm, self.digest), b"", []
        for i in range(1, outputs + 1):
            previous = hmac.digest(temp, previous + bytes([i]), self.digest)
            result.append(previous)
        return result

    def mix_key(self, ikm: bytes) -> None:
        self.ck, key = self.hkdf(ikm, 2)
        self.k, self.n = self.cipher[0](key[:32]), 0

    def mix_psk(self, psk: bytes) -> None:
        self.ck, to_hash, key = self.hkdf(psk, 3)
        self.mix_hash(to_hash)
        self.k, self.n = self.cipher[0](key[:32]), 0

    def seal(self, text: bytes) -> bytes:
        data = text if self.k is None else self.k.encrypt(self._nonce(), text, self.h)
        self.mix_hash(data)
        return data

    def open(self, data: bytes) -> bytes:
        text = data if self.k is None else self.k.decrypt(self._nonce(), data, self.h)
        self.mix_hash(data)
        return text

    def _nonce(self) -> bytes:
        self.n += 1
        return bytes(4) + (self.n - 1).to_bytes(8, "big" if self.cipher[1] else "little")

    def dh(self, part: str, *, initiator: bool) -> None:
        own, theirs = (part[0], part[1]) if initiator else (part[1], part[0])
        private, public = (self.e if own == "e" else self.s), (self.re if theirs == "e" else self.rs)
        if private is None or public is None:
            raise NoiseError("the handshake lacks a key")
        try:
            secret = private.exchange(X25519PublicKey.from_public_bytes(public))
        except ValueError as error:  # the result is all zeros: the peer's "key" is a point of small order
            raise NoiseError("the peer's key is unusable") from error
        self.mix_key(secret)


class Handshake:
    """One side of one handshake: `write` and `read` in turn, `split` when it is `done`."""

    def __init__(
        self,
        protocol: str,
        *,
        initiator: bool,
        rng: Rng,
        prologue: bytes = b"",
        s: X25519PrivateKey | None = None,
        rs: bytes | None = None,
        psks: Sequence[bytes] = (),
    ) -> None:
        """Begin. `protocol` is the full name, "Noise_XKpsk3_25519_ChaChaPoly_SHA256"; psks by use."""
        named = _NAME.fullmatch(protocol)
        if named is None or named["pattern"] not in _PATTERNS:
            raise NoiseError("the protocol is not one of those known here")
        cipher, digest = _CIPHERS[named["cipher"]], _HASHES[named["hash"]]
        before_initiator, before_responder, *messages = _PATTERNS[named["pattern"]]
        self._messages = [message.split() for message in messages]
        places = [int(digit) for digit in named["psks"] if digit.isdigit()]
        if (
            len(psks) != len(places)
            or any(len(psk) != PSK_BYTES for psk in psks)
            or max(places, default=0) > len(messages)
        ):
            raise NoiseError("the pattern needs other pre-shared keys")
        for place in places:
            tokens = self._messages[max(place - 1, 0)]
            tokens.insert(0 if place == 0 else len(tokens), "psk")
        self._psk_mode, self._initiator, self._rng, self._at = bool(places), initiator, rng, 0
        name = protocol.encode()
        size = hashlib.new(digest).digest_size
        h = name.ljust(size, b"\0") if len(name) <= size else hashlib.new(digest, name).digest()
        self._state = state = _State(cipher, digest, h, h, s=s, rs=rs, psks=tuple(psks))
        state.mix_hash(prologue)
        for known, own in ((before_initiator, initiator), (before_responder, not initiator)):
            if known:
                state.mix_hash(_public(s) if own else _known(rs))

    def __repr__(self) -> str:
        return f"<Handshake at message {self._at + 1} of {len(self._messages)}>"

    @property
    def done(self) -> bool:
        """Whether all messages are through."""
        return self._at == len(self._messages)

    @property
    def remote_static(self) -> bytes | None:
        """The peer's static key, once known."""
        return self._state.rs

    def write(self, payload: bytes = b"") -> bytes:
        """Make the next message. Raises NoiseError, and then nothing has changed."""
        tokens, state = self._turn(mine=True)
        parts: list[bytes] = []
        for part in tokens:
            if part == "e":
                state.e = X25519PrivateKey.from_private_bytes(self._rng(DH_BYTES))
                parts.append(_public(state.e))
                self._mix_ephemeral(state, parts[-1])
            elif part == "s":
                parts.append(state.seal(_public(state.s)))
            else:
                self._mix(state, part)
        parts.append(state.seal(payload))
        message = b"".join(parts)
        if len(message) > LONGEST_MESSAGE:
            raise NoiseError("the payload is too long")
        self._state, self._at = state, self._at + 1
        return message

    def read(self, message: bytes) -> bytes:
        """Take the next message, give its payload. Raises NoiseError, and then the true message still fits."""
        tokens, state = self._turn(mine=False)
        if not self._least(tokens) <= len(message) <= LONGEST_MESSAGE:
            raise NoiseError("the message's length does not fit")
        at = 0
        try:
            for part in tokens:
                if part == "e":
                    state.re, at = message[at : at + DH_BYTES], at + DH_BYTES
                    self._mix_ephemeral(state, state.re)
                elif part == "s":
                    end = at + DH_BYTES + (_TAG_BYTES if state.k else 0)
                    state.rs, at = state.open(message[at:end]), end
                else:
                    self._mix(state, part)
            payload = state.open(message[at:])
        except InvalidTag as error:
            raise NoiseError("the message does not open") from error
        self._state, self._at = state, self._at + 1
        return payload

    def split(self) -> Split:
        """Give the result of a finished handshake. Raises NoiseError before its end."""
        if not self.done:
            raise NoiseError("the handshake is not over")
        k1, k2 = (key[:32] for key in self._state.hkdf(b"", 2))
        return Split(self._state.h, k1, k2)

    def _turn(self, *, mine: bool) -> tuple[list[str], _State]:
        if self.done or (self._initiator == (self._at % 2 == 0)) != mine:
            raise NoiseError("it is not this side's turn")
        return self._messages[self._at], copy.copy(self._state)

    def _mix_ephemeral(self, state: _State, public: bytes) -> None:
        state.mix_hash(public)
        if self._psk_mode:  # else two messages under one psk would share a key
            state.mix_key(public)

    def _mix(self, state: _State, part: str) -> None:
        if part == "psk":
            state.mix_psk(state.psks[0])
            state.psks = state.psks[1:]
        else:
            state.dh(part, initiator=self._initiator)

    def _least(self, tokens: list[str]) -> int:
        keyed, least = self._state.k is not None, 0
        for part in tokens:
            if part in {"e", "s"}:
                least += DH_BYTES + (_TAG_BYTES if keyed and part == "s" else 0)
            keyed = keyed or (part != "s" and (part != "e" or self._psk_mode))
        return least + (_TAG_BYTES if keyed else 0)


def _public(key: X25519PrivateKey | None) -> bytes:
    if key is None:
        raise NoiseError("the handshake lacks a key")
    return key.public_key().public_bytes_raw()


def _known(key: bytes | None) -> bytes:
    if key is None or len(key) != DH_BYTES:
        raise NoiseError("the handshake lacks the peer's key")
    return key
