"""Looks for a secret in everything that somebody else could read: in clear, in common encodings, inside compressed data."""

from __future__ import annotations

import base64
import bz2
import gzip
import lzma
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

_MAGIC: tuple[tuple[bytes, Callable[[bytes], bytes]], ...] = (
    (b"\x1f\x8b\x08", lambda data: zlib.decompressobj(31).decompress(data, 1 << 24)),
    (b"\x78\x01", lambda data: zlib.decompressobj().decompress(data, 1 << 24)),
    (b"\x78\x9c", lambda data: zlib.decompressobj().decompress(data, 1 << 24)),
    (b"\x78\xda", lambda data: zlib.decompressobj().decompress(data, 1 << 24)),
    (b"\xfd7zXZ\x00", lambda data: lzma.LZMADecompressor().decompress(data, 1 << 24)),
    (b"BZh", lambda data: bz2.BZ2Decompressor().decompress(data, 1 << 24)),
)


def disguises(secret: str) -> dict[str, bytes]:
    """Give the forms in which the secret is looked for."""
    plain = secret.encode()
    forms = {
        "utf-8": plain,
        "utf-16-le": secret.encode("utf-16-le"),
        "utf-16-be": secret.encode("utf-16-be"),
        "hex": plain.hex().encode(),
        "HEX": plain.hex().upper().encode(),
    }
    for offset in range(3):
        # At an offset the first characters of base64 depend on what stands before: they, and the last ones, are left out.
        for name, encode in (("base64", base64.b64encode), ("base64url", base64.urlsafe_b64encode)):
            inner = encode(b"\x00" * offset + plain)
            forms[f"{name} at {offset}"] = inner[(0, 2, 3)[offset] + (offset > 0) * 1 : len(inner) // 4 * 4 - 4]
    return forms


def find(secret: str, data: bytes) -> list[str]:
    """List the forms in which the secret stands in the data, compressed parts included."""
    found = [name for name, form in disguises(secret).items() if form in data]
    for part in _decompressed(data):
        found += [f"{name}, compressed" for name, form in disguises(secret).items() if form in part]
    return found


def find_in_files(secret: str, folder: Path) -> list[str]:
    """List every file below the folder that holds the secret, with the form."""
    return [
        f"{path}: {form}"
        for path in sorted(folder.rglob("*"))
        if path.is_file()
        for form in find(secret, path.read_bytes())
    ] + [f"{path}: in its name" for path in folder.rglob("*") if secret in path.name]


def plant(secret: str) -> Iterator[tuple[str, bytes]]:
    """Give the secret in every disguise, hidden in other bytes: what `find` has to find before its silence counts."""
    plain = secret.encode()
    around = bytes(range(256)) * 3
    for encoding in ("utf-8", "utf-16-le", "utf-16-be"):
        yield encoding, around + secret.encode(encoding) + around
    yield "hex", around + plain.hex().encode() + around
    for offset in range(3):
        yield f"base64 at {offset}", around + base64.b64encode(b"abc"[:offset] + plain + b"tail of it") + around
        yield (
            f"base64url at {offset}",
            around + base64.urlsafe_b64encode(b"abc"[:offset] + plain + b"tail of it") + around,
        )
    for name, compress in (
        ("zlib", zlib.compress),
        ("gzip", gzip.compress),
        ("xz", lzma.compress),
        ("bz2", bz2.compress),
    ):
        yield name, around + compress(b"before " + plain + b" behind") + around


def _decompressed(data: bytes) -> Iterator[bytes]:
    for magic, decompress in _MAGIC:
        at = data.find(magic)
        while at >= 0:
            yield _attempt(decompress, data[at:])
            at = data.find(magic, at + 1)


def _attempt(decompress: Callable[[bytes], bytes], data: bytes) -> bytes:
    try:
        return decompress(data)
    except (zlib.error, lzma.LZMAError, OSError, ValueError, EOFError):
        return b""  # the magic bytes stood there by chance
