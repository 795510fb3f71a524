"""Trial `refusal`: how long until a phone knows that its host is away, when it sends a command."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from pathlib import Path

from dispatch.api.relay.v1 import relay_pb2 as pb

from bench.trials.ground import UNLIMITED, a_relay
from bench.trials.trial import Reading, Trial, TrialPlan, spread
from tests.support.device_end import DeviceEnd
from tests.support.trust_service import TrustService

NAME = "refusal"
SEALED_BYTES = 1_024


async def refused(phone: DeviceEnd) -> float:
    """Post a command to a host that is away; gives how many ms it took until the refusal was there."""
    sealed, before = os.urandom(SEALED_BYTES), len(phone.frames)
    begun = time.perf_counter()
    command = await phone.post(sealed)
    await phone.got("refusal", lambda one: one.message_id == command, after=before)
    return (time.perf_counter() - begun) * 1e3


async def run(plan: TrialPlan, folder: Path) -> Sequence[Reading]:
    """Post commands one after the other while the host is away."""
    async with TrustService() as trust, a_relay(folder, trust, **UNLIMITED) as ground:
        phone, host = await ground.attached()
        await host.bye(notice=pb.CONDITION_ASLEEP)
        await phone.presence(pb.REACHABILITY_ABSENT)
        took = [await refused(phone) for _ in range(plan.refusals)]
        await phone.drop()
    return spread(NAME, "refused", took)


TRIAL = Trial(
    name=NAME,
    about="a command to a host that is away, until its phone has the refusal",
    figures=("refused_p50_ms", "refused_p99_ms"),
    run=run,
)
