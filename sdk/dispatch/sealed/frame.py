"""The bytes of a sealed frame: what stands in the clear, what is bound, how the text is padded. Holds no key.

    sealed = version (1) | epoch (8) | n (8) | box

docs/encryption.md "Frames".
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from dispatch.encoding import u32, u64
from dispatch.sealed.box import OVERHEAD_BYTES
from dispatch.sealed.errors import SealError, Why

VERSION = 1
EPOCH_BYTES = 8
HEADER_BYTES = 1 + EPOCH_BYTES + 8
TEXT_SIZES = (256, 1024, 4096, 16384, 65536)
"""A text is as long as the smallest of these that holds it: all that a server learns of its size."""
LONGEST_BODY = TEXT_SIZES[-1] - 4
_SEALED_SIZES = frozenset(HEADER_BYTES + OVERHEAD_BYTES + size for size in TEXT_SIZES)
_AAD = b"dispatch/frame/1"
_ZEROS = bytes(TEXT_SIZES[-1])


class Direction(IntEnum):
    """Who sealed it."""

    UP = 0
    """The phone, for the host."""
    DOWN = 1
    """The host, for the phone."""


class FrameClass(IntEnum):
    """How the relay treats it.

    Each class of a direction has a chain of its own: the relay orders only within a class.
    """

    COMMAND = 0
    LIVE = 1
    KEEP = 2


@dataclass(frozen=True, slots=True)
class Frame:
    """A sealed frame, taken apart and not opened."""

    epoch: bytes
    n: int
    box: bytes


def parse(sealed: bytes) -> Frame:
    """Take a sealed frame apart. Raises SealError."""
    if sealed[:1] != bytes([VERSION]):
        raise SealError(Why.VERSION if sealed else Why.MALFORMED)
    if len(sealed) not in _SEALED_SIZES:
        raise SealError(Why.MALFORMED)
    return Frame(sealed[1:9], int.from_bytes(sealed[9:17], "big"), sealed[HEADER_BYTES:])


def header(epoch: bytes, n: int) -> bytes:
    """Write what stands before the box."""
    return bytes([VERSION]) + epoch + u64(n)


def aad(pair_id: bytes, direction: Direction, frame_class: FrameClass, head: bytes) -> bytes:
    """Write what a frame is bound to: pairing, direction, class and everything that stands in the clear."""
    return _AAD + pair_id + bytes([direction, frame_class]) + head


def pad(body: bytes) -> bytes:
    """Write the text of a frame: length, body, zeros. Raises ValueError for a body over LONGEST_BODY."""
    needed = 4 + len(body)
    size = next((size for size in TEXT_SIZES if size >= needed), None)
    if size is None:
        raise ValueError(f"a body has at most {LONGEST_BODY:,} bytes")
    return b"".join((u32(len(body)), body, _ZEROS[: size - needed]))


def unpad(text: bytes) -> bytes:
    """Read the body out of a text. Raises SealError."""
    end = 4 + int.from_bytes(text[:4], "big")
    if end > len(text) or text[end:] != _ZEROS[: len(text) - end]:
        raise SealError(Why.MALFORMED)
    return text[4:end]
