"""The real sandbox of this machine. Where there is none, these tests say loudly that they did not run."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from dispatch_host.sandbox.probe import Found, probe
from dispatch_host.sandbox.program import Programs
from dispatch_host.sandbox.unconfined import Unconfined

from tests.support.programs import Stage


@pytest.fixture(scope="session")
def sandbox() -> Found:
    found = asyncio.run(probe(home=Path("/nowhere")))
    if found.programs is None:
        pytest.skip(f"no sandbox on this machine: {found.why}")
    return found


@pytest.fixture
def stage(sandbox: Found, tmp_path: Path) -> Stage:
    from dispatch_host.sandbox.bubblewrap import Bubblewrap

    assert isinstance(sandbox.programs, Bubblewrap)
    root = tmp_path.resolve()
    keys = root / "home/code/keys"
    keys.mkdir(parents=True)
    return Stage(Bubblewrap(sandbox.programs.executable, home=root / "home", keep_out=[keys]), root)


@pytest.fixture(params=["bubblewrap", "unconfined"])
def either(request: pytest.FixtureRequest, tmp_path: Path) -> Stage:
    """Both ways to start programs: their limits and their end are the same."""
    if request.param == "bubblewrap":
        stage: Stage = request.getfixturevalue("stage")
        return stage
    programs: Programs = Unconfined(home=tmp_path.resolve() / "home")
    return Stage(programs, tmp_path.resolve())
