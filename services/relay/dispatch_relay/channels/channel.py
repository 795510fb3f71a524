"""One side of a channel: numbers, credit, and how it ends. Pure: words come in and go out as values, and nothing waits here.

Each side numbers all that it says, from 1. A number that is not the next one means that the bus lost something, and then
nothing more of the channel counts. Called by `hall`, which puts the words on the bus.
"""

from __future__ import annotations

from collections import deque

from dispatch_relay.channels.words import Credit, Ended, How, Part, Word, write

WINDOW_BYTES = 1_048_576
"""Most that is under way in one direction: on the bus, or here and not yet read."""
PART_BYTES = 131_072
"""Largest part: well below the largest message of the bus, and a small part of the window."""
_OF_EACH = 64
"""What a part counts for beside its bytes, so that many empty ones are not free."""
_TELL_AFTER = WINDOW_BYTES // 4


class Channel:
    """One side, from its opening to its end."""

    def __init__(self, channel_id: bytes) -> None:
        self.channel_id = channel_id
        self.ended: Ended | None = None
        self._said = 0  # words
        self._heard = 0
        self._sent = 0  # bytes, as they count
        self._granted = WINDOW_BYTES  # what may have been sent in all
        self._parts: deque[Part] = deque()
        self._received = 0
        self._taken = 0
        self._told = 0  # of what was taken

    # ---- what goes out

    def has_room_for(self, size: int) -> bool:
        """Say whether a part of this size may be said now."""
        return self._sent + size + _OF_EACH <= self._granted

    def say(self, part: Part) -> bytes:
        """Give the bytes of a part. Its room has been asked for."""
        self._sent += len(part.data) + _OF_EACH
        return self._write(part)

    def end(self, ended: Ended) -> bytes | None:
        """End it from this side; gives what the other is told, None when it was over."""
        if self.ended is not None:
            return None
        self.ended = ended
        self._parts.clear()
        return self._write(ended)

    def _write(self, word: Word) -> bytes:
        self._said += 1
        return write(self.channel_id, self._said, word)

    # ---- what comes in

    def hear(self, number: int, word: Word) -> bytes | None:
        """Take a word of the other side. What makes no sense ends the channel; gives what the other side is told of that."""
        if self.ended is not None:
            return None
        if number != self._heard + 1:
            return self.end(Ended(How.GAP))
        self._heard = number
        match word:
            case Part():
                self._received += len(word.data) + _OF_EACH
                if len(word.data) > PART_BYTES or self._received - self._taken > WINDOW_BYTES:
                    return self.end(Ended(How.GARBLED))
                self._parts.append(word)
            case Credit():
                if not self._granted - WINDOW_BYTES < word.through <= self._sent:
                    return self.end(Ended(How.GARBLED))
                self._granted = word.through + WINDOW_BYTES
            case Ended():
                self.ended = word  # what it said before is still to be read
                if word.how.lost:
                    self._parts.clear()
        return None

    def lose(self, how: How) -> None:
        """End it without a word to the other side; what was not read is gone."""
        if self.ended is None:
            self.ended = Ended(how)
            self._parts.clear()

    def take(self) -> Part | None:
        """Give the next part, None when there is none now."""
        if not self._parts:
            return None
        part = self._parts.popleft()
        self._taken += len(part.data) + _OF_EACH
        return part

    def credit(self) -> bytes | None:
        """Give what the other side is told of what was taken; None when that can wait."""
        if self.ended is not None or self._taken - self._told < _TELL_AFTER:
            return None
        self._told = self._taken
        return self._write(Credit(self._taken))
