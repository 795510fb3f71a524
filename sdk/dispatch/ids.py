"""The kinds of ids, so that one can't be passed for another. All are 16 bytes and say nothing about content."""

from __future__ import annotations

from collections.abc import Callable
from typing import NewType

PairId = NewType("PairId", bytes)
DeviceId = NewType("DeviceId", bytes)
AccountId = NewType("AccountId", bytes)
TaskId = NewType("TaskId", bytes)
MessageId = NewType("MessageId", bytes)
OfferId = NewType("OfferId", bytes)
EventId = NewType("EventId", bytes)
FileId = NewType("FileId", bytes)
TransferId = NewType("TransferId", bytes)
Instance = NewType("Instance", bytes)

ID_BYTES = 16

Rng = Callable[[int], bytes]
"""Gives that many unpredictable bytes: `os.urandom` in a process, something counted in a test."""


def short(value: bytes) -> str:
    """Give the first four bytes in hex: enough to follow an id through logs."""
    return value[:4].hex()
