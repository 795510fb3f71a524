"""Texts of an agent as a person reads them: valid, without what moves a terminal, and no longer than fits. Pure."""

from __future__ import annotations

import re

# Escape sequences of terminals, and what reorders a line.
_ESCAPES = re.compile(r"\x1b(?:\[[0-9;?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\^_])")
_HIDDEN = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def plain(text: str, most_bytes: int) -> str:
    """Clean a text, and cut it where it is too long, with an ellipsis."""
    text = text[: most_bytes + 1]  # no more work than its size
    text = _HIDDEN.sub("", _ESCAPES.sub("", text)).encode("utf-8", "replace").decode()
    data = text.encode()
    if len(data) <= most_bytes:
        return text
    return data[: most_bytes - 3].decode(errors="ignore") + "…"


def line(text: str, most_bytes: int = 300) -> str:
    """Clean a text that stands on one line."""
    return plain(" ".join(text.split()), most_bytes)
