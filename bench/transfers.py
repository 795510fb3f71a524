"""How long a task message takes from phone to host, alone and beside a transfer, on lines of several speeds.

`python -m bench.transfers` prints a table; docs/files.md "What is under way" has one. The line takes all that is sent and
carries it in order, so the figures are those of the worst router; thread and transfer share it. Relay and line run in this process.
"""

from __future__ import annotations

import asyncio
import contextlib
import statistics
import tempfile
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

from tests.support.device_end import DeviceEnd
from tests.support.narrow import Narrow
from tests.support.relay import QUICK, Pair, Relay
from tests.support.transfer_end import TransferEnd
from tests.support.trust_service import new_id

MESSAGES = 60
SEALED_CHUNK = bytes(65_573)
MEGABIT = 1_000_000 // 8
LINES = (1_000, 50, 10, 5, 2)
"""Mbit/s."""


async def measured(relay: Relay, pair: Pair, line: Narrow) -> list[float]:
    """Post task messages one after the other; gives how many ms each took until the host had it."""
    host = await DeviceEnd.attach(pair.host, relay.address)
    phone = await DeviceEnd.attach(pair.phone, line.address, dialled=relay.address)
    took = []
    for number in range(MESSAGES):
        begun = time.perf_counter()
        posted = await phone.post(b"a task message %d" % number * 20)
        await host.got("handover", lambda one, posted=posted: one.message_id == posted)  # type: ignore[misc]
        took.append((time.perf_counter() - begun) * 1000)
        await asyncio.sleep(0.013)  # not in step with the chunks
    await phone.drop()
    await host.drop()
    return took


@contextlib.asynccontextmanager
async def a_transfer(relay: Relay, pair: Pair, line: Narrow) -> AsyncIterator[None]:
    """Carry chunks to the host meanwhile, without end."""
    phone = TransferEnd(pair.phone, line.address, dialled=relay.address)
    host = TransferEnd(pair.host, relay.address)

    async def pour() -> None:
        while True:
            await phone.data(SEALED_CHUNK)

    async def swallow() -> None:
        while True:
            await host.heard()

    async with phone, host:
        transfer_id = new_id()
        await asyncio.gather(phone.join(transfer_id), host.join(transfer_id))
        works = [asyncio.create_task(pour()), asyncio.create_task(swallow())]
        yield
        for work in works:
            work.cancel()
        await asyncio.gather(*works, return_exceptions=True)


def _percentile(of: list[float], percent: int) -> float:
    return statistics.quantiles(of, n=100, method="inclusive")[percent - 1]


async def main() -> None:
    """Measure and print."""
    print("Mbit/s   alone p50/p99 ms   beside a transfer p50/p99 ms   KiB ahead   transfer MB/s")
    calm = replace(QUICK, lease_ms=60_000, idle_ask_ms=60_000, transfer_bytes=2**40)
    for speed in LINES:
        with tempfile.TemporaryDirectory() as folder:
            async with (
                Relay(Path(folder) / "relay", settings=calm) as relay,
                Narrow(relay.address, bytes_per_second=speed * MEGABIT) as line,
            ):
                alone = await measured(relay, relay.pair(), line)
                pair, carried, begun = relay.pair(), line.up.carried, time.perf_counter()
                async with a_transfer(relay, pair, line):
                    beside = await measured(relay, pair, line)
                    rate = (line.up.carried - carried) / (time.perf_counter() - begun) / 1e6
                print(
                    f"{speed:6}   {_percentile(alone, 50):8.1f} / {_percentile(alone, 99):.1f}"
                    f"   {_percentile(beside, 50):18.1f} / {_percentile(beside, 99):.1f}"
                    f"   {line.up.most_waiting / 1024:15.0f}   {rate:9.2f}"
                )


if __name__ == "__main__":
    asyncio.run(main())
