"""The commit point as a table: what becomes of a command, decided once.

A command is pending until the host takes it (accepted) or anything else happens (refused). Both are final. The store
applies this table inside a transaction, so that two events for one command can't both win; `commands` says which event
it is. Pure: no time, no store, no frames.
"""

from __future__ import annotations

from dataclasses import dataclass

from dispatch.api.error.v1.error_pb2 import Reason

from dispatch_relay.keyed import Keyed
from dispatch_relay.presence import Presence, Standing


class Status(Keyed):
    """What the relay knows of a message id."""

    UNKNOWN = "unknown"
    PENDING = "pending"
    ACCEPTED = "accepted"
    REFUSED = "refused"


class Event(Keyed):
    """What can happen to a command."""

    POSTED = "posted"  # for a host that is there or may be back in a moment
    POSTED_IN_VAIN = "posted in vain"  # for a host that is known to be absent
    TAKEN = "taken"
    TAKEN_TOO_LATE = "taken too late"
    DECLINED = "declined"
    GIVEN_UP = "given up"  # too late, or the host is gone, or the pairing is over


class Effect(Keyed):
    """What has to be done about it."""

    PEND = "pend"  # keep it, hand it over
    ACCEPT = "accept"  # append the row that is the host's permission
    REFUSE = "refuse"  # append the row that is the phone's answer, and forget the ciphertext
    HAND_OVER_AGAIN = "hand over again"
    ANSWER_AGAIN = "answer again"  # the same row as before
    WITHDRAW = "withdraw"  # tell the host that it must not run
    NOTHING = "nothing"


@dataclass(frozen=True, slots=True)
class Step:
    """Where an event leads."""

    status: Status
    effect: Effect


_S, _E, _D = Status, Event, Effect

STEPS: dict[tuple[Status, Event], Step] = {
    (_S.UNKNOWN, _E.POSTED): Step(_S.PENDING, _D.PEND),
    (_S.UNKNOWN, _E.POSTED_IN_VAIN): Step(_S.REFUSED, _D.REFUSE),
    # It was handed over and never stored: should it be posted again, the host has it already, and must not have dropped it.
    (_S.UNKNOWN, _E.TAKEN): Step(_S.UNKNOWN, _D.NOTHING),
    (_S.UNKNOWN, _E.TAKEN_TOO_LATE): Step(_S.UNKNOWN, _D.NOTHING),
    (_S.UNKNOWN, _E.DECLINED): Step(_S.UNKNOWN, _D.NOTHING),
    (_S.UNKNOWN, _E.GIVEN_UP): Step(_S.UNKNOWN, _D.NOTHING),
    (_S.PENDING, _E.POSTED): Step(_S.PENDING, _D.HAND_OVER_AGAIN),
    (_S.PENDING, _E.POSTED_IN_VAIN): Step(_S.REFUSED, _D.REFUSE),
    (_S.PENDING, _E.TAKEN): Step(_S.ACCEPTED, _D.ACCEPT),
    # No Withdrawn of its own: the row is one.
    (_S.PENDING, _E.TAKEN_TOO_LATE): Step(_S.REFUSED, _D.REFUSE),
    (_S.PENDING, _E.DECLINED): Step(_S.REFUSED, _D.REFUSE),
    (_S.PENDING, _E.GIVEN_UP): Step(_S.REFUSED, _D.REFUSE),
    (_S.ACCEPTED, _E.POSTED): Step(_S.ACCEPTED, _D.ANSWER_AGAIN),
    (_S.ACCEPTED, _E.POSTED_IN_VAIN): Step(_S.ACCEPTED, _D.ANSWER_AGAIN),
    # Its Deliver has come or comes by the cursor, so a Take that is repeated needs no answer of its own.
    (_S.ACCEPTED, _E.TAKEN): Step(_S.ACCEPTED, _D.NOTHING),
    (_S.ACCEPTED, _E.TAKEN_TOO_LATE): Step(_S.ACCEPTED, _D.NOTHING),
    (_S.ACCEPTED, _E.DECLINED): Step(_S.ACCEPTED, _D.NOTHING),
    (_S.ACCEPTED, _E.GIVEN_UP): Step(_S.ACCEPTED, _D.NOTHING),
    (_S.REFUSED, _E.POSTED): Step(_S.REFUSED, _D.ANSWER_AGAIN),
    (_S.REFUSED, _E.POSTED_IN_VAIN): Step(_S.REFUSED, _D.ANSWER_AGAIN),
    (_S.REFUSED, _E.TAKEN): Step(_S.REFUSED, _D.WITHDRAW),
    (_S.REFUSED, _E.TAKEN_TOO_LATE): Step(_S.REFUSED, _D.WITHDRAW),
    (_S.REFUSED, _E.DECLINED): Step(_S.REFUSED, _D.NOTHING),
    (_S.REFUSED, _E.GIVEN_UP): Step(_S.REFUSED, _D.NOTHING),
}


def on_post(host: Presence) -> Event:
    """Say which event the arrival of a command is."""
    return Event.POSTED_IN_VAIN if host.absent else Event.POSTED


def on_take(*, now_ms: int, deadline_ms: int) -> Event:
    """Say which event a Take is: one that comes when the time is over is too late, though no timer has fired yet."""
    return Event.TAKEN if now_ms < deadline_ms else Event.TAKEN_TOO_LATE


def why_too_late(host: Presence) -> Reason.ValueType:
    """Say why a command that nobody took in time is refused."""
    if host.absent:
        return host.cause
    # Reconnecting is a stream that broke: the person's host is not there, whatever becomes of it later.
    if host.standing is Standing.RECONNECTING:
        return Reason.REASON_HOST_UNREACHABLE
    return Reason.REASON_NOT_TAKEN_IN_TIME
