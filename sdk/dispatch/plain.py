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
# Control, format (bidirectional overrides would reorder the rest of the line), lone surrogates, line and paragraph ends, and what
# nobody has given a shape: private and unassigned signs, many of which are drawn as nothing.
_UNSEEN = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp", "Co", "Cn"})
# Drawn as nothing, though letters, marks or signs: fillers, variation selectors, the empty Braille cell.
_INVISIBLE = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]"
)
_JOINER, _AS_PICTURE, _KEYCAP = "\u200d", "\ufe0f", "\u20e3"
_JOINING = frozenset({"\u200c", _JOINER})
_AS = frozenset({"\ufe0e", _AS_PICTURE})
_JOINED = re.compile("[\u0600-\u10ff\u1780-\u1cff\ua800-\uabff]")
"""Of scripts whose letters are written with joiners and non-joiners: Arabic to Myanmar, Khmer to Vedic, Meetei and their like."""
_PICTURES = frozenset({"So", "Sk", "Sm"})
_PICTURES_TOO = frozenset("\u203c\u2049\u3030\u303d\u2139")  # of other categories


def is_unseen(sign: str) -> bool:
    """Tell whether a sign shows nothing where it stands, or turns around what does: ends of lines and tabs, too; no space."""
    return unicodedata.category(sign) in _UNSEEN or _INVISIBLE.fullmatch(sign) is not None


def plain(text: str) -> str:
    """Show control signs, and all that turn text around or show nothing, as what they are (␛, ⟨U+202E⟩); lines and tabs stay.

    So does what languages and emoji are written with, where they are: one joiner behind a letter of a script that joins, or between
    pictures, and one selector behind a picture. Elsewhere, and in a run of them, they could say something that nobody sees.
    """
    if text.isascii() and text.isprintable():
        return text
    text = text.replace("\r\n", "\n")
    return "".join(_in_text(*signs) for signs in zip(text, f" {text}", f"{text[1:]} ", strict=False))


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


def _in_text(sign: str, before: str, after: str) -> str:
    if sign in _JOINING and _JOINED.fullmatch(before) and not is_unseen(before):
        return sign
    if sign == _JOINER and (before == _AS_PICTURE or _is_picture(before)) and _is_picture(after):
        return sign
    if sign in _AS and (_is_picture(before) or after == _KEYCAP):
        return sign
    return _shown(sign)


def _is_picture(sign: str) -> bool:
    return sign in _PICTURES_TOO or (
        unicodedata.category(sign) in _PICTURES and not sign.isascii() and not is_unseen(sign)
    )


def _shown(sign: str) -> str:
    if sign in _KEPT:
        return sign
    code = ord(sign)
    if code < 0x20:
        return chr(0x2400 + code)
    if code == 0x7F:
        return "␡"
    if is_unseen(sign):
        return f"⟨U+{code:04X}⟩"
    return sign
