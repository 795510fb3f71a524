"""A relay as a process of its own, which lets devices in, and the devices of one pairing: what most trials stand on."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from dispatch.api.relay.v1 import relay_pb2 as pb

from bench.relays import running
from tests.support.device_end import DeviceEnd, Identity
from tests.support.trust_service import TrustService, new_id

UNLIMITED = {"posts_per_second": 1_000_000}
"""No person posts as fast as a bench does."""


@dataclass(frozen=True, slots=True)
class Ground:
    """A relay, and who tells it whom to trust."""

    trust: TrustService
    address: str

    def pair(self) -> tuple[Identity, Identity]:
        """Make phone and host of a pairing that nobody has heard of."""
        pair_id = new_id()
        return Identity("phone", pair_id, self.trust), Identity("host", pair_id, self.trust)

    async def attached(self) -> tuple[DeviceEnd, DeviceEnd]:
        """Attach phone and host of a new pairing; a person looks at the phone, which knows that the host is there."""
        phone, host = self.pair()
        on_host = await DeviceEnd.attach(host, self.address)
        on_phone = await DeviceEnd.attach(phone, self.address, looking=True)
        await on_phone.presence(pb.REACHABILITY_REACHABLE)
        return on_phone, on_host


@contextlib.asynccontextmanager
async def a_relay(folder: Path, trust: TrustService, **settings: int) -> AsyncIterator[Ground]:
    """Run a relay with these settings, by their names in `dispatch_relay.settings`, until devices are let in."""
    env = {f"DISPATCH_RELAY_{name.upper()}": str(value) for name, value in settings.items()}
    async with running(1, folder, trust, stores=(), settings=env) as (relay,):
        ground = Ground(trust, relay.address)
        first = await DeviceEnd.attach_soon(ground.pair()[0], relay.address)
        await first.drop()
        yield ground
