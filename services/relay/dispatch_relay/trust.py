"""Whom this relay believes: grant keys, pairings that are over, devices that were revoked, and how fresh all that is.

Pure but for the store that it is given: what the pairing service said is kept before it counts. Called by `trust_feed`
(news) and `admission` (questions).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from dispatch import errors, proof
from dispatch.api.pairing.v1 import pairing_pb2 as pb
from dispatch.api.relay.v1.relay_pb2 import DeviceKind
from dispatch.clock import Clock
from dispatch.ids import ID_BYTES, DeviceId, PairId
from google.protobuf.message import DecodeError

from dispatch_relay.presence import End

TOLERANCE_MS = 60_000
"""How far a grant's time may be off: the service's clock is told every few seconds and travels for a moment."""

MOST_SEQUENCE = 2**63 - 1
DIGEST_BYTES = 32

_ENDS = {DeviceKind.DEVICE_KIND_PHONE: End.PHONE, DeviceKind.DEVICE_KIND_HOST: End.HOST}


@dataclass(frozen=True, slots=True)
class News:
    """What one message of the feed changes."""

    keys: proof.PinnedKeys | None = None
    ended: Mapping[PairId, End | None] = field(default_factory=dict)
    revoked: frozenset[DeviceId] = frozenset()
    sequence: int = 0
    digest: bytes = b""
    server_time_ms: int = 0
    complete: bool = False


@dataclass(frozen=True, slots=True)
class Known:
    """What was kept."""

    keys: proof.PinnedKeys | None = None
    ended: Mapping[PairId, End | None] = field(default_factory=dict)
    revoked: frozenset[DeviceId] = frozenset()
    sequence: int = 0
    digest: bytes = b""
    """Of all that was told up to there, as the service makes it."""
    heard_ms: int = 0
    """When the service was last heard, ms since 1970 by this computer; 0 for never."""


class KeysRefused(ValueError):
    """The service offers keys that no known key vouches for."""


def read(message: pb.FollowTrustResponse, *, known: proof.PinnedKeys | None) -> News:
    """Check what the feed says. Raises KeysRefused, or ValueError for a message without sense."""
    keys = None
    if message.HasField("keys"):
        keys = _keys(message.keys, known=known)
    if max(message.sequence, message.keys.sequence) > MOST_SEQUENCE:
        raise ValueError("a count that nobody reaches")
    if len(message.digest) not in (0, DIGEST_BYTES):
        raise ValueError("a digest that is not 32 bytes")
    for pair in message.ended_pairings:
        _check_id(pair.pair_id)
    for device in message.revoked_devices:
        _check_id(device.device_id)
    return News(
        keys=keys,
        ended={PairId(pair.pair_id): _ENDS.get(pair.ended_by) for pair in message.ended_pairings},
        revoked=frozenset(DeviceId(device.device_id) for device in message.revoked_devices),
        sequence=message.sequence,
        digest=message.digest,
        server_time_ms=message.server_time_ms,
        complete=message.complete,
    )


def _check_id(value: bytes) -> None:
    if len(value) != ID_BYTES:
        raise ValueError("an id that is not 16 bytes")


def _keys(message: pb.KeySet, *, known: proof.PinnedKeys | None) -> proof.PinnedKeys | None:
    offered = proof.PinnedKeys(tuple(message.keys), message.sequence)
    if known is not None and offered == known:
        return None
    signatures = [proof.KeySignature(one.key_id, one.signature) for one in message.signatures]
    if not proof.may_replace(known, offered, signatures):
        raise KeysRefused("no key that is known signed the offered keys")
    return offered


@dataclass(frozen=True, slots=True)
class Admitted:
    """What a grant says, once it is believed."""

    pair_id: PairId
    device_id: DeviceId
    device_key: bytes
    end: End
    left_ms: int
    """How long the grant is good from now on."""


class Trust:
    """The state, as far as it is known."""

    def __init__(self, known: Known, *, clock: Clock, stale_ms: int) -> None:
        self._clock = clock
        self._stale_ms = stale_ms
        self.keys = known.keys
        self.sequence, self.digest = known.sequence, known.digest
        self._ended = dict(known.ended)
        self._revoked = set(known.revoked)
        self.heard_ms = known.heard_ms
        # Of the last word. A relay that starts again knows no more than the one before it did.
        gone_ms = max(0, clock.wall_ms() - known.heard_ms) if known.heard_ms else 0
        self._fresh_ms = clock.steady_ms() - gone_ms
        self._service_ahead_ms = 0

    def learn(self, news: News) -> None:
        """Take news that has been kept."""
        if news.keys is not None:
            self.keys = news.keys
        self._ended.update(news.ended)
        self._revoked |= news.revoked
        self._fresh_ms, self.heard_ms = self._clock.steady_ms(), self._clock.wall_ms()
        if news.server_time_ms:
            self._service_ahead_ms = news.server_time_ms - self._clock.wall_ms()
        if news.complete:
            self.sequence, self.digest = news.sequence, news.digest

    @property
    def ended(self) -> Mapping[PairId, End | None]:
        """Say which pairings are over, each with whose word that was."""
        return self._ended

    @property
    def age_ms(self) -> int:
        """How old the service's last word is."""
        return self._clock.steady_ms() - self._fresh_ms

    @property
    def clock_off_ms(self) -> int:
        """By how much this computer's clock is ahead of the service's, below zero behind. Grants are judged by the service's."""
        return -self._service_ahead_ms

    @property
    def usable(self) -> bool:
        """Whether anybody may be let in."""
        return self.keys is not None and self.age_ms <= self._stale_ms

    def admit(self, signed: pb.SignedGrant) -> Admitted:
        """Believe a grant or raise why not: TrustStale, GrantExpired, ProofInvalid, and what `still` raises."""
        if self.keys is None or not self.usable:
            raise errors.TrustStale(retry_after_ms=1_000)
        if not proof.verify_grant(self.keys, signed.grant, proof.KeySignature(signed.key_id, signed.signature)):
            raise errors.ProofInvalid("the grant is not signed by the pairing service that this relay follows")
        try:
            grant = pb.Grant.FromString(signed.grant)
        except DecodeError as failure:
            raise errors.ProofInvalid("the grant can't be read") from failure
        end = _ENDS.get(grant.role)
        if end is None or len(grant.pair_id) != ID_BYTES or proof.device_id(grant.device_key) != grant.device_id:
            raise errors.ProofInvalid("the grant does not fit together")
        now_ms = self._clock.wall_ms() + self._service_ahead_ms
        if not grant.not_before_ms - TOLERANCE_MS <= now_ms < grant.not_after_ms:
            raise errors.GrantExpired
        pair_id, device_id = PairId(grant.pair_id), DeviceId(grant.device_id)
        admitted = Admitted(
            pair_id=pair_id,
            device_id=device_id,
            device_key=grant.device_key,
            end=end,
            left_ms=grant.not_after_ms - now_ms,
        )
        self.still(admitted)
        return admitted

    def still(self, admitted: Admitted) -> None:
        """Ask again, right before the stream opens: raises DeviceRevoked, HostRevoked or NotPaired."""
        if admitted.device_id in self._revoked:
            raise errors.DeviceRevoked
        if admitted.pair_id in self._ended:
            by_host = self._ended[admitted.pair_id] is End.HOST
            raise errors.HostRevoked if by_host and admitted.end is End.PHONE else errors.NotPaired
