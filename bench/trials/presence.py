"""Trial `presence`: how long until a phone that is watched knows that its host died, and that it goes away.

A host that dies answers nothing more and closes nothing. When the relay asks next depends on when the host spoke last, so hosts
die at times that are spread evenly over a lease.
"""

from __future__ import annotations

import asyncio
import os
import statistics
import time
from collections.abc import Sequence
from pathlib import Path

from dispatch.api.relay.v1 import relay_pb2 as pb

from bench.trials.ground import Ground, a_relay
from bench.trials.trial import Reading, Trial, TrialPlan, readings, spread
from tests.support.trust_service import TrustService

NAME = "presence"
AT_ONCE = 10
"""Pairs that are watched side by side: most of the time they wait."""


async def _dead(ground: Ground, *, phase_seconds: float, commanded: bool) -> float:
    """Have a host die so long after it answered; gives how many s later its phone knew. `commanded`: it sends a command at once."""
    phone, host = await ground.attached()
    await host.got("ping")
    await asyncio.sleep(phase_seconds)
    host.frozen = True
    begun = time.perf_counter()
    if commanded:
        await phone.post(os.urandom(1_024))
    await phone.until(lambda: phone.all("presence")[-1].state != pb.REACHABILITY_REACHABLE)
    took = time.perf_counter() - begun
    await asyncio.gather(phone.drop(), host.drop())
    return took


async def deaths(ground: Ground, plan: TrialPlan, *, commanded: bool) -> list[float]:
    """Have hosts die; gives how many leases later the phone of each knew."""
    lease = plan.lease_ms / 1e3
    phases = [lease * (number + 0.5) / plan.deaths for number in range(plan.deaths)]
    at_once = asyncio.Semaphore(AT_ONCE)

    async def one(phase: float) -> float:
        async with at_once:
            return await _dead(ground, phase_seconds=phase, commanded=commanded) / lease

    async with asyncio.TaskGroup() as group:
        under_way = [group.create_task(one(phase)) for phase in phases]
    return [task.result() for task in under_way]


async def gone(ground: Ground) -> float:
    """Have a host say that it goes to sleep; gives how many ms it took until its phone knew."""
    phone, host = await ground.attached()
    begun = time.perf_counter()
    await host.say(notice=pb.Notice(condition=pb.CONDITION_ASLEEP), bye=pb.Bye())
    await phone.presence(pb.REACHABILITY_ABSENT)
    took = time.perf_counter() - begun
    await asyncio.gather(phone.drop(), host.drop())
    return took * 1e3


async def run(plan: TrialPlan, folder: Path) -> Sequence[Reading]:
    """Have hosts die, and go."""
    async with TrustService() as trust, a_relay(folder, trust, lease_ms=plan.lease_ms) as ground:
        watched = await deaths(ground, plan, commanded=False)
        commanded = await deaths(ground, plan, commanded=True)
        told = [await gone(ground) for _ in range(plan.presences)]
    return [
        *readings(NAME, of=len(watched), dead_p50_leases=statistics.median(watched), dead_most_leases=max(watched)),
        *readings(NAME, of=len(commanded), dead_with_a_command_most_leases=max(commanded)),
        *spread(NAME, "gone", told),
    ]


TRIAL = Trial(
    name=NAME,
    about="a host that dies or goes to sleep, until a phone at which somebody looks knows",
    figures=("dead_p50_leases", "dead_most_leases", "dead_with_a_command_most_leases", "gone_p50_ms", "gone_p99_ms"),
    run=run,
)
