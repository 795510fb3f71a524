"""Makes what a stranger wrote safe to show in a terminal: no sequence of theirs reaches it.

Called by whatever prints words for people: `dispatch.cli`, the phone's screen, the host's command line.
"""

from __future__ import annotations

import html
import os
import re
import unicodedata
from pathlib import Path

_KEPT = frozenset("\n\t")
_ENTITY = re.compile(r"&(?:#[0-9]{1,8}|#[xX][0-9a-fA-F]{1,8}|[A-Za-z][A-Za-z0-9]{1,31});")
_BIDI = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f\u061c")


def plain(text: str) -> str:
    """Show control signs and text-turning signs as what they are (␛, ⟨U+202E⟩); lines and tabs stay."""
    return "".join(_shown(sign) for sign in text.replace("\r\n", "\n"))


def plain_markdown(text: str) -> str:
    """The same for Markdown, whose renderer would turn an entity (`&#x202e;`) into its sign behind our back."""
    return _ENTITY.sub(lambda found: _same_or_plain(found[0]), plain(text))


def json_escaped(written: str) -> str:
    """Escape in a line of JSON what would command a terminal or end the line for some readers (NEL, U+2028)."""
    return "".join(sign if _shown(sign) == sign else f"\\u{ord(sign):04x}" for sign in written)


def path_text(path: Path) -> str:
    """Write a path for people and programs; what is no UTF-8 becomes a question mark."""
    return os.fspath(path).encode("utf-8", "replace").decode()


def one_line(text: str, limit: int = 0) -> str:
    """The same on one line, cut with … when it is longer than the limit."""
    flat = " ".join(plain(text).split())
    return flat if not limit or len(flat) <= limit else flat[: limit - 1] + "…"


def _same_or_plain(entity: str) -> str:
    sign = html.unescape(entity)
    return entity if plain(sign) == sign else plain(sign)


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
