"""The nonces that proofs of calls are bound to: expiry and HMAC, nothing kept. Pure. Called by door.py."""

from __future__ import annotations

from dataclasses import dataclass

from dispatch.ids import DeviceId

from dispatch_pairing.stamp import Stamp

_EXPIRY_BYTES = 8
_MAC_BYTES = 32
NONCE_BYTES = _EXPIRY_BYTES + _MAC_BYTES


@dataclass(frozen=True, slots=True)
class Nonces:
    """Makes nonces and knows its own again. A nonce is good for one device, for a while, at every service with
    the same keys, also after a restart."""

    stamp: Stamp
    lifetime_ms: int

    def fresh(self, device_id: DeviceId, *, now_ms: int) -> bytes:
        """Give a nonce: expiry in ms (8 bytes, big-endian), HMAC-SHA256 over device id and expiry."""
        expiry = (now_ms + self.lifetime_ms).to_bytes(_EXPIRY_BYTES, "big")
        return expiry + self.stamp.make(_content(device_id, expiry))

    def live(self, nonce: bytes, device_id: DeviceId, *, now_ms: int) -> bool:
        """Say whether this service gave the nonce to this device, and not too long ago."""
        if len(nonce) != NONCE_BYTES:
            return False
        expiry, mac = nonce[:_EXPIRY_BYTES], nonce[_EXPIRY_BYTES:]
        ours = self.stamp.fits(mac, _content(device_id, expiry))
        # A clock that was set back must not make nonces that live long.
        return ours and now_ms < int.from_bytes(expiry, "big") <= now_ms + self.lifetime_ms


def _content(device_id: DeviceId, expiry: bytes) -> bytes:
    return b"dispatch/nonce/1" + device_id + expiry
