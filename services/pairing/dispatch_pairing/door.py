"""Who is calling: the one place where a call is let in. Called by api/desk.py before every method.

Reads only metadata and the exact bytes of the request. docs/encryption.md "Proof of a call" says what is signed; the
proto says which metadata there is.
"""

from __future__ import annotations

import base64
import ipaddress
import socket
from collections.abc import Iterable, Set
from dataclasses import dataclass, field, replace
from enum import Enum

from dispatch.address import Address
from dispatch.clock import Clock
from dispatch.endings import to_its_end
from dispatch.errors import BadRequest, DeviceRevoked, NonceExpired, ProofInvalid, SignInRequired
from dispatch.ids import ID_BYTES, DeviceId
from dispatch.proof import call_proof_bytes, proves
from dispatch.runtime.logs import get_logger

from dispatch_pairing import sessions
from dispatch_pairing.limits import Limits
from dispatch_pairing.metrics import Ending, Metrics
from dispatch_pairing.model import Device, Role, SignIn
from dispatch_pairing.nonces import Nonces
from dispatch_pairing.sessions import Shown
from dispatch_pairing.store import Store

DEVICE = "dispatch-device-bin"
DIALLED = "dispatch-dialled"
NONCE = "dispatch-nonce-bin"
PROOF = "dispatch-proof-bin"
SESSION = "dispatch-session-bin"
NEXT_NONCE = "dispatch-next-nonce-bin"

Metadata = Iterable[tuple[str, str | bytes]]
"""What a call brings along, by name; the names that end in -bin have bytes."""

_OURS = frozenset({DEVICE, DIALLED, NONCE, PROOF, SESSION})

_log = get_logger()


class Need(Enum):
    """What a caller must show."""

    SERVICE = "service"
    """Nothing in the call: the listener has seen the caller's certificate, or is on this computer alone (listeners.py)."""
    KEY_IN_REQUEST = "key in request"
    """The proof, by the key that the request itself names."""
    KEY = "key"
    """The proof, by a key that has signed in once."""
    SIGN_IN = "sign-in"
    """The proof and a live sign-in of this device."""
    SIGN_IN_OF_PHONE = "sign-in of phone"
    """The same for a phone; a host's key is enough, because it can't dispatch."""


@dataclass(frozen=True, slots=True)
class Papers:
    """What a call brought along. Nothing in it is believed yet."""

    device_id: DeviceId
    dialled: str
    nonce: bytes = field(repr=False)
    proof: bytes = field(repr=False)
    token: bytes = field(repr=False)
    address: str


@dataclass(frozen=True, slots=True)
class Caller:
    """A device that has shown who it is."""

    papers: Papers
    known: Device | None
    """None only for a device that is just signing in."""

    @property
    def device(self) -> Device:
        """The device. Raises SignInRequired for one that is not known."""
        if self.known is None:
            raise SignInRequired
        return self.known

    def as_(self, role: Role) -> Device:
        """Give the device if it is of this kind. Raises BadRequest."""
        if self.device.role is not role:
            raise BadRequest(f"only a {role.name.lower()} does this", metadata={"field": "device_kind"})
        return self.device


def papers(metadata: Metadata, *, address: str) -> Papers:
    """Read what a call brought along. Raises BadRequest for what is not well-formed; absent ones are empty."""
    found: dict[str, str | bytes] = {}
    for name, value in metadata:
        if name in _OURS and name in found:
            raise BadRequest("a metadata entry stands there twice", metadata={"field": name})
        found[name] = value

    def binary(name: str) -> bytes:
        value = found.get(name, b"")
        return value if isinstance(value, bytes) else b""

    dialled = found.get(DIALLED, "")
    if len(binary(DEVICE)) != ID_BYTES:
        raise BadRequest("no device id", metadata={"field": DEVICE})
    return Papers(
        device_id=DeviceId(binary(DEVICE)),
        dialled=dialled if isinstance(dialled, str) else "",
        nonce=binary(NONCE),
        proof=binary(PROOF),
        token=binary(SESSION),
        address=address,
    )


def own_names(listen: Address, advertise: Iterable[str], *, hostname: str | None = None) -> frozenset[str]:
    """Give the addresses that a caller may have dialled to get here: a proof for any other is somebody else's.

    Advertised ones and the one listened on; on loopback or on all addresses also this computer's own names.
    """
    names = {str(listen), *advertise}
    try:
        everywhere = ipaddress.ip_address(listen.host).is_unspecified
    except ValueError:
        everywhere = False
    if listen.is_loopback or everywhere:
        own = ("localhost", "127.0.0.1", "::1", hostname or socket.gethostname())
        names |= {str(Address(host=name, port=listen.port)) for name in own}
    return frozenset(name.lower() for name in names)


