"""How fields become the exact bytes that are signed, hashed or bound: `enc`, and the id of a sealed message.

Used by both ends and by the services, so it holds no key and opens nothing. docs/encryption.md "Conventions".
"""

from __future__ import annotations

from hashlib import sha256

from dispatch.ids import ID_BYTES, MessageId

_LONGEST_FIELD = 0xFFFF


class EncodingError(ValueError):
    """Bytes are not what `enc` writes, or a field is too long for it. Says nothing of the content."""


def enc(*fields: bytes | str) -> bytes:
    """Write each field as its length (uint16, big-endian) and its bytes; text is UTF-8.

    Two different lists of fields never give the same bytes, so this is what signatures are over. Raises EncodingError.
    """
    parts: list[bytes] = []
    for field in fields:
        value = field.encode() if isinstance(field, str) else field
        if len(value) > _LONGEST_FIELD:
            raise EncodingError("a field is longer than 65,535 bytes")
        parts += (len(value).to_bytes(2, "big"), value)
    return b"".join(parts)


def dec(data: bytes, count: int) -> tuple[bytes, ...]:
    """Read exactly `count` fields that `enc` wrote, and nothing behind them. Raises EncodingError."""
    fields: list[bytes] = []
    at = 0
    for _ in range(count):
        end = at + 2 + int.from_bytes(data[at : at + 2], "big")
        if at + 2 > len(data) or end > len(data):
            raise EncodingError("the bytes end inside a field")
        fields.append(data[at + 2 : end])
        at = end
    if at != len(data):
        raise EncodingError("bytes are left over behind the last field")
    return tuple(fields)


def u32(value: int) -> bytes:
    """Write an integer as 4 bytes, big-endian."""
    return value.to_bytes(4, "big")


def u64(value: int) -> bytes:
    """Write an integer as 8 bytes, big-endian."""
    return value.to_bytes(8, "big")


def message_id(sealed: bytes) -> MessageId:
    """Compute the id of a sealed message. Phone, host and relay each do it: the same id is the same bytes."""
    return MessageId(sha256(sealed).digest()[:ID_BYTES])
