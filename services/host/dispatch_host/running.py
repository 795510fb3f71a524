"""What there is beside the home in a process that runs the host, as the front desk needs it. Made by the app."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from dispatch.api.relay.v1.relay_pb2 import Condition

from dispatch_host.files import Transfers
from dispatch_host.fleet import Fleet
from dispatch_host.permissions.held import Held
from dispatch_host.power.awake import KeepAwake
from dispatch_host.runner import Runner
from dispatch_host.tasks import State


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """The parts of a running host."""

    fleet: Fleet
    runner: Runner
    transfers: Transfers
    keep_awake: KeepAwake
    held: Held
    ended: Callable[[State], None]
    """Counts a task that ended without having run."""
    schedule_changed: Callable[[], None]
    stop: Callable[[Condition.ValueType], None]
    stopped: asyncio.Event  # set when the phones were told
    attached_seconds: float
    """How long a new pairing waits to be told until a relay has let this host in."""
    endings: asyncio.Event  # set when the pairing service has something to be told
