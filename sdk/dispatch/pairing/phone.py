"""The phone's side of the pairing ceremony. Called by the phone's pairing driver. docs/encryption.md "Pairing"."""

from __future__ import annotations

import hmac
from dataclasses import replace

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from dispatch.ids import Rng
from dispatch.noise import Handshake, NoiseError
from dispatch.pairing.ceremony import (
    KEY_BYTES,
    NOISE,
    Ceremony,
    CeremonyFailed,
    Failure,
    Outgoing,
    State,
    commitment,
    prologue,
)
from dispatch.pairing.link import Code
from dispatch.sealed import kem
from dispatch.sealed.keys import Role
from dispatch.signatures import Signer, verify


class PhoneCeremony(Ceremony):
    """The phone's side: `begin`, then `receive` 2, 4 and 6, show `code`, `confirm`, `receive` 8."""

    _OWN_LABEL, _PEER_LABEL, _ROLE = b"pair p2h", b"pair h2p", Role.PHONE

    def __init__(self, code: Code, *, own_ed25519: bytes, own_name: str, rng: Rng) -> None:
        """Begin. Draws the X25519 key of this pairing (32 bytes), then the KEM's seed (64). Raises NameInvalid."""
        own_x25519 = rng(KEY_BYTES)
        noise = Handshake(
            NOISE,
            initiator=True,
            prologue=prologue(code),
            s=X25519PrivateKey.from_private_bytes(own_x25519),
            rs=code.host_x25519,
            psks=(code.psk,),
            rng=rng,
        )
        super().__init__(
            code=code, own_ed25519=own_ed25519, own_name=own_name, rng=rng, noise=noise, state=State.STEP_1
        )
        self._own_x25519 = own_x25519
        self._kem: kem.DecapsulationKey | None = kem.generate(rng(kem.SEED_BYTES))
        self._commitment = b""
        self._n_phone = b""

    def begin(self) -> list[Outgoing]:
        """Make step 1, once the service has accepted the claim.

        Raises CeremonyFailed when the code's key is unusable.
        """
        if self.state is not State.STEP_1 or self._kem is None:
            raise self._fail(Failure.OUT_OF_ORDER)
        try:
            message = self._handshake().write(kem.encapsulation_key(self._kem))
        except (NoiseError, ValueError):
            raise self._fail(Failure.HANDSHAKE) from None
        self.state = State.STEP_2
        return [Outgoing(1, message)]

    def confirm(self, signer: Signer) -> list[Outgoing]:
        """The person says that the codes are the same. Sets the provisional `result`; gives step 7."""
        if self.state is not State.COMPARE:
            raise self._fail(Failure.OUT_OF_ORDER)
        signature = self._sign(signer)
        self.result = self._paired(phone_signature=signature, host_signature=None)
        self.state = State.STEP_8
        return [self._box(7, signature)]

    def _step_2(self, message: bytes) -> list[Outgoing]:
        noise, secret_key = self._handshake(), self._kem
        payload = noise.read(message)
        if secret_key is None or len(payload) < kem.CIPHERTEXT_BYTES + KEY_BYTES:
            raise self._fail(Failure.MALFORMED)
        self._meet(payload[kem.CIPHERTEXT_BYTES :])
        shared_secret = kem.decapsulate(secret_key, payload[: kem.CIPHERTEXT_BYTES])
        step_3 = noise.write(self._own_ed25519 + self._own_name)
        self._agree(shared_secret, self._code.host_x25519)
        self._kem = None
        self.state = State.STEP_4
        return [Outgoing(3, step_3)]

    def _step_4(self, payload: bytes) -> list[Outgoing]:
        self._commitment = self._unbox(4, payload, 32)
        self._n_phone = self._rng(32)
        self.state = State.STEP_6
        return [self._box(5, self._n_phone)]

    def _step_6(self, payload: bytes) -> list[Outgoing]:
        n_host = self._unbox(6, payload, 32)
        if not hmac.compare_digest(commitment(self._keys().h, n_host), self._commitment):
            raise self._fail(Failure.COMMITMENT)
        self._show_code(n_host, self._n_phone)
        return []

    def _step_8(self, payload: bytes) -> list[Outgoing]:
        signature = self._unbox(8, payload, 64)
        secrets = self._keys()
        if self.result is None or not verify(secrets.pair_keys.host_ed25519, signature, secrets.attestation):
            raise self._fail(Failure.SIGNATURE)
        self.result = replace(self.result, host_signature=signature)
        self._secrets = None
        self.state = State.PAIRED
        return []

    def _fail(self, why: Failure) -> CeremonyFailed:
        self._kem = None
        return super()._fail(why)

    _HANDLERS = {  # noqa: RUF012 -- a table, never written to
        (State.STEP_2, 2): _step_2,
        (State.STEP_4, 4): _step_4,
        (State.STEP_6, 6): _step_6,
        (State.STEP_8, 8): _step_8,
    }
