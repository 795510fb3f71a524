"""Reads paths as people type or drop them into a window."""

from __future__ import annotations

from pathlib import Path


def typed_path(text: str) -> Path:
    """Read a path, with the quotes away that a terminal puts around one that was dropped into it."""
    words = text.strip()
    if len(words) > 1 and words[0] == words[-1] and words[0] in "'\"":
        words = words[1:-1]
    return Path(words).expanduser()
