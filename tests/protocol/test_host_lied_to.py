"""A relay or a pairing service that says what no honest one would: the host comes back from it, as from any break."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from dispatch import errors
from dispatch.api.error.v1.error_pb2 import Reason
from dispatch.api.relay.v1 import relay_pb2 as relay
from dispatch.status import to_status
from google.protobuf.any_pb2 import Any as ProtoAny
from google.rpc import code_pb2, status_pb2

from tests.support.host_bench import Bench

BEYOND = 2**64 - 1
"""A place that fits on the wire and into no store."""


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    """Give a host that runs and has a session with its phone."""
    async with Bench(tmp_path) as bench:
        yield await bench.ready()


async def still_works(bench: Bench) -> None:
    """Let the phone send a task that is done at once, on a stream behind the lie."""
    await bench.relay.until(lambda: len(bench.relay.opens) > 1)
    await bench.relay.attached()
    await bench.phone.shakes_hands()
    sent = await bench.phone.sends("quick")
    await bench.phone.sees_end(sent.task_id)


@pytest.mark.parametrize(
    "lie",
    [
        relay.RelayFrame(receipt=relay.Receipt(message_id=bytes(16), seq=BEYOND)),
        relay.RelayFrame(deliver=relay.Deliver(message_id=bytes(16), seq=BEYOND)),
        relay.RelayFrame(withdrawn=relay.Withdrawn(message_id=bytes(16), seq=BEYOND)),
    ],
    ids=["receipt", "deliver", "withdrawn"],
)
async def test_a_row_s_place_beyond_all_bounds_breaks_the_stream_and_no_more(
    bench: Bench, lie: relay.RelayFrame
) -> None:
    await bench.relay.say(lie)

    await still_works(bench)


@pytest.mark.parametrize("oldest", [str(BEYOND), "9" * 5000, "-1", "what"])
async def test_an_oldest_row_that_makes_no_sense_is_read_as_the_first(bench: Bench, oldest: str) -> None:
    await bench.relay.cut(to_status(errors.ResumeTooOld(metadata={"oldest_seq": oldest})).SerializeToString())

    await still_works(bench)


async def test_a_status_that_can_not_be_read_is_a_break_like_any_other(bench: Bench) -> None:
    info = ProtoAny(type_url="type.googleapis.com/google.rpc.ErrorInfo", value=b"\xff\xff\xff")
    await bench.relay.cut(status_pb2.Status(code=code_pb2.UNAVAILABLE, details=[info]).SerializeToString())

    await still_works(bench)


async def test_a_nonce_or_a_grant_that_can_not_be_read_is_asked_for_again(bench: Bench) -> None:
    asked = bench.pairing.asked
    bench.pairing.lies = [errors.NonceExpired(metadata={"nonce": "not base 64!"}), b"\xff\xff\xff"]

    while bench.pairing.lies:  # a cut that meets a word of the host's is told as INTERNAL, and asks for no grant
        await bench.relay.attached()
        await bench.relay.cut(to_status(errors.GrantExpired()).SerializeToString())
        await still_works(bench)

    assert bench.pairing.asked >= asked + 3


async def test_a_relay_s_word_to_wait_for_weeks_ends_with_its_stream(bench: Bench) -> None:
    bench.relay.refusing = Reason.REASON_RATE_LIMITED
    bench.relay.retry_after_ms = 2**32 - 1
    await bench.phone.sends("quick")
    await bench.relay.until(lambda: bench.relay.refused)

    bench.relay.refusing = None
    await bench.relay.cut()

    await still_works(bench)


async def test_a_switch_of_epochs_that_the_end_of_its_stream_cuts_off_leaves_nothing_undecided(bench: Bench) -> None:
    bench.relay.silence_ms = 2_000
    await bench.relay.cut()
    await bench.relay.until(lambda: len(bench.relay.opens) > 1)
    await bench.relay.attached()
    bench.relay.silence_ms = 65_000
    await bench.phone.shakes_hands(confirm=False)
    stalled = bench.disk.stalls()
    await bench.phone.confirms()
    await stalled.wait()

    await bench.relay.detached()
    bench.disk.goes_on()

    await bench.relay.until(lambda: len(bench.relay.opens) > 2)
    await still_works(bench)


async def test_a_relay_that_asks_and_does_not_read_the_answers_is_not_listened_to_any_more(bench: Bench) -> None:
    """It would fill the host's memory with them. What is not listened to is silent, and given up as such."""
    bench.relay.silence_ms = 2_000
    await bench.relay.cut()
    await bench.relay.until(lambda: len(bench.relay.opens) > 1)
    await bench.relay.attached()
    bench.relay.silence_ms = 65_000
    bench.relay.reading.clear()

    async def asks() -> None:
        while True:
            await bench.relay.attached()  # without a stream nothing is said, and this would never let anybody else run
            await bench.relay.say(*[relay.RelayFrame(ping=relay.Ping(number=2**64 - 1))] * 64)

    asking = asyncio.create_task(asks())
    try:
        await bench.relay.until(lambda: len(bench.relay.opens) > 2)
    finally:
        asking.cancel()
        bench.relay.reading.set()

    await still_works(bench)
