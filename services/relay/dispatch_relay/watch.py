"""Watches over both ends of one pairing: presence, leases, and the time that a broken stream has to come back.

How an end is after an event says `presence`; when to ask and when a lease is lost says `lease`. This turns frames, broken streams
and time into those events and does what follows: tell the peer, remember, refuse what waits. docs/protocol.md, "Presence and
the lease".
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

from dispatch import errors
from dispatch.api.relay.v1.relay_pb2 import PUSH_HINT_NEWS, PUSH_HINT_UNSPECIFIED
from dispatch.ids import short
from dispatch.runtime.logs import get_logger

from dispatch_relay import frames, presence
from dispatch_relay.calling import Calling
from dispatch_relay.commands import Commands
from dispatch_relay.log import Done, Failed, Stood
from dispatch_relay.place import Place
from dispatch_relay.presence import End, Event, Presence, Standing
from dispatch_relay.push import OwedCall
from dispatch_relay.steadiness import Steadiness
from dispatch_relay.stream import Stream

_log = get_logger()

Drop = Callable[[Stream, errors.DispatchError], None]
"""Takes a stream out of the room and ends it with the error."""


class Watch:
    """The presence of both ends of a place."""

    def __init__(self, place: Place, commands: Commands, calling: Calling, *, drop: Drop) -> None:
        self._place = place
        self._commands = commands
        self._calling = calling
        self._drop = drop
        self._short_ms = min(place.tools.settings.lease_ms, place.tools.settings.idle_ask_ms)
        self._grace_until: dict[End, int] = {}  # on the steady clock
        self._steadiness = Steadiness()  # of the host: phones come and go with each look at them

    # ---- what happens to an end

    def meet_new(self) -> None:
        """The relay hears of this host for the first time."""
        self._place.tools.metrics.host_stands(Standing.NEVER_CONNECTED, before=None)
        self._remember(End.HOST)

    def recover(self) -> None:
        """This relay has just started: whoever was here may come back."""
        for end in End:
            self.meet(end, Event.RELAY_STARTED, grace_ms=self._place.tools.settings.restart_grace_ms)
        if self._place.presence[End.HOST].absent:
            self._commands.give_up(self._place.presence[End.HOST].cause)
        self._calling.recover()

    def attached(self, stream: Stream) -> None:
        """An end has opened a stream."""
        place, end = self._place, stream.end
        new_process = place.presence[end].instance != stream.instance
        place.presence[end] = replace(place.presence[end], instance=stream.instance, last_heard_ms=place.wall())
        self.meet(end, Event.ATTACHED, tell=new_process)
        if end is End.HOST:
            self._commands.hand_over_all()
        elif (host := place.streams.get(End.HOST)) is not None and host.lease.asked_ms is None:
            # However short ago it was heard: a person comes with a task, and a host that froze just now would cost
            # the handshake's patience and then a lease.
            self._ask(host)

    def detached(self, stream: Stream) -> None:
        """Its stream is over; why, and what that means, comes by `meet`."""
        self._note_heard(stream)

    def _note_heard(self, stream: Stream) -> None:
        known = self._place.presence[stream.end]
        silent_ms = self._place.now() - stream.lease.heard_ms
        self._place.presence[stream.end] = replace(known, last_heard_ms=self._place.wall() - silent_ms)

    def meet(self, end: End, event: Event, *, grace_ms: int = 0, tell: bool = False) -> None:
        """Let an event happen to an end, and do what follows. `tell`: the peer hears of it though nothing changed."""
        place = self._place
        if place.over is not None:
            return  # nothing of it is remembered any more
        if end in place.streams:
            self._note_heard(place.streams[end])  # a notice comes before its stream is over, and is the last thing kept
        before = place.presence[end]
        now = place.presence[end] = presence.after(before, event, now_ms=place.wall())
        if now.standing is Standing.RECONNECTING:
            self._grace_until[end] = place.now() + (grace_ms or place.tools.settings.lease_ms)
        else:
            self._grace_until.pop(end, None)
        if now.standing is before.standing and not tell:
            return
        if before.standing is Standing.REACHABLE and end is End.HOST and now.standing is not Standing.REACHABLE:
            self._steadiness.lost(now_ms=place.now())
        # Out of contact: what it does now nobody else knows.
        self._remember(end, calls=end is End.HOST and now.absent and not before.absent and bool(place.open_tasks))
        self._tell(end)
        if end is End.HOST and now.standing is not before.standing:
            self._host_changed(before, now)

    def _tell(self, end: End) -> None:
        """Tell the peer how an end is: at once, but for bad news of a host that comes and goes."""
        place = self._place
        peer = place.streams.get(end.other)
        if peer is None:
            return
        if end is End.HOST:
            known, now = place.presence[end], place.now()
            if not self._steadiness.may_tell(known, now_ms=now, every_ms=place.tools.settings.lease_ms):
                return
            self._steadiness.told(known, now_ms=now)
        peer.say(self.told(end))

    def tell_again(self, stream: Stream) -> None:
        """Tell a device that asks, or that has just attached, how its peer is."""
        if stream.end is End.PHONE:
            self._steadiness.told(self._place.presence[End.HOST], now_ms=self._place.now())
        stream.say(self.told(stream.end.other))

    def _remember(self, end: End, *, calls: bool = False) -> None:
        """Have the log know how an end is; `calls`: and the person, who is called when it does."""
        place = self._place
        held = calls and not self._steadiness.may_call(now_ms=place.now())
        op = Stood(place.pair_id, end, place.presence[end], PUSH_HINT_NEWS if calls else PUSH_HINT_UNSPECIFIED)
        place.submit(op, partial(self._remembered, op=op, held=held))

    def _remembered(self, result: Done | Failed, *, op: Stood, held: bool) -> None:
        if op.hint == PUSH_HINT_UNSPECIFIED:
            return
        stored = result.owed_call if isinstance(result, Done) else None
        owed = stored or OwedCall(
            0, 0, op.hint, at_ms=op.presence.since_ms
        )  # a store that is in trouble keeps nobody from being called
        if held:
            self._calling.hold_back(owed)
        else:
            self._calling.call(owed)

    def _host_changed(self, before: Presence, now: Presence) -> None:
        place = self._place
        place.tools.metrics.host_stands(now.standing, before=before.standing)
        _log.info("host", state=now.standing.value, before=before.standing.value, pairing=short(place.pair_id))
        if now.standing is Standing.REACHABLE:
            self._steadiness.back()
            self._calling.let_be()
            self._commands.hand_over_all()
        if now.absent:
            self._commands.give_up(now.cause)
            if place.open_tasks and not before.absent:
                place.tools.metrics.host_offline(now.cause, len(place.open_tasks))

    def told(self, of: End) -> bytes:
        """Write what the other end is told of this one."""
        place = self._place
        known, stream = place.presence[of], place.streams.get(of)
        unsteady = of is End.HOST and self._steadiness.unsteady(now_ms=place.now())
        if stream is not None:
            age_ms = place.now() - stream.lease.heard_ms
            return frames.presence(
                known, of=of, last_heard_ms=place.wall() - age_ms, lease_age_ms=age_ms, unsteady=unsteady
            )
        age_ms = max(0, place.wall() - known.last_heard_ms) if known.last_heard_ms else 0
        return frames.presence(
            known,
            of=of,
            last_heard_ms=known.last_heard_ms,
            lease_age_ms=min(age_ms, 2**32 - 1),
            unsteady=unsteady,
        )

    # ---- time

    def due_ms(self) -> list[int]:
        """Say when there is something to ask or to give up, on the steady clock."""
        lease_ms = self._place.tools.settings.lease_ms
        asked = [
            stream.lease.due_ms(every_ms=self._every_ms(stream), lease_ms=lease_ms)
            for stream in self._place.streams.values()
        ]
        return [*self._grace_until.values(), *self._steadiness.due_ms(), *asked]

    def forgive(self) -> None:
        """This process stood still. What the devices said meanwhile lies unread, so nobody is judged by that time."""
        for stream in self._place.streams.values():
            stream.lease.forgive()
        for end in self._grace_until:
            self._grace_until[end] = self._place.now() + self._place.tools.settings.lease_ms

    def tick(self) -> None:
        """Ask who has been silent, give up who does not answer or does not come back."""
        now, lease_ms = self._place.now(), self._place.tools.settings.lease_ms
        for stream in list(self._place.streams.values()):
            if stream.lease.lost(now_ms=now, lease_ms=lease_ms):
                self._drop(stream, errors.LeaseLost())
                self.meet(stream.end, Event.LEASE_LOST)
            elif stream.lease.should_ask(now_ms=now, every_ms=self._every_ms(stream)):
                self._ask(stream)
        for end in [end for end, until in self._grace_until.items() if now >= until]:
            stays = self._place.streams.get(end)
            if stays is not None:
                self._drop(stays, errors.LeaseLost())  # it said that it restarts, and never did
            self.meet(end, Event.GRACE_OVER)
        self._tell_what_is_owed(now)

    def _tell_what_is_owed(self, now: int) -> None:
        """Say what was held back, and that a host is steady again; call whoever was not called while it came and went."""
        steadiness, phone = self._steadiness, self._place.streams.get(End.PHONE)
        steadiness.forget_old(now_ms=now)
        owed = steadiness.owed_ms is not None and now >= steadiness.owed_ms
        steady = steadiness.told_unsteady and not steadiness.unsteady(now_ms=now)
        if owed or steady:
            steadiness.told(self._place.presence[End.HOST], now_ms=now)
            if phone is not None:
                phone.say(self.told(End.HOST))
        if steadiness.call_due_ms is not None and now >= steadiness.call_due_ms:
            steadiness.back()
            if self._place.open_tasks and self._place.presence[End.HOST].absent:
                self._calling.call_held()
            else:
                self._calling.let_be()

    def _ask(self, stream: Stream) -> None:
        stream.say(frames.ping(stream.lease.ask(now_ms=self._place.now())))

    def forget(self) -> None:
        """The pairing is over, or the seat is lost."""
        self._grace_until.clear()
        self._calling.forget()
        self._steadiness = Steadiness()

    def _every_ms(self, stream: Stream) -> int:
        """How long a device may be silent before it is asked. Shorter the more somebody waits for it."""
        short_ms, idle_ms = self._short_ms, self._place.tools.settings.idle_ask_ms
        if stream.end is End.PHONE:
            return short_ms if stream.looking else idle_ms
        if self._commands:
            # Not a whole lease: a host that froze just now is to be found out within about one, not two.
            return short_ms // 5
        return short_ms if End.PHONE in self._place.streams or self._place.open_tasks else idle_ms
