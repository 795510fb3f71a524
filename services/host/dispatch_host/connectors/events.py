"""Where the events of a stream end, so that each is weighed before it is read. Pure. Called by `http`.

An event is what a reader of the stream takes for one: its end is an empty line, whatever ends the lines. Never cut more finely
than that: a message that is weighed in parts is never heavy.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

# Two ends of lines, each of which is LF, CR or both. Not CR LF, which is one; of two of those, LF CR is in the middle.
_END = re.compile(rb"\n\n|\n\r|\r\r")


class Events:
    """Cuts a stream of bytes into events."""

    def __init__(self) -> None:
        self.rest = bytearray()
        """What came of the event that is not whole yet."""

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Give the events that are whole now."""
        seen = max(len(self.rest) - 1, 0)
        self.rest += data
        while end := _END.search(self.rest, seen):
            event, seen = bytes(self.rest[: end.end()]), 0
            del self.rest[: end.end()]
            yield event
