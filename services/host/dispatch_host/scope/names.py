"""How a file name that may hold anything is shown to a person. Knows nothing of Markdown."""

from __future__ import annotations

import unicodedata

# Control, format (bidirectional overrides would reorder the rest of the line), lone surrogates, line and paragraph ends.
_ESCAPED = {"Cc", "Cf", "Cs", "Zl", "Zp", "Co", "Cn"}


def shown(name: str) -> str:
    r"""Write a name on one line of valid text: control characters as \n or \x1b, bytes that are no UTF-8 as \xff."""
    if name.isascii() and name.isprintable():
        return name
    return "".join(_escape(character) for character in name)


def _escape(character: str) -> str:
    code = ord(character)
    if 0xDC80 <= code <= 0xDCFF:  # surrogateescape: the byte itself
        return f"\\x{code - 0xDC00:02x}"
    if unicodedata.category(character) not in _ESCAPED:
        return character
    if code < 0x80:
        return {"\n": "\\n", "\r": "\\r", "\t": "\\t"}.get(character, f"\\x{code:02x}")
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"
