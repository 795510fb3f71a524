"""How much of a relay silent hosts take: one relay that gets more and more of them. Called by `bench.growth.__main__`."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from bench.figures import Used
from bench.growth.figures import IdleFigure
from bench.growth.files import allowed, possible
from bench.growth.plan import GrowthPlan, HostShare, divided
from bench.pairs import LoadFailed
from bench.relays import running
from tests.support.processes import Process
from tests.support.trust_service import TrustService

PROCESSES = 2
"""That hold the hosts."""
SHARED = 4
"""Connections of each of them, where hosts share some."""


async def measure(plan: GrowthPlan, folder: Path, *, say: Callable[[str], None]) -> tuple[tuple[IdleFigure, ...], str]:
    """Attach hosts over connections of their own. Gives the figures, and what could not be done. Raises LoadFailed."""
    wanted, note = possible(plan.streams, files=allowed())
    return await _grown(plan, wanted, folder, connections=0, say=say), note


async def measure_shared(plan: GrowthPlan, folder: Path, *, say: Callable[[str], None]) -> tuple[IdleFigure, ...]:
    """Attach hosts over a few connections, as many as `bench.pairs` has. Raises LoadFailed."""
    return await _grown(plan, plan.shared, folder, connections=SHARED, say=say)


async def _grown(
    plan: GrowthPlan, wanted: Sequence[int], folder: Path, *, connections: int, say: Callable[[str], None]
) -> tuple[IdleFigure, ...]:
    """Attach more and more hosts to a relay, wait, look at it."""
    async with TrustService() as trust, running(1, folder, trust, stores=()) as (relay,):
        signer = trust.signers[0].private_bytes_raw().hex()
        share = HostShare(address=relay.address, signer=signer, connections=connections)
        loads: list[Process] = []
        figures: list[IdleFigure] = []
        at_rest, there = relay.used(), 0
        try:
            for _ in range(PROCESSES):
                loads.append(await Process.start("python", "-m", "bench.growth.host_load"))
                await loads[-1].say(share.told())
            for number, streams in enumerate(wanted, 1):
                begun_at = time.perf_counter()
                for load, more in zip(loads, divided(streams - there, len(loads)), strict=True):
                    await load.say(str(more))
                told = await asyncio.gather(*(_attached(load, number) for load in loads))
                within, there = time.perf_counter() - begun_at, streams
                await asyncio.sleep(plan.settle_seconds)
                before, before_at = relay.used(), time.perf_counter()
                await asyncio.sleep(plan.idle_seconds)
                after, seconds = relay.used(), time.perf_counter() - before_at
                over = connections * len(loads) or streams
                figures.append(
                    figure(streams, told, at_rest, before, after, seconds=seconds, within=within, connections=over)
                )
                say(f"idle: {figures[-1]}")
        finally:
            for load in loads:
                await load.stop()
    return tuple(figures)


def figure(
    streams: int,
    told: list[dict[str, Any]],
    at_rest: Used,
    before: Used,
    after: Used,
    *,
    seconds: float,
    within: float,
    connections: int,
) -> IdleFigure:
    """Make a figure of what the relay had used at three moments, and of what the load processes said. Pure."""
    return IdleFigure(
        streams=streams,
        connections=connections,
        held=sum(one["held"] for one in told),
        attached_within_s=within,
        kib_per_stream=(after.resident_kib - at_rest.resident_kib) / streams,
        cpu_percent=100 * (after.cpu_seconds - before.cpu_seconds) / seconds,
        resident_mib=after.resident_kib / 1024,
        at_rest_mib=at_rest.resident_kib / 1024,
        ended=sum(one["ended"] for one in told),
    )


async def _attached(load: Process, times: int) -> dict[str, Any]:
    """Wait until a load process has said so often that its hosts are attached; gives the last time."""
    async for event in load.stream():
        if event["event"] == "attached":
            times -= 1
            if not times:
                return event
    raise LoadFailed(str(load))
