"""Trial `revocation`: how long the stream of a device goes on after the pairing service has told the relay that it is revoked."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

from dispatch import errors

from bench.subjects.subject import Lost
from bench.trials.ground import Ground, a_relay
from bench.trials.trial import Reading, Trial, TrialPlan, spread
from tests.support.device_end import DeviceEnd
from tests.support.trust_service import TrustService

NAME = "revocation"


async def _ended(ground: Ground) -> float:
    """Revoke a phone that is attached; gives how many ms later its stream ended. Raises Lost when it ended for another reason."""
    device, _ = ground.pair()
    phone = await DeviceEnd.attach(device, ground.address)
    begun = time.perf_counter()
    await ground.trust.revoke(device.device_id)
    await phone.until(lambda: phone.closed)
    took = time.perf_counter() - begun
    await phone.drop()
    if not isinstance(phone.error, errors.DeviceRevoked):
        raise Lost(f"a revoked phone's stream ended with {phone.error!r}")
    return took * 1e3


async def run(plan: TrialPlan, folder: Path) -> Sequence[Reading]:
    """Revoke phones one after the other."""
    async with TrustService() as trust, a_relay(folder, trust) as ground:
        took = [await _ended(ground) for _ in range(plan.revocations)]
    return spread(NAME, "ended", took)


TRIAL = Trial(
    name=NAME,
    about="told by the pairing service that a phone is revoked, until its stream has ended",
    figures=("ended_p50_ms", "ended_p99_ms"),
    run=run,
)
