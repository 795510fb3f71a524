"""How much a server may say before it is asked something again. Pure."""

from __future__ import annotations

MESSAGE_BYTES = 8 * 1024 * 1024
MOST_MESSAGES = 10_000
MOST_BYTES = 64 * 1024 * 1024


class Meter:
    """Counts what came of one server."""

    def __init__(self, *, most_bytes: int = MOST_BYTES) -> None:
        self._most_bytes = most_bytes
        self._messages = 0
        self._bytes = 0
        self.is_over = False

    def asked(self) -> None:
        """Begin anew: it was asked something."""
        self._messages = self._bytes = 0

    def heard(self, size_bytes: int) -> bool:
        """Count a message; tells whether it may still be read."""
        self._messages += 1
        return self.came(size_bytes)

    def came(self, size_bytes: int) -> bool:
        """Count bytes, whatever they are; tells whether more may still be read."""
        self._bytes += size_bytes
        self.is_over = self.is_over or self._messages > MOST_MESSAGES or self._bytes > self._most_bytes
        return not self.is_over
