"""Which keys of the pairing service this device believes, and what it last told of time and revocations.

Kept in the home: a host judges a phone's grant by it, offline, on every path. A changed key set is taken only when a
known key signed it.
"""

from __future__ import annotations

from dataclasses import dataclass

from google.protobuf.message import DecodeError

from dispatch import errors
from dispatch.api.pairing.v1.pairing_pb2 import Grant, KeySet, SignedGrant
from dispatch.api.relay.v1.relay_pb2 import DeviceKind
from dispatch.device.home import Home, write_private
from dispatch.proof import KeySignature, PinnedKeys, may_replace, verify_grant
from dispatch.storing import storing

_FILE = "service-keys"
CLOCK_TOLERANCE_MS = 10 * 60_000


@dataclass(frozen=True, slots=True)
class Trust:
    """The pinned keys of the device's pairing service, in its home."""

    home: Home

    def start(self, offered: KeySet) -> None:
        """Take the keys that came with a sign-in. The person has just named the service: nothing older counts."""
        keys = _keys(offered)
        if not may_replace(None, keys, _signatures(offered)):
            raise errors.SignatureInvalid("the service's keys are not signed by themselves")
        self._write(offered)

    def follow(self, offered: KeySet) -> None:
        """Take a changed set if a known key signed it; an older or the same one is ignored. Raises SignatureInvalid."""
        known = self.keys()
        keys = _keys(offered)
        if keys == known or keys.sequence < known.sequence:
            return
        if not may_replace(known, keys, _signatures(offered)):
            raise errors.SignatureInvalid("the service's new keys are not signed by a key that this device knows")
        self._write(offered)

    def keys(self) -> PinnedKeys:
        """Give the pinned keys. Raises SignInRequired when there are none yet."""
        path = self.home / _FILE
        with storing(path):
            try:
                content = path.read_bytes()
            except FileNotFoundError:
                raise errors.SignInRequired from None
        try:
            return _keys(KeySet.FromString(content))
        except (DecodeError, errors.SignatureInvalid) as failure:
            raise errors.StoreFailed(f"{path} is damaged; sign in again") from failure

    def _write(self, keys: KeySet) -> None:
        write_private(self.home / _FILE, keys.SerializeToString())


def check_grant(
    keys: PinnedKeys, signed: bytes, *, pair_id: bytes, device_key: bytes, role: DeviceKind.ValueType, now_ms: int
) -> Grant:
    """Give the grant if it is signed, meant for this pairing, device and role, and in time; raises GrantInvalid.

    `now_ms` is the service's time as it was last told, carried on by a clock of ours; ten minutes either way are forgiven.
    """
    try:
        envelope = SignedGrant.FromString(signed)
        if not verify_grant(keys, envelope.grant, KeySignature(envelope.key_id, envelope.signature)):
            raise errors.GrantInvalid("not signed by the service")
        grant = Grant.FromString(envelope.grant)
    except DecodeError as failure:
        raise errors.GrantInvalid("not a grant") from failure
    if (grant.pair_id, grant.device_key, grant.role) != (pair_id, device_key, role):
        raise errors.GrantInvalid("made for another pairing, device or role")
    if not grant.not_before_ms - CLOCK_TOLERANCE_MS <= now_ms <= grant.not_after_ms + CLOCK_TOLERANCE_MS:
        raise errors.GrantInvalid("not in time")
    return grant


def _keys(offered: KeySet) -> PinnedKeys:
    try:
        return PinnedKeys(keys=tuple(offered.keys), sequence=offered.sequence)
    except ValueError as failure:
        raise errors.SignatureInvalid("the service's keys are malformed") from failure


def _signatures(offered: KeySet) -> list[KeySignature]:
    return [KeySignature(one.key_id, one.signature) for one in offered.signatures]
