"""What a transfer leaves of a line that a thread needs, too: gRPC can bound it; docs/web.md says what a browser can not."""

from __future__ import annotations

import asyncio

import pytest

from tests.support.device_end import DeviceEnd
from tests.support.narrow import Narrow
from tests.support.relay import Relay
from tests.support.transfer_end import TransferEnd
from tests.support.trust_service import new_id
from tests.support.waiting import until

MOST_AHEAD_BYTES = 128 * 1024
"""Of a transfer, on a line that takes all that is sent and carries it slowly. docs/files.md "What is under way"."""


async def joined(phone: TransferEnd, host: TransferEnd) -> bytes:
    transfer_id = new_id()
    await asyncio.gather(phone.join(transfer_id), host.join(transfer_id))
    return transfer_id


@pytest.mark.parametrize("to", ["host", "phone"])
async def test_little_of_a_transfer_is_ahead_of_what_a_thread_says_on_the_same_line(calm_relay: Relay, to: str) -> None:
    pair, at = calm_relay.pair(), calm_relay.address
    host_thread = await calm_relay.attach(pair.host)
    async with Narrow(at, bytes_per_second=4_000_000) as line:
        phone, host = TransferEnd(pair.phone, line.address, dialled=at), TransferEnd(pair.host, at)
        giver, taker, way = (phone, host, line.up) if to == "host" else (host, phone, line.down)
        async with phone, host:
            await joined(phone, host)
            thread = await DeviceEnd.attach(pair.phone, line.address, dialled=at)

            async def pour() -> None:
                while True:
                    await giver.data(bytes(65_573))

            async def swallow() -> None:
                while True:
                    await taker.heard()

            moving = [asyncio.create_task(pour()), asyncio.create_task(swallow())]
            for number in range(10):
                await until(lambda: way.waiting > 0)  # a file is on its way just now
                posted = await thread.post(b"a task %d" % number)
                await host_thread.got("handover", lambda one, posted=posted: one.message_id == posted)  # type: ignore[misc]
            for task in moving:
                task.cancel()
            await asyncio.gather(*moving, return_exceptions=True)
            await thread.drop()

            assert way.most_waiting > 65_573
            assert way.most_waiting < MOST_AHEAD_BYTES
