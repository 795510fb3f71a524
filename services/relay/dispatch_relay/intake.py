"""What devices say in a room: each frame is checked, and given to the part that it belongs to. Made and called by `room`.

Knows no clock but the room's, and none of who comes and goes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from dispatch import errors
from dispatch.api.relay.v1 import relay_pb2 as pb
from dispatch.ids import TaskId

from dispatch_relay import door, frames
from dispatch_relay.calling import Calling
from dispatch_relay.commands import Commands
from dispatch_relay.keeping import Keeping
from dispatch_relay.log import Acked
from dispatch_relay.place import Place, nothing
from dispatch_relay.presence import End
from dispatch_relay.stream import Stream
from dispatch_relay.targets import Targets
from dispatch_relay.watch import Watch


class Intake:
    """Where the frames of both ends go."""

    def __init__(
        self,
        place: Place,
        *,
        commands: Commands,
        keeping: Keeping,
        calling: Calling,
        targets: Targets,
        watch: Watch,
        acked: Mapping[End, int],
        said_bye: Callable[[Stream], None],
        settle: Callable[[], None],
    ) -> None:
        """`said_bye` ends a stream whose device leaves; `settle` is called when it may have become due what was not before."""
        # Fixed after __init__.
        self._place = place
        self._commands = commands
        self._keeping = keeping
        self._calling = calling
        self._watch = watch
        self._settle = settle
        self._targets = targets
        self._said_bye = said_bye
        # Touched on the loop only.
        self._acked = dict(acked)

    def acked_by(self, end: End) -> int:
        """Give the row up to which an end has all; 0 for none."""
        return self._acked.get(end, 0)

    def take(self, stream: Stream, frame: pb.DeviceFrame) -> None:
        """Take a frame of a stream that is there. Raises ProtocolViolation."""
        name = door.check_frame(frame, author=stream.end)
        if self._place.over is None:
            _HANDLERS[name](self, stream, frame)
        elif name == "post":
            self._place.refuse_at_the_door(stream, frame.post.message_id, self._place.over)

    def _post(self, stream: Stream, post: pb.Post) -> None:
        no = self._check_post(stream, post)
        if no is not None:
            self._place.refuse_at_the_door(stream, post.message_id, no)
        elif stream.end is End.PHONE:
            self._commands.post(stream, post)
        else:
            self._keeping.post(stream, post)

    def _check_post(self, stream: Stream, post: pb.Post) -> errors.DispatchError | None:
        settings = self._place.tools.settings
        no = door.check_post(post, author=stream.end, sealed_bytes=settings.sealed_bytes)
        if no is not None or post.message_id in self._commands:
            return no
        wait_ms = stream.posts.take(now_ms=self._place.now())
        if wait_ms:
            return errors.RateLimited(retry_after_ms=wait_ms)
        if stream.end is End.PHONE and len(self._commands) >= settings.pending_commands:
            return errors.RateLimited("too many commands wait", retry_after_ms=settings.lease_ms)
        begins = stream.end is End.PHONE or not (post.sealed or post.outcome)  # a command, or the go of one elsewhere
        if begins and self._too_many_tasks(TaskId(post.task_id)):
            return errors.QueueFull("too many tasks are not over")
        return None

    def _too_many_tasks(self, task_id: TaskId) -> bool:
        """Tell whether one more would be too many. A word about one that is open is not one more; an absent host takes none."""
        place = self._place
        full = len(place.open_tasks) >= place.tools.settings.open_tasks
        return full and task_id not in place.open_tasks and not place.presence[End.HOST].absent

    def _live(self, stream: Stream, live: pb.Live) -> None:
        tools = self._place.tools
        peer = self._place.streams.get(stream.end.other)
        no: errors.DispatchError | None = None
        if len(live.sealed) > tools.settings.sealed_bytes:
            no = errors.TooLarge(metadata={"limit_bytes": str(tools.settings.sealed_bytes)})
        elif wait_ms := stream.lives.take(now_ms=self._place.now()):
            no = errors.RateLimited(retry_after_ms=wait_ms)
        elif peer is None:
            no = errors.PeerAbsent()
        elif not peer.whisper(frames.live(live.sealed)):
            tools.metrics.live_dropped.inc()
        if no is not None:
            self._place.refuse_at_the_door(stream, b"", no)

    def _ack(self, stream: Stream, ack: pb.Ack) -> None:
        if ack.through_seq > stream.cursor:
            raise errors.ProtocolViolation("an ack of a row that was never sent")
        if ack.through_seq > self._acked.get(stream.end, 0):
            self._acked[stream.end] = ack.through_seq
            self._place.submit_with_the_next(Acked(self._place.pair_id, stream.end, ack.through_seq), nothing)
            if stream.end is End.PHONE:
                self._keeping.delivered(ack.through_seq)
            peer = self._place.streams.get(stream.end.other)
            if peer is not None:
                peer.peer_acked(ack.through_seq)

    def _looking(self, stream: Stream, looking: pb.Looking) -> None:
        stream.looking = looking.looking
        if stream.looking and stream.end is End.PHONE:
            self._calling.looked()
        self._watch.tell_again(stream)
        self._settle()

    def _notice(self, stream: Stream, notice: pb.Notice) -> None:
        event = door.NOTICES.get(notice.condition)
        if event is None:
            raise errors.ProtocolViolation("a notice without a condition that version 1 knows")
        if stream.notices.take(now_ms=self._place.now()):
            raise errors.ProtocolViolation("more notices than a computer has reason for")
        self._watch.meet(stream.end, event)
        self._settle()


# By name of the frame. One table for all: each room would have one of its own else, and most are silent.
_HANDLERS: dict[str, Callable[[Intake, Stream, pb.DeviceFrame], None]] = {
    "post": lambda intake, stream, frame: intake._post(stream, frame.post),
    "live": lambda intake, stream, frame: intake._live(stream, frame.live),
    "take": lambda intake, stream, frame: intake._commands.take(stream, frame.take),
    "decline": lambda intake, stream, frame: intake._commands.decline(stream, frame.decline),
    "ack": lambda intake, stream, frame: intake._ack(stream, frame.ack),
    "looking": lambda intake, stream, frame: intake._looking(stream, frame.looking),
    "notice": lambda intake, stream, frame: intake._notice(stream, frame.notice),
    "bye": lambda intake, stream, frame: intake._said_bye(stream),
    "push_target": lambda intake, stream, frame: intake._targets.said(stream, frame.push_target),
    "pong": lambda intake, stream, frame: None,  # that it came is all it says
}
