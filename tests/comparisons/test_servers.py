"""The servers that other people made carry what `bench` sends through them. Needs them; `.ci/run` installs them."""

from __future__ import annotations

import os
from typing import NoReturn

import nats
import pytest

from bench.subjects.jetstream import STREAM, JetStream
from bench.subjects.listing import SUBJECTS
from bench.subjects.pair import Pair
from bench.subjects.subject import Missing
from tests.support.bench_subject import check_subject


@pytest.mark.parametrize("name", ["nats", "jetstream", "mosquitto", "redis", "socket-io"])
async def test_it_carries_messages_of_every_size_to_the_right_end(name: str) -> None:
    try:
        await check_subject(SUBJECTS[name]())
    except Missing as missing:
        absent(missing)


def absent(missing: Missing) -> NoReturn:
    """Leave the test out; where servers are required it fails."""
    if os.environ.get("DISPATCH_REQUIRE_SERVERS") == "1":
        pytest.fail(str(missing))
    pytest.skip(str(missing))


async def test_jetstream_forgets_the_readers_of_a_pair_that_is_closed() -> None:
    """Defect: those of earlier measurements stayed, and each message of a pair of the same number was offered to them, too."""
    subject = JetStream()
    try:
        await subject.start()
    except Missing as missing:
        absent(missing)
    try:
        for _ in range(2):
            pair = Pair()
            await pair.open(subject, 0)
            await pair.round_trip(bytes(100))
            assert await readers(subject) == 2
            await pair.close()
        assert await readers(subject) == 0
    finally:
        await subject.stop()


async def readers(subject: JetStream) -> int:
    """Ask the server how many consumers its stream has."""
    async with await nats.connect(subject.url) as client:
        return (await client.jetstream().stream_info(STREAM)).state.consumer_count
