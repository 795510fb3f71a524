"""The servers that other people made carry what `bench` sends through them. Needs them; `.ci/run` installs them."""

from __future__ import annotations

import os

import pytest

from bench.subjects.listing import SUBJECTS
from bench.subjects.subject import Missing
from tests.support.bench_subject import check_subject


@pytest.mark.parametrize("name", ["nats", "jetstream", "mosquitto", "redis", "socket-io"])
async def test_it_carries_messages_of_every_size_to_the_right_end(name: str) -> None:
    try:
        await check_subject(SUBJECTS[name]())
    except Missing as missing:
        if os.environ.get("DISPATCH_REQUIRE_SERVERS") == "1":
            pytest.fail(str(missing))
        pytest.skip(str(missing))
