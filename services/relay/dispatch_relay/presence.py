"""How one end of a pairing is, as a table: what each event makes of it, and what the other end is told.

Pure: time is an argument, and it knows no stream, no timer and no store. Called by `watch`, which turns frames, broken
streams and timers into events, and by the model test of the commit point.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from dispatch.api.error.v1.error_pb2 import Reason
from dispatch.api.relay.v1.relay_pb2 import Reachability
from dispatch.ids import Instance

from dispatch_relay.keyed import Keyed

NO_INSTANCE = Instance(b"")


class End(Keyed):
    """Which end of a pairing. The numbers are those of DeviceKind, and what the store keeps."""

    PHONE = 1
    HOST = 2

    @property
    def other(self) -> End:
        """Give the peer's end."""
        return End.HOST if self is End.PHONE else End.PHONE


class Standing(Keyed):
    """Where an end stands. The values are metric labels and what the store keeps."""

    NEVER_CONNECTED = "never_connected"
    REACHABLE = "reachable"
    RECONNECTING = "reconnecting"
    ASLEEP = "asleep"
    APP_CLOSED = "app_closed"
    UNREACHABLE = "unreachable"
    REVOKED = "revoked"


class Event(Keyed):
    """What can happen to an end."""

    ATTACHED = "attached"
    SAID_ASLEEP = "said asleep"
    SAID_APP_CLOSED = "said app closed"
    SAID_RESTARTING = "said restarting"
    SAID_AWAKE = "said awake"
    BYE = "bye"
    BROKE = "broke"  # the stream ended without Bye
    LEASE_LOST = "lease lost"  # a Ping was not answered
    GRACE_OVER = "grace over"  # it did not come back in time
    RELAY_STARTED = "relay started"  # this relay forgot its streams; the end did nothing
    WAS_REVOKED = "was revoked"


_S, _E = Standing, Event

# A notice stays true until the end says otherwise or attaches again, whatever becomes of the stream meanwhile.
STEPS: dict[tuple[Standing, Event], Standing] = {
    (_S.NEVER_CONNECTED, _E.ATTACHED): _S.REACHABLE,
    (_S.NEVER_CONNECTED, _E.RELAY_STARTED): _S.NEVER_CONNECTED,
    (_S.NEVER_CONNECTED, _E.WAS_REVOKED): _S.REVOKED,
    (_S.REACHABLE, _E.ATTACHED): _S.REACHABLE,
    (_S.REACHABLE, _E.SAID_ASLEEP): _S.ASLEEP,
    (_S.REACHABLE, _E.SAID_APP_CLOSED): _S.APP_CLOSED,
    (_S.REACHABLE, _E.SAID_RESTARTING): _S.RECONNECTING,
    (_S.REACHABLE, _E.SAID_AWAKE): _S.REACHABLE,
    (_S.REACHABLE, _E.BYE): _S.APP_CLOSED,
    (_S.REACHABLE, _E.BROKE): _S.RECONNECTING,
    (_S.REACHABLE, _E.LEASE_LOST): _S.UNREACHABLE,
    (_S.REACHABLE, _E.RELAY_STARTED): _S.RECONNECTING,
    (_S.REACHABLE, _E.WAS_REVOKED): _S.REVOKED,
    (_S.RECONNECTING, _E.ATTACHED): _S.REACHABLE,
    (_S.RECONNECTING, _E.SAID_ASLEEP): _S.ASLEEP,
    (_S.RECONNECTING, _E.SAID_APP_CLOSED): _S.APP_CLOSED,
    (_S.RECONNECTING, _E.SAID_RESTARTING): _S.RECONNECTING,
    (_S.RECONNECTING, _E.SAID_AWAKE): _S.REACHABLE,
    (_S.RECONNECTING, _E.BYE): _S.RECONNECTING,
    (_S.RECONNECTING, _E.BROKE): _S.RECONNECTING,
    (_S.RECONNECTING, _E.LEASE_LOST): _S.UNREACHABLE,
    (_S.RECONNECTING, _E.GRACE_OVER): _S.UNREACHABLE,
    (_S.RECONNECTING, _E.RELAY_STARTED): _S.RECONNECTING,
    (_S.RECONNECTING, _E.WAS_REVOKED): _S.REVOKED,
    (_S.ASLEEP, _E.ATTACHED): _S.REACHABLE,
    (_S.ASLEEP, _E.SAID_ASLEEP): _S.ASLEEP,
    (_S.ASLEEP, _E.SAID_APP_CLOSED): _S.APP_CLOSED,
    (_S.ASLEEP, _E.SAID_RESTARTING): _S.RECONNECTING,
    (_S.ASLEEP, _E.SAID_AWAKE): _S.REACHABLE,
    (_S.ASLEEP, _E.BYE): _S.ASLEEP,
    (_S.ASLEEP, _E.BROKE): _S.ASLEEP,
    (_S.ASLEEP, _E.LEASE_LOST): _S.ASLEEP,
    (_S.ASLEEP, _E.RELAY_STARTED): _S.ASLEEP,
    (_S.ASLEEP, _E.WAS_REVOKED): _S.REVOKED,
    (_S.APP_CLOSED, _E.ATTACHED): _S.REACHABLE,
    (_S.APP_CLOSED, _E.SAID_ASLEEP): _S.ASLEEP,
    (_S.APP_CLOSED, _E.SAID_APP_CLOSED): _S.APP_CLOSED,
    (_S.APP_CLOSED, _E.SAID_RESTARTING): _S.RECONNECTING,
    (_S.APP_CLOSED, _E.SAID_AWAKE): _S.REACHABLE,
    (_S.APP_CLOSED, _E.BYE): _S.APP_CLOSED,
    (_S.APP_CLOSED, _E.BROKE): _S.APP_CLOSED,
    (_S.APP_CLOSED, _E.LEASE_LOST): _S.APP_CLOSED,
    (_S.APP_CLOSED, _E.RELAY_STARTED): _S.APP_CLOSED,
    (_S.APP_CLOSED, _E.WAS_REVOKED): _S.REVOKED,
    (_S.UNREACHABLE, _E.ATTACHED): _S.REACHABLE,
    (_S.UNREACHABLE, _E.RELAY_STARTED): _S.UNREACHABLE,
    (_S.UNREACHABLE, _E.WAS_REVOKED): _S.REVOKED,
    (_S.REVOKED, _E.RELAY_STARTED): _S.REVOKED,
    (_S.REVOKED, _E.WAS_REVOKED): _S.REVOKED,
}

