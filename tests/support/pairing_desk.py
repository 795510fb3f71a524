"""The desk of a pairing service with all that is behind it and no carrier: a real store, and callers that hang up when a test says.

Where the moment is to be exact that a call is cancelled in: over a wire it comes when it comes.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from dispatch_pairing import parts
from dispatch_pairing.accounts import add
from dispatch_pairing.api.desk import Desk
from dispatch_pairing.bell import Bell
from dispatch_pairing.door import Door, Metadata
from dispatch_pairing.ground import Ground, settle_name
from dispatch_pairing.limits import Limits
from dispatch_pairing.logins import Logins
from dispatch_pairing.metrics import Metrics
from dispatch_pairing.model import Plan
from dispatch_pairing.nonces import Nonces
from dispatch_pairing.oidc.device import DeviceSignIns
from dispatch_pairing.passwords import Passwords
from dispatch_pairing.policy import Policy
from dispatch_pairing.relays import Relays
from dispatch_pairing.signing_keys import SigningKeys
from dispatch_pairing.sql import SqlStore, open_sqlite
from dispatch_pairing.sql.dialect import SQLITE, sqlite_engine
from prometheus_client import CollectorRegistry
from sqlalchemy import Connection, event
from sqlalchemy.ext.asyncio import AsyncEngine

from tests.support.pairing_device import PASSWORD, RESPONSES, Call, Device, a_host, a_phone
from tests.support.pairing_service import CHEAP, HandClock, with_limits

NAME = "desk.test:7301"


@dataclass(slots=True)
class DeskCall:
    """What brought a request: nothing but what the device sent along."""

    sent: Metadata
    address: str = "192.0.2.1"
    nonce: bytes = b""

    def metadata(self) -> Metadata:
        return self.sent

    async def greet(self, nonce: bytes) -> None:
        self.nonce = nonce


@dataclass(slots=True)
class PairingDesk:
    """The desk, and what a test looks at."""

    desk: Desk
    bell: Bell
    engine: AsyncEngine
    registry: CollectorRegistry
    methods: dict[str, Any]

    def host(self) -> Device:
        return self._at_the_desk(a_host(NAME))

    def phone(self) -> Device:
        return self._at_the_desk(a_phone(NAME))

    def metric(self, name: str, **labels: str) -> float | None:
        """Read a number."""
        return self.registry.get_sample_value(f"dispatch_pairing_{name}", labels)

    def at_the_next_commit(self, do: Callable[[], object]) -> None:
        """Do something when the next transaction that writes is committed: in its middle."""

        waits = [do]

        def commits(connection: Connection) -> None:
            if waits and connection.get_execution_options().get("dispatch_writes"):
                waits.pop()()

        event.listen(self.engine.sync_engine, "commit", commits)

    async def hangs_up_at_the_commit(
        self, call: Coroutine[Any, Any, object], *, then: Callable[[], object] = lambda: None
    ) -> None:
        """Make a call whose caller is gone when what it asks for is being committed, and wait for all that is still done."""
        calling = asyncio.create_task(call)
        self.at_the_next_commit(lambda: (calling.cancel(), then()))
        with pytest.raises(asyncio.CancelledError):
            await calling
        await self.desk.finish(grace_seconds=60)

    def _at_the_desk(self, device: Device) -> Device:
        return _AtTheDesk(device.server, device.kind, device.name, at=self)


@dataclass(slots=True)
class _AtTheDesk(Device):
    at: Any = None

    async def send(self, call: Call) -> Any:
        """Hand a call in at the desk."""
        came = DeskCall(call.metadata)
        try:
            answer = await self.at.desk.answer(self.at.methods[call.method], call.body, came)
        finally:
            self.nonce = came.nonce or self.nonce
        assert isinstance(answer, RESPONSES[call.method])
        return answer


@asynccontextmanager
async def pairing_desk(
    folder: Path, *, provider: Any = None, limits: Limits | None = None
) -> AsyncIterator[PairingDesk]:
    """Open one with the account "ada" until the block ends. `provider` stands for the one of sign-ins."""
    await (await open_sqlite(folder / "pairing.db")).close()
    engine = sqlite_engine(folder / "pairing.db")
    store, clock, limits, bell = SqlStore(engine, SQLITE), HandClock(), limits or with_limits(), Bell()
    passwords, registry = Passwords(rng=os.urandom, cost=CHEAP, waiting=8), CollectorRegistry()
    try:
        ground = Ground(
            store=store,
            bell=bell,
            keys=await SigningKeys.open(
                store=store, folder=folder, clock=clock, rng=os.urandom, limits=limits, bell=bell
            ),
            clock=clock,
            rng=os.urandom,
            limits=limits,
            policy=Policy(),
            metrics=Metrics(registry),
            service_name=await settle_name(store, named=NAME, instead=NAME, clock=clock),
        )
        await add("ada", PASSWORD, plan=Plan.PRO, store=store, passwords=passwords, clock=clock, rng=os.urandom)
        made = parts.make_parts(ground, passwords=passwords)
        sign_ins = DeviceSignIns(
            provider=provider,
            logins=Logins(store=store, clock=clock, rng=os.urandom, newcomers=True),
            sign_ins=made.sign_ins,
            clock=clock,
            rng=os.urandom,
            limits=limits,
        )
        relays = Relays(fixed="relay.test:7302", seen_ms=limits.relay_seen_ms, limit=limits.relays)
        methods, _ = parts.methods(ground, made, relays=relays, ways=parts.WaysIn(devices=sign_ins))
        nonces = Nonces(stamp=ground.keys.stamp("nonce"), lifetime_ms=limits.nonce_ms)
        door = Door(store=store, clock=clock, limits=limits, nonces=nonces, names={NAME}, metrics=ground.metrics)
        desk = Desk(door=door, limits=limits, metrics=ground.metrics)
        yield PairingDesk(desk, bell, engine, registry, {method.full: method for method in methods})
        await desk.finish(grace_seconds=0)
    finally:
        passwords.close()
        await store.close()
