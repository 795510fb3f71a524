"""What can go wrong with a connection and with a call. Values that need no SDK."""

from __future__ import annotations


class LineBroken(Exception):
    """The connection is over. The text is for a person."""


class CallFailed(Exception):
    """The server could not do this. The text is for a person; `said` is the server's own word."""

    def __init__(self, why: str, said: str = "") -> None:
        super().__init__(why)
        self.said = said
