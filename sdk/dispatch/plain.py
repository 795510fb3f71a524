"""Makes what a stranger wrote safe to show in a terminal: no sequence of theirs reaches it.

Called by whatever prints words for people: `dispatch.cli`, the phone's screen, the host's command line.
"""

from __future__ import annotations

import html
import json
import os
import re
import unicodedata
from pathlib import Path

_KEPT = frozenset("\n\t")
_ENTITY = re.compile(r"&(?:#[0-9]{1,8}|#[xX][0-9a-fA-F]{1,8}|[A-Za-z][A-Za-z0-9]{1,31});")
_UNSEEN = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
# Drawn as nothing, though letters, marks or signs: fillers, variation selectors, the empty Braille cell.
_INVISIBLE = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]"
)
_JOINER, _AS_PICTURE = "\u200d", "\ufe0f"
_JOINING = frozenset({"\u200c", "\ufe0e", _JOINER, _AS_PICTURE})
"""What languages and emoji are written with. One behind a sign that can be seen is left: a run of them could say something."""


def plain(text: str) -> str:
    """Show control signs, and all that turn text around or show nothing, as what they are (␛, ⟨U+202E⟩); lines and tabs stay."""
    if text.isascii() and text.isprintable():
        return text
    text = text.replace("\r\n", "\n")
    return "".join(_in_text(sign, before) for sign, before in zip(text, " " + text, strict=False))


def plain_markdown(text: str) -> str:
    """The same for Markdown, whose renderer would turn an entity (`&#x202e;`) into its sign behind our back."""
    return _ENTITY.sub(lambda found: _same_or_plain(found[0]), plain(text))


def json_escaped(written: str) -> str:
    """Escape in a line of JSON what would command a terminal or end the line for some readers (NEL, U+2028)."""
    return "".join(sign if _shown(sign) == sign else json.dumps(sign)[1:-1] for sign in written)


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


def _in_text(sign: str, before: str) -> str:
    if sign in _JOINING and not before.isspace() and _shown(before) == before:
        return sign
    return sign if (sign, before) == (_JOINER, _AS_PICTURE) else _shown(sign)


def _shown(sign: str) -> str:
    if sign in _KEPT:
        return sign
    code = ord(sign)
    if code < 0x20:
        return chr(0x2400 + code)
    if code == 0x7F:
        return "␡"
    if unicodedata.category(sign) in _UNSEEN or _INVISIBLE.fullmatch(sign):
        return f"⟨U+{code:04X}⟩"
    return sign
