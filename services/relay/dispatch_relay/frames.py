"""The relay's words as bytes: each function gives one serialized AttachResponse with one frame.

Serialized batches concatenate into a valid batch, so a writer joins these without parsing. Called by `room`, `stream` and
`admission`.
"""

from __future__ import annotations

from collections.abc import Sequence

from dispatch.api.error.v1.error_pb2 import Reason
from dispatch.api.relay.v1 import relay_pb2 as pb
from dispatch.ids import MessageId

from dispatch_relay.log import Pending, Row, RowKind
from dispatch_relay.presence import End, Presence
from dispatch_relay.settings import Settings


def _one(frame: pb.RelayFrame) -> bytes:
    return pb.AttachResponse(frames=[frame]).SerializeToString()


def challenge(*, nonce: bytes, protocol_version: int, server_time_ms: int) -> bytes:
    """Ask for the proof."""
    return _one(
        pb.RelayFrame(
            challenge=pb.Challenge(nonce=nonce, protocol_version=protocol_version, server_time_ms=server_time_ms)
        )
    )


def opened(
    *, head_seq: int, oldest_seq: int, settings: Settings, pending: Sequence[MessageId], push_key: bytes = b""
) -> bytes:
    """Say that the stream is open."""
    return _one(
        pb.RelayFrame(
            opened=pb.Opened(
                head_seq=head_seq,
                oldest_seq=oldest_seq,
                limits=pb.Limits(
                    sealed_bytes=settings.sealed_bytes,
                    frames=settings.frames,
                    live_per_second=settings.live_per_second,
                    posts_per_second=settings.posts_per_second,
                    valid_for_ms=settings.valid_for_ms,
                    lease_ms=settings.lease_ms,
                    silence_ms=settings.silence_ms,
                ),
                pending_message_ids=pending,
                push_key=push_key,
            )
        )
    )


def handover(waiting: Pending, *, left_ms: int) -> bytes:
    """Give the host a command."""
    return _one(
        pb.RelayFrame(
            handover=pb.Handover(
                message_id=waiting.message_id, task_id=waiting.task_id, sealed=waiting.sealed, valid_for_ms=left_ms
            )
        )
    )


def handed_over(message_id: MessageId) -> bytes:
    """Tell the phone so."""
    return _one(pb.RelayFrame(handed_over=pb.HandedOver(message_id=message_id)))


def withdrawn(message_id: MessageId) -> bytes:
    """Answer a Take that came too late."""
    return _one(pb.RelayFrame(withdrawn=pb.Withdrawn(message_id=message_id)))


def refusal(message_id: bytes, reason: Reason.ValueType, *, retry_after_ms: int = 0, detail: str = "") -> bytes:
    """Refuse at the door: nothing is stored of it."""
    return _one(
        pb.RelayFrame(
            refusal=pb.Refusal(message_id=message_id, reason=reason, retry_after_ms=retry_after_ms, detail=detail)
        )
    )


def row(row: Row, *, to: End) -> bytes:
    """Write a row as the end `to` sees it: its author gets the answer, the other end the message."""
    if row.kind is RowKind.REFUSED:
        if to is End.PHONE:
            refused = pb.Refusal(
                message_id=row.message_id, reason=row.reason, retry_after_ms=row.retry_after_ms, seq=row.seq
            )
            return _one(pb.RelayFrame(refusal=refused))
        return _one(pb.RelayFrame(withdrawn=pb.Withdrawn(message_id=row.message_id, seq=row.seq)))
    if to is row.kind.author:
        return _one(pb.RelayFrame(receipt=pb.Receipt(message_id=row.message_id, seq=row.seq)))
    return _one(pb.RelayFrame(deliver=pb.Deliver(seq=row.seq, message_id=row.message_id, sealed=row.sealed)))


def live(sealed: bytes) -> bytes:
    """Forward a live frame."""
    return _one(pb.RelayFrame(live=pb.Live(sealed=sealed)))


def presence(presence: Presence, *, of: End, last_heard_ms: int, lease_age_ms: int, unsteady: bool) -> bytes:
    """Say how the peer is. Only a host's absence has a cause."""
    return _one(
        pb.RelayFrame(
            presence=pb.Presence(
                state=presence.reachability,
                cause=presence.cause if of is End.HOST else Reason.REASON_UNSPECIFIED,
                since_ms=presence.since_ms,
                last_heard_ms=last_heard_ms,
                instance=presence.instance,
                lease_age_ms=lease_age_ms,
                unsteady=unsteady,
            )
        )
    )


def peer_ack(through_seq: int) -> bytes:
    """Say up to where the peer has everything."""
    return _one(pb.RelayFrame(peer_ack=pb.PeerAck(through_seq=through_seq)))


def push_target_kept(
    reason: Reason.ValueType = Reason.REASON_UNSPECIFIED, *, retry_after_ms: int = 0, detail: str = ""
) -> bytes:
    """Tell a phone that its push target is kept, or why not."""
    kept = pb.PushTargetKept(reason=reason, retry_after_ms=retry_after_ms, detail=detail)
    return _one(pb.RelayFrame(push_target_kept=kept))


def draining(*, reconnect_in_ms: int) -> bytes:
    """Ask the device to come back on a new stream."""
    return _one(pb.RelayFrame(draining=pb.Draining(reconnect_in_ms=reconnect_in_ms)))


def ping(number: int) -> bytes:
    """Ask for a Pong."""
    return _one(pb.RelayFrame(ping=pb.Ping(number=number)))
