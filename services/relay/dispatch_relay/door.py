"""What is refused before it is looked at any further: posts that break a limit or the form. Pure.

A refusal at the door stores nothing and has seq 0. Only a frame that makes no sense at all ends the stream.
"""

from __future__ import annotations

from dispatch import errors
from dispatch.api.error.v1.error_pb2 import Reason
from dispatch.api.relay.v1 import relay_pb2 as pb
from dispatch.encoding import message_id
from dispatch.ids import ID_BYTES

from dispatch_relay.presence import End, Event

KINDS = {End.PHONE: pb.KIND_COMMAND, End.HOST: pb.KIND_KEEP}

NOTICES = {
    pb.CONDITION_ASLEEP: Event.SAID_ASLEEP,
    pb.CONDITION_APP_CLOSED: Event.SAID_APP_CLOSED,
    pb.CONDITION_RESTARTING: Event.SAID_RESTARTING,
    pb.CONDITION_AWAKE: Event.SAID_AWAKE,
}

MOST_SEQ = 2**63 - 1
"""What the store can count to; a device that names more is not honest."""

_OUTCOMES, _HINTS = frozenset(pb.Outcome.values()), frozenset(pb.PushHint.values())
_VERDICTS = frozenset({"take", "decline"})
_HOSTS_WORDS = _VERDICTS | {"notice"}
_PHONES_WORD = "push_target"


def check_post(post: pb.Post, *, author: End, sealed_bytes: int) -> errors.DispatchError | None:
    """Say why a post is refused at the door, or None."""
    if len(post.sealed) > sealed_bytes:
        return errors.TooLarge(metadata={"limit_bytes": str(sealed_bytes)})
    if post.kind != KINDS[author]:
        return errors.ProtocolViolation("a phone posts commands, a host keep rows")
    task_id = len(post.task_id)
    if task_id != ID_BYTES and (task_id or author is End.PHONE or post.outcome):
        return errors.ProtocolViolation("task_id is not 16 bytes")
    if len(post.message_id) != ID_BYTES:
        return errors.ProtocolViolation("message_id is not 16 bytes")
    if not post.sealed and author is End.HOST and (not post.task_id or post.push_hint):
        # Without one it only tells of a task that came by the direct path: its go, or its outcome.
        return errors.ProtocolViolation("a keep row has a seal, or tells of a task")
    if post.sealed and message_id(post.sealed) != post.message_id:
        return errors.ProtocolViolation("message_id is not the digest of sealed")
    if post.outcome not in _OUTCOMES or post.push_hint not in _HINTS:
        return errors.ProtocolViolation("a value of outcome or push_hint that version 1 does not have")
    if post.outcome and author is End.PHONE:
        return errors.ProtocolViolation("a phone does not know outcomes")
    return None


def check_frame(frame: pb.DeviceFrame, *, author: End) -> str:
    """Give the name of a frame on an open stream. Raises ProtocolViolation for one that can't come from there."""
    name = frame.WhichOneof("frame")
    if name is None:
        raise errors.ProtocolViolation("a frame without a word that version 1 knows")
    if name in {"hello", "proof", "open"}:
        raise errors.ProtocolViolation(f"{name} on a stream that is open")
    if name in _HOSTS_WORDS and author is End.PHONE:
        raise errors.ProtocolViolation(f"{name} is a host's word")
    if name == _PHONES_WORD and author is End.HOST:
        raise errors.ProtocolViolation(f"{name} is a phone's word")
    if name in _VERDICTS and len(getattr(frame, name).message_id) != ID_BYTES:
        # It would be looked for, and sent back, however long it is.
        raise errors.ProtocolViolation("message_id is not 16 bytes")
    return name


def known(reason: Reason.ValueType) -> Reason.ValueType:
    """Give a reason that a device named, or INTERNAL for one that this version does not know."""
    return errors.kind_of(reason).reason
