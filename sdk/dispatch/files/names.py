"""What a file may be called where it arrives. Pure: a name that a peer sent leads nowhere and tricks nobody."""

from __future__ import annotations

import re
import unicodedata

LONGEST_NAME_BYTES = 200
"""Below what file systems take (255), so that a number and a temporary name still fit."""
LONGEST_ENDING_BYTES = 20

_FORBIDDEN_CATEGORIES = frozenset({"Cc", "Cs", "Cf", "Zl", "Zp"})
_FORBIDDEN = frozenset('<>:"|?*')
_RESERVED = re.compile(r"(?:con|prn|aux|nul|com[0-9]|lpt[0-9])(?:\..*)?", re.IGNORECASE)
"""Devices, on Windows, whatever stands behind the dot."""


def safe_name(text: str) -> str:
    """Give the name under which a file is kept: no path, no hidden file, no sign that a terminal or a system minds."""
    last = unicodedata.normalize("NFC", text).replace("\\", "/").rpartition("/")[2]
    shown = "".join("_" if _minded(sign) else sign for sign in last)
    name = _cut(shown.strip(" .").rstrip(" ."))
    if not name:
        return "file"
    return f"_{name}" if _RESERVED.fullmatch(name) else name


def numbered(name: str, number: int) -> str:
    """Give the name with a number before its ending: "report (2).csv"; from 2 on."""
    if number < 2:
        return name
    stem, dot, ending = name.rpartition(".")
    return f"{stem} ({number}).{ending}" if dot and stem else f"{name} ({number})"


def _minded(sign: str) -> bool:
    return sign in _FORBIDDEN or unicodedata.category(sign) in _FORBIDDEN_CATEGORIES


def _cut(name: str) -> str:
    """Cut what is too long, and leave the ending, which says what it is."""
    if len(name.encode()) <= LONGEST_NAME_BYTES:
        return name
    stem, dot, ending = name.rpartition(".")
    if not dot or len(ending.encode()) > LONGEST_ENDING_BYTES:
        stem, dot, ending = name, "", ""
    room = LONGEST_NAME_BYTES - len(f"{dot}{ending}".encode())
    return stem.encode()[:room].decode(errors="ignore").rstrip(" .") + dot + ending
