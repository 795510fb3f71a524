"""How a file name, or a line of text, that may hold anything is shown to a person; and which names a disk may take for one.

Knows nothing of Markdown.
"""

from __future__ import annotations

import re
import unicodedata

from dispatch.plain import is_unseen

_MARKS = {"\t": "⇥", "\r": "␍"}
END_MISSING = "␃"
"""Stands at the end of a text whose last line does not end."""
_OWN = frozenset((*_MARKS.values(), END_MISSING, "⟦"))


def shown(name: str) -> str:
    r"""Write a name on one line of valid text: control characters as \n or \x1b, bytes that are no UTF-8 as \xff."""
    if name.isascii() and name.isprintable():
        return name
    return "".join(_escape(character) for character in name)


def exact(name: str) -> str:
    r"""Write a name so that no other one is written alike: as `shown`, with `\\` for a backslash and `\x20` for a space that the
    eye would miss, at either end or beside another one.
    """
    said = shown(name.replace("\\", "\\\\"))
    return re.sub(r"^ +| +$| {2,}", lambda spaces: r"\x20" * len(spaces[0]), said)


def visible(line: str) -> str:
    """Write a line of a text or a command as it is, and what would not be seen in it as a sign: ⇥ for a tab, ␍ for a carriage
    return, ⟦U+202E⟧ for what turns a line around, and so for any other character that shows nothing. No two lines become one.
    """
    if line.isascii() and line.isprintable():
        return line
    return "".join(_sign(character) for character in line)


def fold(path: str) -> str:
    """Write a path as the disks see it that know no case and no Unicode forms: two that fold alike may be one file."""
    return (
        path.lower() if path.isascii() else unicodedata.normalize("NFC", unicodedata.normalize("NFD", path).casefold())
    )


def _sign(character: str) -> str:
    if character in _MARKS:
        return _MARKS[character]
    if character in _OWN or _is_unseen(character):
        return f"⟦U+{ord(character):04X}⟧"
    return character


def _is_unseen(character: str) -> bool:
    # Spaces that are none of the keyboard's look like one.
    return is_unseen(character) or (character != " " and unicodedata.category(character) == "Zs")


def _escape(character: str) -> str:
    code = ord(character)
    if 0xDC80 <= code <= 0xDCFF:  # surrogateescape: the byte itself
        return f"\\x{code - 0xDC00:02x}"
    if not _is_unseen(character):
        return character
    if code < 0x80:
        return {"\n": "\\n", "\r": "\\r", "\t": "\\t"}.get(character, f"\\x{code:02x}")
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"
