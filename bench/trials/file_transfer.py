"""Trial `file-transfer`: a file from phone to host by the relay's transfer service, beside bytes through two hops of bare gRPC.

The file goes as it does between devices (`dispatch.files`): sealed, written to the disk, hashed and put in its place; one that is
cut can go on where it was. Bare moves chunks of the same size from one stream to the other. Both ends are in this process.
"""

from __future__ import annotations

import asyncio
import os
import statistics
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from dispatch.channel import dial

from bench.forwarders.bare import METHOD, SERVICE
from bench.subjects.server import Server
from bench.subjects.subject import Lost, Role, opening
from bench.trials.ground import UNLIMITED, Ground, a_relay
from bench.trials.parcel import Parcel, carried
from bench.trials.trial import MIB, Reading, Trial, TrialPlan, ratio_of, readings, spread
from tests.support.device_end import DeviceEnd
from tests.support.trust_service import TrustService

NAME = "file-transfer"
CHUNK_BYTES = 64 * 1024
PAUSE_SECONDS = 0.003
"""Between two messages, so that they keep no step with the chunks."""


async def bare(address: str, number: int, size: int) -> float:
    """Move so many bytes from one stream of the forwarder to the other; gives s. Raises Lost."""
    async with dial(address, alone=True) as above, dial(address, alone=True) as below:
        sends: Any = above.stream_stream(f"/{SERVICE}/{METHOD}")()
        hears: Any = below.stream_stream(f"/{SERVICE}/{METHOD}")()
        for call, role in ((hears, Role.HOST), (sends, Role.PHONE)):
            await call.write(opening(role, number))
            await call.read()
        chunk, count = bytes(CHUNK_BYTES), -(-size // CHUNK_BYTES)
        begun = time.perf_counter()

        async def pour() -> None:
            for _ in range(count):
                await sends.write(chunk)

        async with asyncio.TaskGroup() as group:
            group.create_task(pour())
            for _ in range(count):
                if not isinstance(await hears.read(), bytes):
                    raise Lost("the stream of bare ended")
        took = time.perf_counter() - begun
        sends.cancel()
        hears.cancel()
    return took


async def message(phone: DeviceEnd, host: DeviceEnd) -> float:
    """Post a task message; gives how many ms later the host had it."""
    sealed, before = os.urandom(1_024), len(host.frames)
    begun = time.perf_counter()
    posted = await phone.post(sealed)
    await host.got("handover", lambda one: one.message_id == posted, after=before)
    took = (time.perf_counter() - begun) * 1e3
    await asyncio.sleep(PAUSE_SECONDS)
    return took


async def messages(ground: Ground, *, until: asyncio.Task[float] | None, times: int) -> list[float]:
    """Post task messages one after the other, so many, or for as long as a transfer runs; gives ms of each."""
    phone, host = await ground.attached()
    took: list[float] = []
    while len(took) < times if until is None else not (until.done() and took):
        took.append(await message(phone, host))
        # Each end keeps all that it heard, and here nobody looks back.
        phone.frames.clear()
        host.frames.clear()
    await asyncio.gather(phone.drop(), host.drop())
    return took


async def run(plan: TrialPlan, folder: Path) -> Sequence[Reading]:
    """Carry files and bytes in turns, then a file beside messages."""
    ours: list[float] = []
    theirs: list[float] = []
    parcel = Parcel.of(plan.transfer_bytes)
    forwarder = Server("bare")
    try:
        await forwarder.start([sys.executable, "-m", "bench.forwarders.bare", str(forwarder.port)])
        address = f"{forwarder.host}:{forwarder.port}"
        async with (
            TrustService() as trust,
            a_relay(folder, trust, **UNLIMITED, pending_commands=1_000_000) as ground,
        ):
            for number in range(plan.transfers):
                theirs.append(await bare(address, number, plan.transfer_bytes))
                ours.append(await carried(parcel, ground, folder / f"to{number}"))
            alone = await messages(ground, until=None, times=plan.messages)
            async with asyncio.TaskGroup() as group:
                transfer = group.create_task(carried(parcel, ground, folder / "beside"))
                beside = await messages(ground, until=transfer, times=0)
    finally:
        await forwarder.stop()
    rates = [[plan.transfer_bytes / MIB / took for took in several] for several in (ours, theirs)]
    values = {
        "file_mib_per_second": statistics.median(rates[0]),
        "bare_mib_per_second": statistics.median(rates[1]),
        "file_against_bare_ratio": ratio_of(*rates),
    }
    apart, together = spread(NAME, "message_alone", alone), spread(NAME, "message_beside", beside)
    added = together[-1].value - apart[-1].value
    return [
        *readings(NAME, of=plan.transfers, **values),
        *apart,
        *together,
        *readings(NAME, of=len(beside), message_added_p99_ms=added),
    ]


TRIAL = Trial(
    name=NAME,
    about="a sealed file from phone to host, bytes through bare, and task messages alone and beside a file",
    figures=(
        "file_mib_per_second",
        "bare_mib_per_second",
        "file_against_bare_ratio",
        *(f"message_{how}_{percent}_ms" for how in ("alone", "beside") for percent in ("p50", "p99")),
        "message_added_p99_ms",
    ),
    run=run,
)
