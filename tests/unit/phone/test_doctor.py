"""What the phone's doctor waits for: the relay's word on a computer that froze comes when its lease is over."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

from dispatch.api.error.v1.error_pb2 import Reason
from dispatch.api.relay.v1.relay_pb2 import Presence, Reachability
from dispatch.doctor.chain import Chart, State
from mobile_sim.bell import Bell
from mobile_sim.doctor import ToHost
from mobile_sim.patience import USUAL
from mobile_sim.sight import Sight

from tests.support.waiting import DEADLINE_SECONDS, turns


class Line:
    """A line to a computer that does not shake hands."""

    def __init__(self, *, word_within_ms: int) -> None:
        self.bell = Bell()
        self.sight = Sight(presence=Presence(state=Reachability.REACHABILITY_REACHABLE))
        self.ledger = SimpleNamespace(word_within_ms=word_within_ms)
        self.relay_open, self.in_session, self.heard_ms_ago = True, False, None

    async def presence_now(self, _within_seconds: float) -> None:
        """Have the relay say the same once more."""

    def is_found_out(self) -> None:
        """Hear that the lease is over."""
        cause = Reason.REASON_HOST_UNREACHABLE
        self.sight.told(Presence(state=Reachability.REACHABILITY_ABSENT, cause=cause), now_ms=0)
        self.bell.ring()


async def test_a_computer_that_froze_is_waited_for_as_long_as_its_relays_lease_takes() -> None:
    """Where an operator had set a longer lease it was called present, and the session was to blame."""
    line: Any = Line(word_within_ms=round(DEADLINE_SECONDS * 1000))
    phone: Any = SimpleNamespace(line=lambda _: line)
    host: Any = None
    to_host = ToHost(phone, host, Chart(), replace(USUAL, found_out_seconds=0.0))

    looking = asyncio.create_task(to_host.presence())
    await turns()
    line.is_found_out()

    found = await looking
    assert (found.state, found.reason) == (State.BROKEN, Reason.REASON_HOST_UNREACHABLE)
