"""What a busy computer is late for, and how it is kept from being. For tests, `make up` and the demo: only Python is here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

TOO_LATE = {"NOT_TAKEN_IN_TIME", "DEADLINE_PASSED", "SESSION_NEEDED", "STALE_EPOCH"}
"""Why a command is refused whose ten seconds a busy computer used up, for the command itself or for the handshake before it."""
LATE = TOO_LATE | {"NO_NETWORK"}
"""The same, and for a command that found no path in its five seconds: nothing was done, and it is sent again."""
CALM = {"DISPATCH_RELAY_LEASE_MS": "15000"}
"""For a relay of which no host is lost but by what a test does, however busy this machine is; each world's that says no other."""


def never_ran(last: Mapping[str, Any]) -> bool:
    """Tell from a phone's last word whether a busy computer was too late for a task: nothing was done, and it is sent again."""
    too_late = last.get("event") in {"refused", "not_sent"} and last.get("reason") in LATE
    return too_late or never_started(last)


def never_started(last: Mapping[str, Any]) -> bool:
    """Tell whether a task came too late to its host to start: it is over, and another has to be sent."""
    return (last.get("state"), last.get("reason")) == ("interrupted", "NEVER_STARTED")
