"""Two pairing services as real processes on one PostgreSQL and one NATS. For tests/scale."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from tests.support.nats import NatsServer
from tests.support.pairing_device import PASSWORD
from tests.support.ports import address_to_come_back_to
from tests.support.postgres import PostgresServer
from tests.support.processes import Process, run

RELAYS = "relay.example:7302"


class PairingServices:
    """The servers, and what each service is told."""

    def __init__(self, folder: Path, database: PostgresServer, nats: NatsServer, name: str) -> None:
        self.folder = folder
        self.database = database
        self.nats = nats
        self.stored = ("--database", str(database.address_file(name, folder / "database")))
        self.bus = ("--bus", str(nats.address_file(folder / "bus")), "--relay", RELAYS)
        self.addresses = [address_to_come_back_to() for _ in range(2)]
        self.services: list[Process] = []

    async def serve(self, number: int) -> Process:
        """Start a service, with a data folder of its own and keys that both have."""
        process = await Process.start(
            *("dispatch-pairing", "serve", "--listen", self.addresses[number]),
            *("--data", str(self.folder / f"data {number}"), "--keys", str(self.folder / "keys")),
            *("--metrics", "127.0.0.1:0", *self.stored, *self.bus),
        )
        await process.event("listening")
        return process

    async def operator(self, *more: str, stdin: str = "") -> list[dict[str, object]]:
        """Run an operator's command on the database."""
        words_ = ("dispatch-pairing", *more, "--data", str(self.folder / "data 0"), *self.stored)
        code, events = await run(*words_, stdin=stdin)
        assert code == 0, events
        return events

    @classmethod
    @asynccontextmanager
    async def running(cls, folder: Path, database: PostgresServer, nats: NatsServer) -> AsyncIterator[PairingServices]:
        """Run both on a new database, with the account `ada`, until the block ends."""
        two = cls(folder, database, nats, await database.new_database())
        # Together, on an empty database: one makes the schema, the name and the key for both.
        two.services += await asyncio.gather(two.serve(0), two.serve(1))
        try:
            await two.operator("account", "add", "ada", "--password-stdin", stdin=PASSWORD)
            yield two
        finally:
            await asyncio.gather(*(one.stop() for one in two.services))
