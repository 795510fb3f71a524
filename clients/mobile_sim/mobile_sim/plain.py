"""Makes what a stranger wrote safe to show in a terminal: no sequence of theirs reaches it."""

from __future__ import annotations

import unicodedata

_KEPT = frozenset("\n\t")
_BIDI = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f\u061c")


def plain(text: str) -> str:
    """Show control signs and text-turning signs as what they are (␛, ⟨U+202E⟩); lines and tabs stay."""
    return "".join(_shown(sign) for sign in text.replace("\r\n", "\n"))


def one_line(text: str, limit: int = 0) -> str:
    """The same on one line, cut with … when it is longer than the limit."""
    flat = " ".join(plain(text).split())
    return flat if not limit or len(flat) <= limit else flat[: limit - 1] + "…"


def _shown(sign: str) -> str:
    if sign in _KEPT:
        return sign
    code = ord(sign)
    if code < 0x20:
        return chr(0x2400 + code)
    if code == 0x7F:
        return "␡"
    if sign in _BIDI or unicodedata.category(sign) in ("Cc", "Cs", "Zl", "Zp"):
        return f"⟨U+{code:04X}⟩"
    return sign
