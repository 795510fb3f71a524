"""The host's side of the pairing ceremony. Called by the host's pairing driver. docs/encryption.md "Pairing"."""

from __future__ import annotations

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from dispatch.ids import Rng
from dispatch.noise import Handshake
from dispatch.pairing.ceremony import NOISE, Ceremony, CeremonyFailed, Failure, Outgoing, State, commitment, prologue
from dispatch.pairing.link import Offer
from dispatch.sealed import kem
from dispatch.sealed.keys import Role
from dispatch.signatures import Signer, verify


class HostCeremony(Ceremony):
    """The host's side: `receive` 1, 3 and 5, show `code`, then `confirm` and `receive` 7 in either order."""

    _OWN_LABEL, _PEER_LABEL, _ROLE = b"pair h2p", b"pair p2h", Role.HOST

    def __init__(
        self,
        offer: Offer,
        *,
        own_ed25519: bytes,
        own_name: str,
        rng: Rng,
        encapsulate: kem.Encapsulate = kem.encapsulate,
    ) -> None:
        """Begin: step 1 may come. Raises NameInvalid."""
        noise = Handshake(
            NOISE,
            initiator=False,
            prologue=prologue(offer.code),
            s=X25519PrivateKey.from_private_bytes(offer.host_x25519_private),
            psks=(offer.code.psk,),
            rng=rng,
        )
        super().__init__(
            code=offer.code, own_ed25519=own_ed25519, own_name=own_name, rng=rng, noise=noise, state=State.STEP_1
        )
        self._own_x25519 = offer.host_x25519_private
        self._encapsulate = encapsulate
        self._shared_secret = b""
        self._n_host = b""
        self._phone_signature = b""
        self._signer: Signer | None = None

    def confirm(self, signer: Signer) -> list[Outgoing]:
        """The person says that the codes are the same.

        With step 7 here it sets `result` and gives step 8, else it waits.
        """
        if self.state is State.COMPARE:
            self._signer, self.state = signer, State.STEP_7
            return []
        if self.state is not State.PERSON:
            raise self._fail(Failure.OUT_OF_ORDER)
        return self._complete(signer)

    def _step_1(self, message: bytes) -> list[Outgoing]:
        noise = self._handshake()
        try:
            secret, ciphertext = self._encapsulate(noise.read(message))
        except ValueError:
            raise self._fail(Failure.MALFORMED) from None
        self._shared_secret = secret
        self.state = State.STEP_3
        return [Outgoing(2, noise.write(ciphertext + self._own_ed25519 + self._own_name))]

    def _step_3(self, message: bytes) -> list[Outgoing]:
        noise = self._handshake()
        self._meet(noise.read(message))
        secrets = self._agree(self._shared_secret, noise.remote_static or b"")
        self._shared_secret = b""
        self._n_host = self._rng(32)
        self.state = State.STEP_5
        return [self._box(4, commitment(secrets.h, self._n_host))]

    def _step_5(self, payload: bytes) -> list[Outgoing]:
        n_phone = self._unbox(5, payload, 32)
        self._show_code(self._n_host, n_phone)
        return [self._box(6, self._n_host)]

    def _step_7(self, payload: bytes) -> list[Outgoing]:
        signature = self._unbox(7, payload, 64)
        secrets = self._keys()
        if not verify(secrets.pair_keys.phone_ed25519, signature, secrets.attestation):
            raise self._fail(Failure.SIGNATURE)
        self._phone_signature = signature
        if self._signer is None:
            self.state = State.PERSON
            return []
        return self._complete(self._signer)

    def _complete(self, signer: Signer) -> list[Outgoing]:
        signature = self._sign(signer)
        self.result = self._paired(phone_signature=self._phone_signature, host_signature=signature)
        step_8 = self._box(8, signature)
        self._secrets, self.state = None, State.PAIRED
        return [step_8]

    def _fail(self, why: Failure) -> CeremonyFailed:
        self._shared_secret = b""
        return super()._fail(why)

    _HANDLERS = {  # noqa: RUF012 -- a table, never written to
        (State.STEP_1, 1): _step_1,
        (State.STEP_3, 3): _step_3,
        (State.STEP_5, 5): _step_5,
        (State.COMPARE, 7): _step_7,
        (State.STEP_7, 7): _step_7,
    }
