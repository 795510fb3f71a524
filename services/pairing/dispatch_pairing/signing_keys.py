"""The keys that sign grants, over time: one in use, and another on its way in or out. Called by app.py and the command line.

A new key is announced first, so that every host and relay knows it; then it signs, while grants of the one before are still
good; then it stands alone. So a rotation interrupts nobody. Each key set is signed by the keys before it as well: whoever
knows an older one follows.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from dispatch.api.pairing.v1 import pairing_pb2 as pb
from dispatch.clock import Clock
from dispatch.errors import Draining, StoreFailed
from dispatch.ids import PairId, Rng
from dispatch.proof import PinnedKeys, sign_key_set
from dispatch.runtime.logs import get_logger

from dispatch_pairing import signer as signers
from dispatch_pairing.bell import TRUST, Bell
from dispatch_pairing.limits import Limits
from dispatch_pairing.model import Device, SigningKey
from dispatch_pairing.signer import Signer
from dispatch_pairing.stamp import Stamp
from dispatch_pairing.store import Store

KEYS = b"keys"
"""The topic of the bell that makes a running service look at its keys."""
_VOUCHING = 4
"""So many of the newest keys sign a key set: a device that was away for more rotations signs in again."""

_log = get_logger()


class Phase(Enum):
    """How far the newest key has come."""

    ANNOUNCED = "announced"
    SIGNING = "signing"
    ALONE = "alone"


def phase(newest: SigningKey, *, now_ms: int, limits: Limits) -> Phase:
    """Decide by the age of the newest key. Pure. The first one, and one whose forerunner has leaked, stands alone at once."""
    if newest.number == 1 or newest.alone:
        return Phase.ALONE
    # All grants given out before the announcement are renewed within one lifetime of them: then everybody knows the key.
    if now_ms < newest.made_ms + limits.grant_ms:
        return Phase.ANNOUNCED
    if now_ms < newest.made_ms + 2 * limits.grant_ms + limits.clock_tolerance_ms:
        return Phase.SIGNING
    return Phase.ALONE


@dataclass(frozen=True, slots=True)
class _Now:
    """The keys at a moment, oldest first."""

    signers: Sequence[Signer]
    number: int
    phase: Phase

    @property
    def signer(self) -> Signer:
        return self.signers[-2 if self.phase is Phase.ANNOUNCED else -1]

    @property
    def believed(self) -> Sequence[Signer]:
        """Those that others believe now, the one that signs first."""
        newest = self.signers[-1]
        return {
            Phase.ANNOUNCED: (self.signer, newest),
            Phase.SIGNING: (newest, *self.signers[-2:-1]),
            Phase.ALONE: (newest,),
        }[self.phase]

    def secrets(self, purpose: str) -> Sequence[bytes]:
        return [one.secret(purpose) for one in self.believed]

    def key_set(self) -> pb.KeySet:
        keys = tuple(one.public for one in self.believed)
        # Three sets a key, in this order; the first key has the last of its three only.
        sequence = 3 * self.number - 2 - [Phase.ALONE, Phase.SIGNING, Phase.ANNOUNCED].index(self.phase)
        pinned = PinnedKeys(keys=keys, sequence=sequence)
        signed = [sign_key_set(one.private.sign, one.public, pinned) for one in self.signers]
        signatures = [pb.KeySetSignature(key_id=one.key_id, signature=one.signature) for one in signed]
        return pb.KeySet(keys=keys, sequence=sequence, signatures=signatures)


class SigningKeys:
    """What signs now. `open` makes one; `watch` keeps it up to date."""

    def __init__(self, now: _Now, *, store: Store, folder: Path, clock: Clock, limits: Limits, bell: Bell) -> None:
        self._now = now
        self._set = now.key_set()
        self._store = store
        self._folder = folder
        self._clock = clock
        self._limits = limits
        self._bell = bell

    @classmethod
    async def open(
        cls, *, store: Store, folder: Path, clock: Clock, rng: Rng, limits: Limits, bell: Bell
    ) -> SigningKeys:
        """Read the keys, or make the first. Raises StoreFailed when one that is needed is gone, damaged or open to others."""
        async with store.write() as kept:
            if not await kept.service.signing_keys():
                first = signers.make(folder, number=1, rng=rng)
                await kept.service.add_signing_key(
                    SigningKey(number=1, key_id=first.key_id, made_ms=clock.wall_ms(), alone=True)
                )
            known = await kept.service.signing_keys()
        now = _read(known, folder=folder, now_ms=clock.wall_ms(), limits=limits)
        return cls(now, store=store, folder=folder, clock=clock, limits=limits, bell=bell)

    def key_set(self) -> pb.KeySet:
        """Give the key set of now."""
        return self._set

    def grant(
        self, device: Device, pair_id: PairId, *, not_before_ms: int, not_after_ms: int, sequence: int
    ) -> pb.SignedGrant:
        """Sign a device's right to attach to a pairing, as exact bytes."""
        return self._now.signer.grant(
            device, pair_id, not_before_ms=not_before_ms, not_after_ms=not_after_ms, sequence=sequence
        )

    def stamp(self, purpose: str) -> Stamp:
        """Give what stamps for another purpose. It goes along with the keys, as every service that has them does."""
        return Stamp(lambda: self._now.secrets(purpose))

    async def watch(self) -> None:
        """Take what the operator rotates, and go on to the next phase when it is time. Until the bell closes."""
        with self._bell.listen(KEYS) as ear, contextlib.suppress(Draining):
            while True:
                ear.clear()
                try:
                    await self._look()
                except StoreFailed as failure:
                    # What signs now still does; a restart would fail by this, so the operator must hear of it.
                    _log.error("keys can't be read", detail=failure.detail)
                await ear.wait(at_most_ms=self._limits.look_again_ms)

    async def _look(self) -> None:
        async with self._store.read() as kept:
            known = await kept.service.signing_keys()
        before, now_ms = (self._now.number, self._now.phase), self._clock.wall_ms()
        if (known[-1].number, phase(known[-1], now_ms=now_ms, limits=self._limits)) != before:
            self._now = _read(known, folder=self._folder, now_ms=now_ms, limits=self._limits)
            self._set = self._now.key_set()
            _log.info("keys", number=self._now.number, phase=self._now.phase.value)
            self._bell.ring(TRUST)


def _read(known: Sequence[SigningKey], *, folder: Path, now_ms: int, limits: Limits) -> _Now:
    newest = phase(known[-1], now_ms=now_ms, limits=limits)
    needed = 1 if newest is Phase.ALONE else 2
    found = []
    for back, one in enumerate(reversed(known[-_VOUCHING:])):
        # One that only vouches may be gone: who knows no newer one signs in again.
        if back < needed or signers.file_of(folder, one.number).exists():
            found.append(signers.read(folder, number=one.number, known=one.key_id))
    return _Now(signers=found[::-1], number=known[-1].number, phase=newest)


async def rotate(*, store: Store, folder: Path, now_ms: int, rng: Rng, leaked: bool) -> SigningKey:
    """Make the next key. `leaked` means that the one before is not to be believed any more, whoever that interrupts.

    Raises StoreFailed.
    """
    async with store.write() as kept:
        known = await kept.service.signing_keys()
        number = known[-1].number + 1 if known else 1
        # The file first: a key that the database names is there.
        made = signers.make(folder, number=number, rng=rng)
        key = SigningKey(number=number, key_id=made.key_id, made_ms=now_ms, alone=leaked or number == 1)
        await kept.service.add_signing_key(key)
    return key
