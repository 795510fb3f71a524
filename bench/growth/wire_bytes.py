"""How many bytes one round trip and one silent stream put on the line, by the sizes of the contract's own frames. Pure."""

from __future__ import annotations

from dispatch.api.relay.v1 import relay_pb2 as pb
from dispatch.ids import ID_BYTES

PER_MESSAGE_BYTES = 5 + 9 + 2 * 52
"""gRPC's and HTTP/2's heads, those of TCP and IP with time stamps, and the acknowledgement that comes back."""
PING_BYTES = 17 + 52
"""HTTP/2's own question or answer, and the heads of TCP and IP."""
KEEPALIVE_SECONDS = 20
"""Between HTTP/2's questions, of which each end asks its own (dispatch.channel)."""
IDLE_ASK_SECONDS = 30
"""Between the relay's own questions to a silent host (docs/protocol.md, Presence)."""
_ID = bytes(ID_BYTES)
_SEQ = 2**20


def round_trip_bytes(sealed_bytes: int) -> int:
    """Give what a command and the keep row that answers it put on the lines of both devices, both ways, each frame by itself."""
    sealed = bytes(sealed_bytes)
    up = [
        pb.DeviceFrame(post=pb.Post(message_id=_ID, task_id=_ID, kind=pb.KIND_COMMAND, sealed=sealed)),
        pb.DeviceFrame(take=pb.Take(message_id=_ID)),
        pb.DeviceFrame(post=pb.Post(message_id=_ID, task_id=_ID, kind=pb.KIND_KEEP, sealed=sealed)),
        *(pb.DeviceFrame(ack=pb.Ack(through_seq=_SEQ)) for _ in range(4)),
    ]
    down = [
        pb.RelayFrame(handover=pb.Handover(message_id=_ID, task_id=_ID, sealed=sealed)),
        pb.RelayFrame(receipt=pb.Receipt(message_id=_ID, seq=_SEQ)),
        pb.RelayFrame(deliver=pb.Deliver(message_id=_ID, seq=_SEQ)),
        pb.RelayFrame(receipt=pb.Receipt(message_id=_ID, seq=_SEQ)),
        pb.RelayFrame(deliver=pb.Deliver(message_id=_ID, seq=_SEQ, sealed=sealed)),
    ]
    requests = (pb.AttachRequest(frames=[frame]).ByteSize() for frame in up)
    responses = (pb.AttachResponse(frames=[frame]).ByteSize() for frame in down)
    return sum(requests) + sum(responses) + (len(up) + len(down)) * PER_MESSAGE_BYTES


def idle_bytes_per_second() -> float:
    """Give what a silent host's stream puts on the line, both ways."""
    ask = pb.AttachResponse(frames=[pb.RelayFrame(ping=pb.Ping(number=1_000))]).ByteSize()
    answer = pb.AttachRequest(frames=[pb.DeviceFrame(pong=pb.Pong(number=1_000))]).ByteSize()
    asked = ask + answer + 2 * PER_MESSAGE_BYTES
    return asked / IDLE_ASK_SECONDS + 4 * PING_BYTES / KEEPALIVE_SECONDS
