"""Reads what passes by on a connection of the thread stream: HTTP/2 frames, and inside them the frames of relay.proto.

Pure: bytes in, pieces out; joined, the pieces are the bytes. It understands as much of HTTP/2 as it takes to find where a
message of the stream begins and ends, in the clear and uncompressed, which is how the laboratory's processes speak.
Called by `network`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dispatch.api.relay.v1.relay_pb2 import AttachRequest, AttachResponse, DeviceFrame, RelayFrame
from dispatch.api.relay.v1.transfer_pb2 import CarryRequest, CarryResponse
from google.protobuf.message import DecodeError

Frame = DeviceFrame | RelayFrame | CarryRequest | CarryResponse
"""A frame of the thread stream, or a chunk that passes on a transfer stream."""

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
"""What a client says first on a connection."""
_HEAD = 9  # length (3), kind, flags, stream (4)
_DATA = 0
_PADDED = 0x08
_END = 0x01
_MESSAGE_HEAD = 5  # compressed or not, length (4)
_LONGEST_BODY = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of what passes by: the preface, one HTTP/2 frame, or bytes that are not understood."""

    data: bytes
    frames: Sequence[Frame] = ()
    """The frames whose last byte is in here."""
    whole: bool = False
    """Whether these are all its bytes are about: it could be said twice."""


class Splitter:
    """Takes one direction of a connection apart. `up` is from the device to the relay."""

    def __init__(self, *, up: bool) -> None:
        self._up = up
        self._raw = bytearray()
        self._preface = up
        self._body = bytearray()
        self._lost = False

    def feed(self, data: bytes) -> list[Piece]:
        """Give the pieces that are complete by now. What does not look like HTTP/2 passes as it is, for ever."""
        self._raw += data
        pieces: list[Piece] = []
        while (piece := self._next()) is not None:
            pieces.append(piece)
        return pieces

    def rest(self) -> bytes:
        """Give what is left of a piece that was never completed."""
        left = bytes(self._raw)
        self._raw.clear()
        return left

    def _next(self) -> Piece | None:
        raw = self._raw
        if self._lost:
            return Piece(self._take(len(raw))) if raw else None
        if self._preface:
            if len(raw) < len(PREFACE) and PREFACE.startswith(raw):
                return None
            self._preface = False
            if raw.startswith(PREFACE):
                return Piece(self._take(len(PREFACE)))
            self._lost = True
            return self._next()
        if len(raw) < _HEAD:
            return None
        size = _HEAD + int.from_bytes(raw[:3], "big")
        if len(raw) < size:
            return None
        kind, flags = raw[3], raw[4]
        data = self._take(size)
        if kind != _DATA or flags & _PADDED:
            return Piece(data)
        began_whole = not self._body
        self._body += data[_HEAD:]
        frames = self._messages()
        return Piece(data, frames, whole=began_whole and not self._body and not flags & _END and bool(frames))

    def _messages(self) -> list[Frame]:
        """Parse the messages that are complete in the body."""
        frames: list[Frame] = []
        body = self._body
        while len(body) >= _MESSAGE_HEAD:
            size = int.from_bytes(body[1:_MESSAGE_HEAD], "big")
            if size > _LONGEST_BODY or body[0]:
                self._lost = True
                body.clear()
                break
            if len(body) < _MESSAGE_HEAD + size:
                break
            message = bytes(body[_MESSAGE_HEAD : _MESSAGE_HEAD + size])
            del body[: _MESSAGE_HEAD + size]
            frames += self._parsed(message)
        return frames

    def _parsed(self, message: bytes) -> Sequence[Frame]:
        try:
            batch = AttachRequest.FromString(message) if self._up else AttachResponse.FromString(message)
            if batch.frames:
                return list(batch.frames)
            carried = CarryRequest.FromString(message) if self._up else CarryResponse.FromString(message)
        except DecodeError:
            return ()  # another service's message: nobody waits for it here
        return (carried,) if carried.WhichOneof("frame") == "data" else ()

    def _take(self, size: int) -> bytes:
        taken = bytes(self._raw[:size])
        del self._raw[:size]
        return taken
