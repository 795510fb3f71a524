"""What every part of a running service stands on. Made by `app`, once, before anything is served."""

from __future__ import annotations

from dataclasses import dataclass, replace

from dispatch.clock import Clock
from dispatch.ids import Rng
from dispatch.names import service_name as checked_name

from dispatch_pairing.bell import Bell
from dispatch_pairing.limits import Limits
from dispatch_pairing.metrics import Metrics
from dispatch_pairing.policy import Policy
from dispatch_pairing.signing_keys import SigningKeys
from dispatch_pairing.store import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """The store, the bell, the keys, and what time, chance and limits are."""

    store: Store
    bell: Bell
    keys: SigningKeys
    clock: Clock
    rng: Rng
    limits: Limits
    policy: Policy
    metrics: Metrics
    service_name: str


async def settle_name(store: Store, *, named: str | None, instead: str, clock: Clock) -> str:
    """Give what the service calls itself: `named`, or `instead`, from its first start on. Raises ValueError for another.

    The name is for good: codes on screens and attestations hold on to it.
    """
    async with store.write() as kept:
        identity = await kept.service.identity()
        name = identity.service_name
        if name is None:
            name = checked_name(named or instead)
        elif named not in (None, name):
            raise ValueError(f"this service is called {name!r} since its first start, and what devices signed says so")
        # After a restore the count goes on above everything that was told before.
        sequence = max(identity.sequence, clock.wall_ms())
        await kept.service.put_identity(replace(identity, service_name=name, sequence=sequence))
    return name
