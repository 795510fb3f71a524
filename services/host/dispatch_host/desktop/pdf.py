"""Whether a PDF may do something when it is opened: run a script, start something, send or fetch. Pure.

Its words are looked for, also where they are spelt with escapes or packed into a stream of objects. What can't be looked into may
do anything. What a person clicks on in it is another matter. Called by documents.py.
"""

from __future__ import annotations

import re
import zlib

_END = rb"(?![A-Za-z0-9])"  # of a word
_ACTS = re.compile(
    rb"/(?:OpenAction|AA|Launch|JavaScript|JS|SubmitForm|ImportData|RichMedia|Rendition|Movie|XFA|Encrypt|FS\s*/URL)"
    + _END
)
_ESCAPE = re.compile(rb"#([0-9A-Fa-f]{2})")
_OBJECTS = re.compile(rb"/ObjStm" + _END)
_STREAM = re.compile(rb"stream\r?\n")
_DICTIONARY_BYTES = 1000  # before and behind the type
_PLAINLY_PACKED = re.compile(rb"/Filter\s*(?:/FlateDecode|\[\s*/FlateDecode\s*\])" + _END)
_OTHERWISE_PACKED = re.compile(rb"/(?:DecodeParms|DP|F)" + _END)
_UNPACKED_BYTES = 32 * 1024 * 1024  # of all together


def acts(content: bytes) -> bool:
    """Tell whether it may do something."""
    spelt_out = _spelt_out(content)
    if _ACTS.search(spelt_out):
        return True
    found = list(_OBJECTS.finditer(content))
    if len(found) != len(_OBJECTS.findall(spelt_out)):
        return True  # one is written so that it isn't found
    left = _UNPACKED_BYTES
    for one in found:
        unpacked = _unpacked(content, one.start(), left)
        if unpacked is None or _ACTS.search(_spelt_out(unpacked)):
            return True
        left -= len(unpacked)
    return False


def _spelt_out(content: bytes) -> bytes:
    """Give it with the escapes of names as what they stand for: /J#53 is /JS."""
    return _ESCAPE.sub(lambda one: bytes([int(one[1], 16)]), content)


def _unpacked(content: bytes, at: int, most: int) -> bytes | None:
    """Give what is in a stream of objects, by the place of its type; empty where it lies open, None where it can't be told."""
    begins = content.rfind(b"obj", max(0, at - _DICTIONARY_BYTES), at)
    stream = _STREAM.search(content, at, at + _DICTIONARY_BYTES)
    if begins < 0 or stream is None or most <= 0:
        return None
    dictionary = content[begins : stream.start()]
    if len(_OBJECTS.findall(dictionary)) != 1 or _OTHERWISE_PACKED.search(dictionary):
        return None
    if b"/Filter" not in dictionary:
        return b""
    if not _PLAINLY_PACKED.search(dictionary):
        return None
    unpacking = zlib.decompressobj()
    try:
        unpacked = unpacking.decompress(memoryview(content)[stream.end() :], most)
    except zlib.error:
        return None
    return unpacked if unpacking.eof else None
