"""What the tests of the thread stream share."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.attacks import LogBook, recorded_logs
from tests.support.relay import QUICK, Relay


@pytest.fixture
def carrier() -> str:
    """Give what carries the streams of a test; a module that wants both says `BOTH_CARRIERS`."""
    return "grpc"


@pytest.fixture
async def relay(tmp_path: Path, carrier: str) -> AsyncIterator[Relay]:
    """Give a relay that runs and is trusted."""
    async with Relay(tmp_path / "relay", carrier=carrier) as relay:
        yield relay


@pytest.fixture
async def calm_relay(tmp_path: Path, carrier: str) -> AsyncIterator[Relay]:
    """Give a relay that asks nobody anything while a test lasts, so that only what the test does ends a stream."""
    calm = replace(QUICK, lease_ms=60_000, idle_ask_ms=60_000)
    async with Relay(tmp_path / "relay", settings=calm, carrier=carrier) as relay:
        yield relay


@pytest.fixture
def log() -> Iterator[LogBook]:
    """Keep what the services of this process log."""
    with recorded_logs() as log:
        yield log
