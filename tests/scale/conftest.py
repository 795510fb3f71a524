"""One PostgreSQL for all tests of a process that need it, and one NATS for those of a file; each test finds them running."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.nats import NatsServer
from tests.support.postgres import PostgresServer


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """Run a server. A test that stops it starts it again."""
    with PostgresServer.running() as server:
        yield server


@pytest.fixture(scope="module")
def nats() -> Iterator[NatsServer]:
    """Run a server. A test that stops it starts it again."""
    with NatsServer.running() as server:
        yield server


@pytest.fixture(autouse=True)
def servers_run(request: pytest.FixtureRequest) -> None:
    """Start servers again that a test left behind: it has failed, and the others are not to fail with it."""
    for name in {"postgres", "nats"} & set(request.fixturenames):
        request.getfixturevalue(name).revive()
