"""Seals a file chunk by chunk, and what the two ends of a transfer say about it. docs/encryption.md "Files".

A chunk is bound to its file and its place, and says whether it is the last: a server can neither move, repeat nor end
anything unseen. A word is bound to its transfer and to the end that says it, so that none is good a second time.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum

from dispatch.encoding import u32
from dispatch.ids import ID_BYTES, FileId, Rng, TransferId
from dispatch.sealed.box import OVERHEAD_BYTES, open_box, seal_box
from dispatch.sealed.errors import SealError, Why

CHUNK_BYTES = 64 * 1024
KEY_BYTES = 32
LONGEST_FILE_BYTES = CHUNK_BYTES * 2**32
"""A place is a uint32."""

_CHUNK, _WORD = 1, 2
_HEAD_BYTES = 1 + 4


class TransferEnd(IntEnum):
    """Which end of a transfer speaks."""

    GIVES = 0
    TAKES = 1


def count_of(size: int) -> int:
    """Give the number of chunks of a file: an empty one has one, so that its end can be told."""
    return max(1, -(-size // CHUNK_BYTES))


def length_of(index: int, size: int) -> int:
    """Give the bytes in a chunk of a file of that size."""
    return min(CHUNK_BYTES, size - index * CHUNK_BYTES)


@dataclass(frozen=True, slots=True)
class FileSeal:
    """The key of one file and what is sealed with it."""

    file_id: FileId
    size: int
    key: bytes = field(repr=False)

    def seal_chunk(self, index: int, content: bytes, rng: Rng) -> bytes:
        """Seal a chunk."""
        return bytes([_CHUNK]) + u32(index) + seal_box(self.key, self._chunk_aad(index), content, rng)

    def open_chunk(self, sealed: bytes, *, expected: int) -> bytes:
        """Open the chunk that is due. Raises SealError for any other, and for one of the wrong length."""
        if len(sealed) != _HEAD_BYTES + OVERHEAD_BYTES + length_of(expected, self.size) or sealed[0] != _CHUNK:
            raise SealError(Why.MALFORMED)
        index = int.from_bytes(sealed[1:_HEAD_BYTES], "big")
        if index != expected:
            raise SealError(Why.TOO_OLD if index < expected else Why.TOO_FAR)
        return open_box(self.key, self._chunk_aad(index), sealed[_HEAD_BYTES:])

    def seal_word(self, transfer_id: TransferId, end: TransferEnd, body: bytes, rng: Rng) -> bytes:
        """Seal a serialized TransferWord."""
        return bytes([_WORD]) + seal_box(self.key, self._word_aad(transfer_id, end), body, rng)

    def open_word(self, transfer_id: TransferId, end: TransferEnd, sealed: bytes) -> bytes:
        """Open a word of the other end. Raises SealError."""
        if not is_word(sealed):
            raise SealError(Why.MALFORMED)
        return open_box(self.key, self._word_aad(transfer_id, end), sealed[1:])

    def _chunk_aad(self, index: int) -> bytes:
        last = index == count_of(self.size) - 1
        return b"dispatch/file/1" + self.file_id + u32(index) + bytes([last])

    def _word_aad(self, transfer_id: TransferId, end: TransferEnd) -> bytes:
        if len(transfer_id) != ID_BYTES:
            raise SealError(Why.MALFORMED)
        return b"dispatch/file-word/1" + self.file_id + transfer_id + bytes([end])


def is_word(sealed: bytes) -> bool:
    """Tell a word from a chunk."""
    return sealed[:1] == bytes([_WORD])
