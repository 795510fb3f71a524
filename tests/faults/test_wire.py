"""The reader of passing frames: whatever way bytes are cut, the same frames are found in the same places."""

from __future__ import annotations

import random

import pytest
from dispatch.api.relay.v1.relay_pb2 import AttachRequest, DeviceFrame, Pong, Take
from dispatch.api.relay.v1.transfer_pb2 import CarryRequest, Data

from tests.faults.wire import PREFACE, Piece, Splitter


def http2(kind: int, body: bytes, *, flags: int = 0, stream: int = 1) -> bytes:
    return len(body).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + body


def message(*frames: DeviceFrame) -> bytes:
    data = AttachRequest(frames=frames).SerializeToString()
    return b"\0" + len(data).to_bytes(4, "big") + data


TAKE, PONG = DeviceFrame(take=Take(message_id=b"m" * 16)), DeviceFrame(pong=Pong(number=7))
SETTINGS, HEADERS = http2(4, b"", stream=0), http2(1, b"headers")


def kinds(pieces: list[Piece]) -> list[str | None]:
    return [frame.WhichOneof("frame") for piece in pieces for frame in piece.frames]


@pytest.mark.parametrize("seed", range(20))
def test_however_it_is_cut_nothing_is_changed_and_each_frame_is_found_once(seed: int) -> None:
    both = message(TAKE) + message(PONG, TAKE)
    half = len(both) // 2
    said = PREFACE + SETTINGS + HEADERS + http2(0, both[:half]) + http2(8, b"\0\0\1\0") + http2(0, both[half:])
    rng, splitter, pieces = random.Random(seed), Splitter(up=True), list[Piece]()
    left = said
    while left:
        size = rng.randrange(1, 40)
        pieces += splitter.feed(left[:size])
        left = left[size:]

    assert b"".join(piece.data for piece in pieces) + splitter.rest() == said
    assert kinds(pieces) == ["take", "pong", "take"]


def test_a_piece_is_whole_when_it_holds_messages_and_nothing_else() -> None:
    splitter = Splitter(up=True)
    splitter.feed(PREFACE)
    one = message(TAKE)

    whole, begun, ended = splitter.feed(http2(0, one) + http2(0, one[:9]) + http2(0, one[9:]))

    assert [whole.whole, begun.whole, ended.whole] == [True, False, False]
    assert kinds([begun]) == []
    assert kinds([ended]) == ["take"]


def test_what_is_not_http2_passes_as_it_is() -> None:
    splitter = Splitter(up=True)

    pieces = splitter.feed(b"\x16\x03\x01 a handshake of TLS, for instance")

    assert [piece.data for piece in pieces] == [b"\x16\x03\x01 a handshake of TLS, for instance"]
    assert kinds(pieces) == []


def test_the_chunks_of_a_transfer_are_found_beside_the_frames_of_the_thread() -> None:
    splitter = Splitter(up=True)
    splitter.feed(PREFACE)
    data = CarryRequest(data=Data(sealed=b"sealed")).SerializeToString()

    pieces = splitter.feed(http2(0, b"\0" + len(data).to_bytes(4, "big") + data) + http2(0, message(PONG), stream=3))

    assert kinds(pieces) == ["data", "pong"]