CAUSES: dict[Standing, Reason.ValueType] = {
    _S.NEVER_CONNECTED: Reason.REASON_HOST_NEVER_CONNECTED,
    _S.ASLEEP: Reason.REASON_HOST_ASLEEP,
    _S.APP_CLOSED: Reason.REASON_HOST_APP_CLOSED,
    _S.UNREACHABLE: Reason.REASON_HOST_UNREACHABLE,
    _S.REVOKED: Reason.REASON_HOST_REVOKED,
}
"""Why a host is absent. A standing that is not here is not an absence."""


@dataclass(frozen=True, slots=True)
class Presence:
    """What is known of an end. Times are ms since 1970 by the relay's clock."""

    standing: Standing = Standing.NEVER_CONNECTED
    since_ms: int = 0
    last_heard_ms: int = 0
    instance: Instance = NO_INSTANCE

    @property
    def reachability(self) -> Reachability.ValueType:
        """What the other end is told."""
        if self.standing is Standing.REACHABLE:
            return Reachability.REACHABILITY_REACHABLE
        if self.standing is Standing.RECONNECTING:
            return Reachability.REACHABILITY_RECONNECTING
        return Reachability.REACHABILITY_ABSENT

    @property
    def absent(self) -> bool:
        """Whether a command for it is refused at once."""
        return self.standing in CAUSES

    @property
    def cause(self) -> Reason.ValueType:
        """Why it is absent; unset when it is not."""
        return CAUSES.get(self.standing, Reason.REASON_UNSPECIFIED)


def after(presence: Presence, event: Event, *, now_ms: int) -> Presence:
    """Give the presence after an event. Raises KeyError for an event that can't happen there: a defect of the caller.

    The same object comes back when nothing changed.
    """
    standing = STEPS[presence.standing, event]
    return presence if standing is presence.standing else replace(presence, standing=standing, since_ms=now_ms)
