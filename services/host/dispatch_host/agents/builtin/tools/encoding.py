"""Which encoding a file's text has, and whether it is text at all. Pure; called by every tool that reads text."""

from __future__ import annotations

import codecs
from dataclasses import dataclass

HEAD_BYTES = 256 * 1024
_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig", "UTF-8"),
    (codecs.BOM_UTF32_LE, "utf-32", "UTF-32"),
    (codecs.BOM_UTF32_BE, "utf-32", "UTF-32"),
    (codecs.BOM_UTF16_LE, "utf-16", "UTF-16"),
    (codecs.BOM_UTF16_BE, "utf-16", "UTF-16"),
)
# Control characters that text does not have; tab, line ends, form feed and escape it may.
_CONTROL = bytes(set(range(32)) - {8, 9, 10, 11, 12, 13, 27})


@dataclass(frozen=True, slots=True)
class Encoding:
    """How to decode a file. `errors` keeps bytes that do not fit, so that nothing is lost or confused."""

    codec: str
    label: str
    errors: str = "surrogateescape"


UTF_8 = Encoding("utf-8", "UTF-8")


def detect(head: bytes) -> Encoding | None:
    """Tell the encoding from a file's first bytes; None means it is binary."""
    for mark, codec, label in _BOMS:
        if head.startswith(mark):
            return Encoding(codec, label, "replace" if codec != "utf-8-sig" else "surrogateescape")
    if b"\0" in head:
        return _utf16_without_mark(head)
    if len(head) - len(head.translate(None, _CONTROL)) > 8 + len(head) // 50:
        return None
    try:
        codecs.getincrementaldecoder("utf-8")().decode(head, final=False)
    except UnicodeDecodeError as error:
        # A file that is UTF-8 but for a few bytes stays UTF-8; one that never is, is Latin-1 (every byte fits).
        good = head[: error.start].decode("utf-8", errors="ignore")
        return UTF_8 if any(character > "\x7f" for character in good) else Encoding("cp1252", "Windows-1252", "replace")
    return UTF_8


def _utf16_without_mark(head: bytes) -> Encoding | None:
    """Text of mostly Latin letters in UTF-16 has a zero in every other byte, and none elsewhere."""
    sample = head[: len(head) // 2 * 2]
    even, odd = sample[0::2].count(0), sample[1::2].count(0)
    half = len(sample) // 2
    if half and odd > half * 0.8 and even == 0:
        return Encoding("utf-16-le", "UTF-16", "replace")
    if half and even > half * 0.8 and odd == 0:
        return Encoding("utf-16-be", "UTF-16", "replace")
    return None
