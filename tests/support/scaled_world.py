"""A whole Dispatch whose services keep what they keep in PostgreSQL and hear each other over NATS: one pairing service, two relays.

Its devices are real ones, which know one address of the relays: that of a `Rotation` before them, so that a phone is mostly on
another relay than its host. For tests/scale.
"""

from __future__ import annotations

import asyncio
import signal
from collections import Counter
from pathlib import Path
from types import TracebackType

from dispatch.runtime.database import read_database
from dispatch_pairing.storage import Storage
from dispatch_relay.trust_store import TrustStore

from tests.support.lateness import never_started
from tests.support.nats import NatsServer
from tests.support.pairing_service import add_account
from tests.support.ports import address_to_come_back_to
from tests.support.postgres import PostgresServer
from tests.support.processes import Event, Process, run
from tests.support.proxy import Rotation
from tests.support.world import ACCOUNT, PASSWORD, World, scrape

RELAYS = 2


class ScaledWorld(World):
    """Starts and ends the services; the servers are the test's."""

    def __init__(self, folder: Path, *, postgres: PostgresServer, nats: NatsServer) -> None:
        super().__init__(folder)
        self.postgres = postgres
        self.nats = nats
        self.databases: dict[str, str] = {}
        self.relays: dict[int, Process] = {}
        self._bus = ("--bus", str(nats.address_file(folder / "bus")))
        self._listen = [address_to_come_back_to() for _ in range(RELAYS)]
        self._metrics = [""] * RELAYS
        self._front = Rotation(*self._listen)

    async def __aenter__(self) -> ScaledWorld:
        await self._front.__aenter__()
        self.relay_address = self._front.address
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await super().__aexit__(kind, error, trace)
        await self._front.__aexit__(kind, error, trace)

    async def services(self) -> None:
        """Start all of them on new databases, and make the account."""
        for service in ("pairing", "relay"):
            self.keep_in(service, await self.postgres.new_database())
        await self.start_services()
        await self.add_account(ACCOUNT)

    def keep_in(self, service: str, database: str) -> None:
        """Say which database a service is to have, from its next start on."""
        self.databases[service] = database
        self.postgres.address_file(database, self._address_of(service))

    async def start_services(self) -> None:
        """Start the pairing service and then the relays, each where it was before."""
        keys = ("--keys", str(self.folder / "keys"), "--relay", self.relay_address)
        await self.start_pairing(*self._stored("pairing"), *keys, listen=self.server)
        await asyncio.gather(*(self.serve_relay(number) for number in range(RELAYS)))

    async def stop_services(self) -> None:
        """Stop all of them in order."""
        await asyncio.gather(*(relay.stop() for relay in self.relays.values()))
        self.relays.clear()
        await self.pairing.stop()

    async def serve_relay(self, number: int) -> None:
        """Start a relay, in the folder and at the address that it had before."""
        relay = await self.start(
            *("dispatch-relay", "serve", "--listen", self._listen[number], "--metrics", "127.0.0.1:0"),
            *("--data", str(self.folder / f"relay {number}"), "--pairing", self.server, *self._stored("relay")),
            env={"DISPATCH_RELAY_NAMES": self.relay_address},
        )
        self._metrics[number] = (await relay.event("listening"))["metrics"]
        self.relays[number] = relay

    def revoked_at(self, number: int) -> int:
        """Count the devices of which a relay has heard, and kept, that they are revoked."""
        return len(TrustStore(self.folder / f"relay {number}" / "trust.sqlite3").load().revoked)

    async def kill_relay_with_most_seats(self) -> int:
        """Kill the relay that most pairings have their seat at; gives its number."""
        seats = [await self._seats(number) for number in range(RELAYS)]
        assert max(seats) > 0
        number = seats.index(max(seats))
        self.relays[number].signal(signal.SIGKILL)
        await self.relays[number].ended()
        return number

    async def add_account(self, name: str) -> None:
        """Make an account."""
        address = read_database(self._address_of("pairing"))
        storage = Storage(data=self.folder / "pairing", database=address, keys=self.folder / "keys")
        await add_account(storage, name, PASSWORD)

    async def tasks(self, host: str = "desk") -> dict[str, list[str]]:
        """Give what the host has of tasks, but for those that came too late to start: by id, how each entry stands."""
        found: dict[str, list[str]] = {}
        for event in await self._listed(host):
            if not never_started(event):
                found.setdefault(event["task_id"], []).append(event["state"])
        return found

    async def tasks_never_started(self, host: str = "desk") -> set[str]:
        """Give the ids of the tasks that came too late to start."""
        return {event["task_id"] for event in await self._listed(host) if never_started(event)}

    async def _listed(self, host: str) -> list[Event]:
        code, events = await run("dispatch-host", "tasks", "--limit", "1000", "--home", self.home(host))
        assert code == 0, events
        return [event for event in events if event["event"] == "listed"]

    async def thread(self, phone: str) -> list[Event]:
        """Give the thread as a phone has it."""
        code, events = await run("dispatch-phone", "thread", "--home", self.home(phone))
        assert code == 0, events
        return events

    def _address_of(self, service: str) -> Path:
        return self.folder / f"{service}.database"

    def _stored(self, service: str) -> tuple[str, ...]:
        return ("--database", str(self._address_of(service)), *self._bus)

    async def _seats(self, number: int) -> float:
        for sample in (await scrape(self._metrics[number])).decode().splitlines():
            if sample.startswith("dispatch_relay_seats "):
                return float(sample.rpartition(" ")[2])
        raise AssertionError("no sample of its seats")


def times(thread: list[Event], event: str) -> Counter[str]:
    """Count an event of a thread by task."""
    return Counter(one["task_id"] for one in thread if one["event"] == event)
