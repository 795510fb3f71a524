"""What relays say to each other about a channel, as bytes. Pure: writes and reads, and remembers nothing.

Between the relays of one service only, so it is no part of the contract with devices. A relay of another version may be on the
other side while the relays are replaced one by one: whatever is not understood ends the channel, and the device comes again.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

from dispatch import errors
from dispatch.api.error.v1.error_pb2 import Reason

ID_BYTES = 16
"""Of a channel's id: random, so that nobody who does not know it can speak on it."""

_HEAD = struct.Struct(">B16sQB")  # what it is, the channel, the number, the kind of word
_THROUGH = struct.Struct(">Q")
_OF_CHANNEL, _PING = 1, 2
_PART, _LAST_PART, _CREDIT, _ENDED = 1, 2, 3, 4
_MOST_PINGED = 32_768
"""Channels that one ping names: half a message of the bus."""


class Garbled(ValueError):
    """Bytes that are no word of a channel. `channel_id` says of which, where that much could be read."""

    channel_id = b""


class How(Enum):
    """How a channel ended. The values are metric labels and what travels."""

    PEACE = "peace"  # all was said
    GONE = "gone"  # the device, or whoever carried for it, went without a word
    REFUSED = "refused"  # with a reason that the device is told
    GAP = "gap"  # a number is missing: the bus lost something
    GARBLED = "garbled"  # the other side made no sense
    SILENT = "silent"  # the other relay did not answer in time, or nobody listens there
    FORGOTTEN = "forgotten"  # the other relay knows nothing of it
    BUS = "bus"  # this relay lost the bus

    @property
    def lost(self) -> bool:
        """Whether nothing is known of what was under way."""
        return self not in {How.PEACE, How.GONE, How.REFUSED}


@dataclass(frozen=True, slots=True)
class Ended:
    """How a channel ended; with REFUSED, what the device is told."""

    how: How
    error: errors.DispatchError | None = None


@dataclass(frozen=True, slots=True)
class Part:
    """A message, or a piece of one that is larger than a part may be."""

    data: bytes
    last: bool


@dataclass(frozen=True, slots=True)
class Credit:
    """So much has been read of the channel in all: as much less is under way."""

    through: int


Word = Part | Credit | Ended


@dataclass(frozen=True, slots=True)
class OfChannel:
    """A word, and where it belongs."""

    channel_id: bytes
    number: int
    word: Word


@dataclass(frozen=True, slots=True)
class Ping:
    """Asks whether the other relay is there, and names the channels to it that are believed to be open."""

    channel_ids: Sequence[bytes]


def write(channel_id: bytes, number: int, word: Word) -> bytes:
    """Write a word of a channel."""
    match word:
        case Part():
            kind, rest = _LAST_PART if word.last else _PART, word.data
        case Credit():
            kind, rest = _CREDIT, _THROUGH.pack(word.through)
        case Ended():
            kind, rest = _ENDED, json.dumps({"how": word.how.value, "error": told(word.error)}).encode()
    return _HEAD.pack(_OF_CHANNEL, channel_id, number, kind) + rest


def write_ping(channel_ids: Sequence[bytes]) -> bytes:
    """Write a ping; it names the first of very many."""
    return bytes([_PING]) + b"".join(channel_ids[:_MOST_PINGED])


def write_ids(channel_ids: Sequence[bytes]) -> bytes:
    """Write the answer to a ping: the channels that are not known here."""
    return b"".join(channel_ids)


def read_ids(data: bytes) -> Sequence[bytes]:
    """Read ids of channels. Raises Garbled."""
    if len(data) % ID_BYTES:
        raise Garbled("ids that are not whole")
    return [data[at : at + ID_BYTES] for at in range(0, len(data), ID_BYTES)]


def read(data: bytes) -> OfChannel | Ping:
    """Read what came on a line. Raises Garbled."""
    if data[:1] == bytes([_PING]):
        return Ping(read_ids(data[1:]))
    if len(data) < _HEAD.size:
        raise Garbled("too short")
    what, channel_id, number, kind = _HEAD.unpack_from(data)
    if what != _OF_CHANNEL:
        raise Garbled("neither a ping nor a word of a channel")
    try:
        return OfChannel(channel_id, number, _word(kind, data[_HEAD.size :]))
    except Garbled as garbled:
        garbled.channel_id = channel_id
        raise


def _word(kind: int, rest: bytes) -> Word:
    match kind:
        case 1 | 2:
            return Part(rest, last=kind == _LAST_PART)
        case 3 if len(rest) == _THROUGH.size:
            return Credit(_THROUGH.unpack(rest)[0])
        case 4:
            said = read_object(rest)
            try:
                how = How(said.get("how"))
            except ValueError:
                raise Garbled("an end that this version does not know") from None
            error = read_error(said.get("error"))
            if (error is not None) is not (how is How.REFUSED):
                raise Garbled("a refusal without a reason, or a reason without a refusal")
            return Ended(how, error)
        case _:
            raise Garbled("a word that this version does not know")


# ---- what is not worth a form of its own


def read_object(data: bytes) -> Mapping[str, Any]:
    """Read a JSON object. Raises Garbled."""
    try:
        said = json.loads(data)
    except (ValueError, RecursionError):
        raise Garbled("no JSON") from None
    if not isinstance(said, dict):
        raise Garbled("no object")
    return said


def told(error: errors.DispatchError | None) -> Mapping[str, Any] | None:
    """Write an error as what JSON knows."""
    if error is None:
        return None
    return {
        "reason": int(error.reason),
        "detail": error.detail,
        "retry_after_ms": error.retry_after_ms,
        "metadata": error.metadata,
    }


def read_error(said: object) -> errors.DispatchError | None:
    """Read an error. Raises Garbled."""
    if said is None:
        return None
    match said:
        case {
            "reason": int(reason),
            "detail": str(detail),
            "retry_after_ms": int(retry_after_ms),
            "metadata": dict(metadata),
        } if all(isinstance(one, str) for pair in metadata.items() for one in pair):
            known = Reason.ValueType(reason) if reason in Reason.values() else Reason.REASON_INTERNAL
            most_ms = 2**31 - 1
            return errors.of(known, detail, retry_after_ms=min(max(0, retry_after_ms), most_ms), metadata=metadata)
        case _:
            raise Garbled("an error that does not fit")
