"""Rotating the keys that sign grants: nobody is interrupted, and a key that leaked is believed no more."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from dispatch import errors
from dispatch.api.pairing.v1 import pairing_pb2 as pb
from dispatch.proof import KeySignature, PinnedKeys, may_replace, verify_grant
from dispatch_pairing.limits import Limits
from dispatch_pairing.model import SigningKey
from dispatch_pairing.signing_keys import KEYS, Phase, phase, rotate
from dispatch_pairing.sql import open_sqlite
from dispatch_pairing.storage import DATABASE

from tests.support.pairing_device import Device
from tests.support.pairing_service import PairingService
from tests.support.processes import run
from tests.support.waiting import DEADLINE_SECONDS

LIMITS = Limits()


class Follower:
    """A relay or a device that pins the service's keys, and follows what it is told."""

    def __init__(self) -> None:
        self.known: PinnedKeys | None = None

    def follow(self, offered: pb.KeySet) -> bool:
        """Take a key set; tells whether it was to be believed."""
        keys = PinnedKeys(tuple(offered.keys), offered.sequence)
        if keys == self.known:
            return True
        signatures = [KeySignature(one.key_id, one.signature) for one in offered.signatures]
        if not may_replace(self.known, keys, signatures):
            return False
        self.known = keys
        return True

    def believes(self, grant: pb.SignedGrant) -> bool:
        assert self.known is not None
        return verify_grant(self.known, grant.grant, KeySignature(grant.key_id, grant.signature))


@pytest.fixture
async def service(tmp_path: Path) -> AsyncIterator[PairingService]:
    async with PairingService(tmp_path / "data") as service:
        yield service


async def paired(service: PairingService) -> tuple[Device, Device, bytes]:
    """Make a host and a phone that are paired."""
    await service.add_account()
    host, phone = await service.host(), await service.phone()
    return host, phone, await service.paired(host, phone)


async def rotated(service: PairingService, *, leaked: bool = False) -> None:
    """Rotate as the operator's command does, and let the service look."""
    store = await open_sqlite(service.folder / DATABASE)
    try:
        await rotate(store=store, folder=service.folder, now_ms=service.clock.now_ms, rng=os.urandom, leaked=leaked)
    finally:
        await store.close()
    service.running.bell.ring(KEYS)


async def renewed(device: Device, pair_id: bytes, *, sequence: int) -> pb.RenewGrantResponse:
    """Renew until the service gives that key set: it looks at its keys beside the calls."""
    async with asyncio.timeout(DEADLINE_SECONDS):
        while (answer := await device.renew(pair_id)).keys.sequence < sequence:
            pass
    assert answer.keys.sequence == sequence
    return answer


@pytest.mark.parametrize(
    ("number", "alone", "age_ms", "expected"),
    [
        (1, True, 0, Phase.ALONE),
        (2, True, 0, Phase.ALONE),
        (2, False, 0, Phase.ANNOUNCED),
        (2, False, LIMITS.grant_ms - 1, Phase.ANNOUNCED),
        (2, False, LIMITS.grant_ms, Phase.SIGNING),
        (2, False, 2 * LIMITS.grant_ms + LIMITS.clock_tolerance_ms - 1, Phase.SIGNING),
        (2, False, 2 * LIMITS.grant_ms + LIMITS.clock_tolerance_ms, Phase.ALONE),
    ],
)
def test_a_key_is_announced_then_signs_then_stands_alone(
    number: int, alone: bool, age_ms: int, expected: Phase
) -> None:
    key = SigningKey(number=number, key_id=b"k" * 8, made_ms=1_000, alone=alone)

    assert phase(key, now_ms=1_000 + age_ms, limits=LIMITS) is expected


async def test_a_rotation_interrupts_nobody(service: PairingService) -> None:
    """Whoever renews once a grant's lifetime believes every grant that was good when it was given out, all the time."""
    host, phone, pair_id = await paired(service)
    judge, idler = Follower(), Follower()
    first = await phone.renew(pair_id)
    assert judge.follow(first.keys)
    assert idler.follow(first.keys)
    await rotated(service)

    announced = await renewed(phone, pair_id, sequence=2)
    assert idler.believes(announced.grant)  # it has not heard of the new key yet
    assert judge.follow(announced.keys)

    await service.advance(service.limits.grant_ms)
    signing = await renewed(phone, pair_id, sequence=3)
    assert judge.believes(signing.grant)
    assert judge.believes(announced.grant)
    assert judge.follow(signing.keys)

    await service.advance(service.limits.grant_ms + service.limits.clock_tolerance_ms)
    alone = await renewed(host, pair_id, sequence=4)
    assert judge.follow(alone.keys)
    assert judge.believes(signing.grant)
    assert not judge.believes(first.grant)
    assert idler.follow(alone.keys)  # it was away all the time; the first key vouches for the set


async def test_a_key_that_leaked_is_believed_no_more_at_once(service: PairingService) -> None:
    _, phone, pair_id = await paired(service)
    judge = Follower()
    first = await phone.renew(pair_id)
    judge.follow(first.keys)

    await rotated(service, leaked=True)

    after = await renewed(phone, pair_id, sequence=4)
    assert judge.follow(after.keys)
    assert judge.believes(after.grant)
    assert not judge.believes(first.grant)


async def test_a_rotation_outlives_a_restart(service: PairingService) -> None:
    _, phone, pair_id = await paired(service)
    await rotated(service)
    await renewed(phone, pair_id, sequence=2)

    await service.restart()

    assert (await phone.renew(pair_id)).keys.sequence == 2


async def test_a_new_key_without_its_file_stops_the_start_and_not_the_service(service: PairingService) -> None:
    _, phone, pair_id = await paired(service)
    await rotated(service)
    await renewed(phone, pair_id, sequence=2)
    (service.folder / "signing-2.key").unlink()

    assert (await phone.renew(pair_id)).grant.grant
    await service.stop()
    with pytest.raises(errors.StoreFailed, match="gone"):
        await service.start()


@pytest.mark.big
async def test_the_operator_rotates_and_lists_by_command(service: PairingService) -> None:
    words = ("--data", str(service.folder))
    assert await run("dispatch-pairing", "keys", "rotate", *words) == (0, [{"event": "rotated", "number": 2}])

    code, events = await run("dispatch-pairing", "keys", "list", *words)

    assert code == 0
    assert [(event["number"], event["phase"]) for event in events] == [(1, "earlier"), (2, "announced")]
    assert (service.folder / "signing-2.key").stat().st_mode & 0o077 == 0
