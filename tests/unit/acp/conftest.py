"""The scripted agent in the real sandbox. Where there is none, these tests say loudly that they did not run."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from dispatch_host.sandbox.bubblewrap import Bubblewrap
from dispatch_host.sandbox.probe import Found, probe

from tests.support.acp_desk import Desk


@pytest.fixture(scope="session")
def found() -> Found:
    found = asyncio.run(probe(home=Path("/nowhere")))
    if found.programs is None:
        pytest.skip(f"no sandbox on this machine: {found.why}")
    return found


@pytest.fixture
def desk(found: Found, tmp_path: Path) -> Desk:
    home = tmp_path.resolve() / "home"
    home.mkdir()
    assert isinstance(found.programs, Bubblewrap)
    here = Found(Bubblewrap(found.programs.executable, home=home, keep_out=[home / "host"]))

    async def looked() -> Found:
        return here

    return Desk(home, looked)