class Door:
    """Lets callers in, and notes that they were there."""

    def __init__(
        self, *, store: Store, clock: Clock, limits: Limits, nonces: Nonces, names: Set[str], metrics: Metrics
    ) -> None:
        self._store = store
        self._clock = clock
        self._limits = limits
        self._nonces = nonces
        self._names = names
        self._metrics = metrics

    def next_nonce(self, device_id: DeviceId) -> bytes:
        """Give a nonce for the device's next call."""
        return self._nonces.fresh(device_id, now_ms=self._clock.wall_ms())

    async def admit(
        self, shown: Papers, *, need: Need, method: str, body: bytes, key_in_request: bytes | None
    ) -> Caller:
        """Let a caller in, or raise: ProofInvalid, NonceExpired (with a fresh one), DeviceRevoked, SignInRequired.

        `method` is the full name, "/package.Service/Method"; `body` the request as it came.
        """
        if shown.dialled.lower() not in self._names:
            raise ProofInvalid("the proof is for another address than this service's")
        if not self._nonces.live(shown.nonce, shown.device_id, now_ms=self._clock.wall_ms()):
            fresh = base64.b64encode(self.next_nonce(shown.device_id)).decode()
            raise NonceExpired(metadata={"nonce": fresh})
        async with self._store.read() as kept:
            known = await kept.devices.get(shown.device_id)
            sign_in = await kept.devices.sign_in(shown.device_id)
            # An erased account's device is not known any more, but relays were told to turn it away for good.
            revoked = known.revoked_ms is not None if known else await kept.feed.has_revoked(shown.device_id)
        key = key_in_request if need is Need.KEY_IN_REQUEST else (None if known is None else known.key)
        if key is None:
            raise SignInRequired("this device has never signed in here")
        signed = call_proof_bytes(
            dialled=shown.dialled, method=method, device=shown.device_id, nonce=shown.nonce, request=body
        )
        if not proves(key, shown.device_id, shown.proof, signed):
            raise ProofInvalid("the proof does not fit")
        if revoked:
            raise DeviceRevoked
        needs_sign_in = need is Need.SIGN_IN or (need is Need.SIGN_IN_OF_PHONE and _is_phone(known))
        if known is not None:
            await self._note(known, sign_in if needs_sign_in else None, shown.token, needs_sign_in=needs_sign_in)
        return Caller(papers=shown, known=known)

    async def _note(self, device: Device, sign_in: SignIn | None, token: bytes, *, needs_sign_in: bool) -> None:
        """Check the sign-in where it is needed, and note that it was used and the device seen: seldom a write."""
        now_ms, limits = self._clock.wall_ms(), self._limits
        what = sessions.shown(sign_in, token, now_ms=now_ms)
        if needs_sign_in and what is Shown.OLDER:
            await to_its_end(self._end_copied(device, token))  # who copied it must not hang up before it is told
        if needs_sign_in and not what.live:
            raise SignInRequired
        used = sessions.used(sign_in, what, now_ms=now_ms, limits=limits) if sign_in is not None else None
        seen_ms = now_ms - now_ms % limits.seen_step_ms
        if used == sign_in and seen_ms <= device.seen_ms:
            return
        async with self._store.write() as kept:
            # Looked at again: what has changed since then counts.
            now = await kept.devices.get(device.device_id)
            if now is not None and seen_ms > now.seen_ms:
                await kept.devices.put(replace(now, seen_ms=seen_ms))
            if used is not None and used != sign_in and await kept.devices.sign_in(device.device_id) == sign_in:
                await kept.devices.put_sign_in(used)

    async def _end_copied(self, device: Device, token: bytes) -> None:
        async with self._store.write() as kept:
            sign_in = await kept.devices.sign_in(device.device_id)
            if sessions.shown(sign_in, token, now_ms=self._clock.wall_ms()) is not Shown.OLDER:
                return
            await kept.devices.end_sign_in(device.device_id)
        self._metrics.sign_ins_ended.labels(Ending.COPIED).inc()
        _log.warning("sign-in ended: an older token of it was shown", device=device.device_id)


def _is_phone(device: Device | None) -> bool:
    return device is None or device.role is Role.PHONE
