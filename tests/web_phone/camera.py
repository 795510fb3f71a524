"""What the browser's camera sees: a film that the tests make of a pairing code."""

from __future__ import annotations

from pathlib import Path

from PIL import Image


def film(picture: Path, into: Path) -> None:
    """Make a film of one picture, as a camera with a grey wall behind the code gives it."""
    wall = Image.new("L", (1280, 720), 200)
    code = Image.open(picture).convert("L").resize((520, 520))
    wall.paste(code, (380, 100))
    frame = b"FRAME\n" + wall.tobytes() + b"\x80" * (1280 * 720 // 2)
    made = into.with_suffix(".part")
    made.write_bytes(b"YUV4MPEG2 W1280 H720 F5:1 Ip A0:0 C420jpeg\n" + frame * 2)
    made.rename(into)
