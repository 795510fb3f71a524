"""One pairing while somebody is there: who comes and goes, what time does to it, and how it ends.

Everything happens on the event loop in methods that do not wait: frames and time come in, ops go to the log, and what the log
has committed comes back to the part that asked. Called by `service` (streams and frames), `rooms` and one timer.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Set

from dispatch import errors
from dispatch.api.error.v1.error_pb2 import Reason
from dispatch.api.relay.v1 import relay_pb2 as pb
from dispatch.ids import DeviceId, PairId, short
from dispatch.runtime.logs import get_logger
from dispatch.runtime.metrics import Carrier

from dispatch_relay import frames
from dispatch_relay.calling import Calling
from dispatch_relay.commands import Commands
from dispatch_relay.intake import Intake
from dispatch_relay.keeping import Keeping
from dispatch_relay.lease import together_ms
from dispatch_relay.log import Done, Erase, Failed, Thread
from dispatch_relay.metrics import BROKE, BYE
from dispatch_relay.place import RETRY_STORE_MS, Place, Tools
from dispatch_relay.presence import End, Event, Presence, Standing
from dispatch_relay.stream import Caller, Stream
from dispatch_relay.targets import Targets
from dispatch_relay.watch import Watch

_log = get_logger()

RETRY_LOST_MS = 200
"""After how long the devices of a room whose seat is lost come again, at the earliest."""


class Room:
    """A pairing with somebody in it, or something that waits."""

    def __init__(
        self,
        pair_id: PairId,
        thread: Thread,
        tools: Tools,
        *,
        closed: Callable[[Room], None],
        lost: Callable[[Room], None],
    ) -> None:
        """`closed` hears that nothing is left to do here, `lost` that the seat is another's."""
        # Fixed after __init__.
        self.pair_id = pair_id
        self._place = Place(pair_id, thread, tools, moved=self.settle, lost=self.lose)
        self._commands = Commands(self._place, thread.pending, end=self.end)
        calling = Calling(self._place, thread.owed_calls, phone_acked=thread.acked.get(End.PHONE, 0))
        self._calling = calling
        self._watch = Watch(self._place, self._commands, calling, drop=self._drop)
        self._intake = Intake(
            self._place,
            commands=self._commands,
            keeping=Keeping(self._place, calling),
            calling=calling,
            targets=Targets(self._place),
            watch=self._watch,
            acked=thread.acked,
            said_bye=self._left,
            settle=self.settle,
        )
        self._closed = closed
        self._lost = lost
        # Touched on the loop only.
        self._timer: asyncio.TimerHandle | None = None
        self._timer_ms = 0
        self._draining = False
        self._grants_until_ms = 0  # the first of those of the streams, if there are any
        self._erased: asyncio.Future[bool] | None = None
        # Its pairing has ended and is still stored: it tries until it is not, and a second room would do so beside it.
        self._erasing = False
        self._ended_by: End | None = None
        if End.HOST not in thread.presence:
            self._watch.meet_new()

    @property
    def host(self) -> Presence:
        """Say how the host is."""
        return self._place.presence[End.HOST]

    @property
    def erased(self) -> bool:
        """Whether its pairing has ended, and nothing of it is stored any more."""
        return self._erased is not None and self._erased.done() and self._erased.result()

    # ---- coming and going

    def recover(self) -> None:
        """Another relay had the room, or this one before its start: wait for whoever was here, and judge what waits.

        Lets go of nothing, so that a stream may be attached; `settle` does.
        """
        self._watch.recover()

    def attach(self, caller: Caller, *, carrier: Carrier, left_ms: int) -> Stream:
        """Open a stream whose grant is good for `left_ms`; the older one of this end, if there is one, is over.

        Raises NotPaired, DeviceRevoked, ResumeTooOld.
        """
        place = self._place
        if self._erased is not None:
            raise errors.NotPaired
        if place.presence[caller.end].standing is Standing.REVOKED:
            raise errors.DeviceRevoked
        self._check_resume(caller.resume_after)
        older = place.streams.get(caller.end)
        if older is not None:
            self._drop(older, errors.StreamSuperseded())
        stream = Stream(
            caller,
            carrier=carrier,
            tail=place.tail,
            read_rows=place.rows,
            settings=place.tools.settings,
            now_ms=place.now(),
            until_ms=place.now() + left_ms,
        )
        place.streams[caller.end] = stream
        self._look_at_grants()
        place.tools.metrics.stream_opened(caller.end, carrier)
        self._greet(stream)
        self._watch.attached(stream)
        if stream.looking and stream.end is End.PHONE:
            self._calling.looked()
        self.settle()
        return stream

    def _check_resume(self, resume_after: int) -> None:
        head = self._place.tail.head_seq
        first = self._place.oldest_seq or head + 1
        if resume_after > head or resume_after + 1 < first:
            raise errors.ResumeTooOld(metadata={"oldest_seq": str(first)})

    def _greet(self, stream: Stream) -> None:
        place = self._place
        stream.say(
            frames.opened(
                head_seq=place.tail.head_seq,
                oldest_seq=place.oldest_seq,
                settings=place.tools.settings,
                pending=list(self._commands) if stream.end is End.PHONE else [],
                push_key=place.tools.push.key if stream.end is End.PHONE else b"",
            )
        )
        self._watch.tell_again(stream)
        peer_acked = self._intake.acked_by(stream.end.other)
        if peer_acked:
            stream.peer_acked(peer_acked)

    def _left(self, stream: Stream) -> None:
        self._gone(stream, Event.BYE)

    def broke(self, stream: Stream) -> None:
        """The stream ended without Bye. Does nothing for one that is over already."""
        if self._place.streams.get(stream.end) is stream:
            self._gone(stream, Event.BROKE)

    def end(self, stream: Stream, error: errors.DispatchError) -> None:
        """End a stream whose device broke the protocol, that the store can't serve, or whose grant is over."""
        if self._place.streams.get(stream.end) is stream:
            self._gone(stream, Event.BROKE, error)

    def _gone(self, stream: Stream, event: Event, error: errors.DispatchError | None = None) -> None:
        self._drop(stream, error, why=BYE if event is Event.BYE else BROKE)
        if not self._draining:  # else it does what it was asked, and that says nothing about it
            self._watch.meet(stream.end, event)
        self.settle()

    def _drop(self, stream: Stream, error: errors.DispatchError | None, *, why: str = BROKE) -> None:
        """Take a stream out and end it; what becomes of the presence is the caller's to say."""
        del self._place.streams[stream.end]
        self._look_at_grants()
        self._watch.detached(stream)
        word = why if error is None else errors.word(error.reason)
        self._place.tools.metrics.stream_closed(stream.end, stream.carrier)
        self._place.tools.metrics.stream_ended(word, stream.carrier)
        _log.info("stream ended", cause=word, end=stream.end.name.lower(), pairing=short(self.pair_id))
        stream.finish(error)

    # ---- frames

    def heard(self, stream: Stream) -> None:
        """A message came from the device, whatever is in it."""
        stream.lease.heard(now_ms=self._place.now())

    def receive(self, stream: Stream, frame: pb.DeviceFrame) -> None:
        """Take a frame. Raises ProtocolViolation. A stream that is over is not listened to any more."""
        if self._place.streams.get(stream.end) is stream:
            self._intake.take(stream, frame)

    def swept(self, before_ms: int) -> None:
        """The log forgets what is older."""
        self._place.forget_tasks(before_ms)

    # ---- the relay and the pairing service

    def drain(self, *, reconnect_in_ms: Callable[[], int]) -> list[Stream]:
        """Ask everybody to come back later; gives the streams that were asked."""
        self._draining = True
        for stream in self._place.streams.values():
            stream.say(frames.draining(reconnect_in_ms=reconnect_in_ms()))
        return list(self._place.streams.values())

    def shut(self) -> None:
        """End the streams because the relay closes. Presence stays as it is: nobody did anything."""
        self._draining = True
        self._stop_timer()
        self._write_up()
        for stream in list(self._place.streams.values()):
            self._drop(stream, errors.Draining(retry_after_ms=1_000))

    def leave(self) -> None:
        """This relay closes and nobody is here any more: what waits is for whoever has the room next."""
        if not self._place.streams and not self._place.lost:
            self._write_up()
            self._forget()
            self._closed(self)

    def _write_up(self) -> None:
        """Have the log know what it was still to be told."""
        self._commands.note_all()
        self._place.write_held()

    def lose(self) -> None:
        """The seat is another relay's: devices come again to it. Nothing is written, and nobody's presence is judged."""
        if self._place.lost:
            return
        self._draining = True
        self._forget()
        for stream in list(self._place.streams.values()):
            self._drop(stream, errors.Draining(retry_after_ms=RETRY_LOST_MS))
        self._end_erasing(done=False)
        self._lost(self)

    def _forget(self) -> None:
        """Write nothing more, and judge nobody."""
        self._place.lost = True
        self._stop_timer()
        self._commands.forget()
        self._watch.forget()

    def revoke(self, devices: Set[DeviceId]) -> None:
        """End the streams of devices that have lost their rights; a host's commands are refused."""
        revoked = [stream for stream in self._place.streams.values() if stream.device_id in devices]
        for stream in revoked:
            self._drop(stream, errors.DeviceRevoked())
            self._watch.meet(stream.end, Event.WAS_REVOKED)
        if revoked:
            self.settle()

    def erase(self, *, ended_by: End | None) -> asyncio.Future[bool]:
        """The pairing is over: answer what waits, forget everything, then end the streams; gives when that is done.

        False when the seat was lost before: then it is whoever has the room now that does it.
        """
        if self._erased is None:
            self._erased = asyncio.get_running_loop().create_future()
            self._erasing = True
            self._ended_by = ended_by
            if ended_by is End.HOST:
                self._watch.meet(End.HOST, Event.WAS_REVOKED)
            else:
                self._commands.give_up(Reason.REASON_NOT_PAIRED)
            self._place.over = errors.HostRevoked() if ended_by is End.HOST else errors.NotPaired()
            # In one line behind the refusals above, so they have been told when this has.
            self._place.submit(self._erasure(), self._forgotten)
        return self._erased

    def _erasure(self) -> Erase:
        return Erase(self.pair_id, now_ms=self._place.wall())

    def _forgotten(self, result: Done | Failed) -> None:
        place = self._place
        if isinstance(result, Failed):
            asyncio.get_running_loop().call_later(
                RETRY_STORE_MS / 1_000, place.submit, self._erasure(), self._forgotten
            )
            return
        place.tools.metrics.host_stands(None, before=place.presence[End.HOST].standing)
        self._commands.forget()
        self._watch.forget()
        for stream in list(place.streams.values()):
            # The phone hears whose word it was.
            self._drop(stream, place.over if stream.end is End.PHONE else errors.NotPaired())
        self._end_erasing(done=True)
        by = self._ended_by.name.lower() if self._ended_by else "service"
        _log.info("pairing ended", pairing=self.pair_id, ended_by=by)

    def _end_erasing(self, *, done: bool) -> None:
        self._erasing = False
        if self._erased is not None and not self._erased.done():
            self._erased.set_result(done)

    # ---- time

    def settle(self) -> None:
        """Set the timer to what is due first, or leave if nothing is left to do. Cheap when nothing changed."""
        place = self._place
        if place.lost:
            return
        due = [self._grants_until_ms] if place.streams else []
        if not self._erasing:
            due += [*self._watch.due_ms(), *self._commands.due_ms()]
        if not (due or self._erasing or self._commands or place.submitted):
            self._stop_timer()
            self._closed(self)
        elif due:
            now = place.now()
            when_ms = together_ms(min(due), now_ms=now)
            if self._timer is None or when_ms < self._timer_ms:
                self._stop_timer()
                self._timer_ms = when_ms
                self._timer = asyncio.get_running_loop().call_later(max(0, when_ms - now) / 1_000, self._tick)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _tick(self) -> None:
        self._timer = None
        if not self._erasing:
            if self._place.now() - self._timer_ms > self._place.tools.settings.lease_ms // 2:
                self._watch.forgive()
            self._watch.tick()
            self._commands.tick()
        self._end_with_grants()
        self.settle()

    def _look_at_grants(self) -> None:
        self._grants_until_ms = min((stream.until_ms for stream in self._place.streams.values()), default=0)

    def _end_with_grants(self) -> None:
        """End the streams whose grants are over.

        A device comes back at once with a fresh grant, unless it may not have one any more: otherwise a stolen phone that is
        never let go of would never go dark.
        """
        now = self._place.now()
        for stream in list(self._place.streams.values()):
            if now >= stream.until_ms:
                self.end(stream, errors.GrantExpired())
