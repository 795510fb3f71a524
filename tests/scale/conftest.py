"""One server for all tests of a process that need PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.postgres import PostgresServer


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """Run a server. A test that stops it starts it again."""
    with PostgresServer.running() as server:
        yield server
