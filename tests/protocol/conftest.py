"""What the tests of the thread stream share."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.relay import Relay


@pytest.fixture
async def relay(tmp_path: Path) -> AsyncIterator[Relay]:
    """Give a relay that runs and is trusted."""
    async with Relay(tmp_path / "relay") as relay:
        yield relay
