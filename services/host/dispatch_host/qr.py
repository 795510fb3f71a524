"""Draws a pairing code: as a picture in a file, and in a terminal. Called by the command line; keeps nothing."""

from __future__ import annotations

import contextlib
import io
import os
import tempfile
from pathlib import Path

import segno
from dispatch import errors

_SCALE = 8
_BORDER = 4


def write_picture(link: str, path: Path, *, kind: str) -> None:
    """Write the code as "png" or "svg": aside, then renamed, so that nobody ever reads half a picture. Raises BadRequest.

    Only the owner can read it: whoever sees the code within its two minutes can take part in the pairing.
    """
    content = io.BytesIO()
    _code(link).save(content, kind=kind, scale=_SCALE, border=_BORDER)
    try:
        descriptor, aside = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(content.getvalue())
            os.replace(aside, path)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(aside)
            raise
    except OSError as failure:
        raise errors.BadRequest(f"{path} can't be written: {failure.strerror}", metadata={"field": "qr"}) from failure


def drawn(link: str) -> str:
    """Draw the code with characters, for a terminal."""
    text = io.StringIO()
    _code(link).terminal(text, compact=True, border=2)
    return text.getvalue()


def rows(link: str) -> list[str]:
    """Draw the code as rows of 0 (light) and 1 (dark), with the border that a camera needs."""
    return ["".join("1" if dark else "0" for dark in row) for row in _code(link).matrix_iter(border=_BORDER)]


def _code(link: str) -> segno.QRCode:
    # The middle level of error correction: a photographed screen survives it, and the code stays small enough to scan.
    return segno.make(link, error="m", micro=False, boost_error=False)
