"""The phone's camera: finds the QR codes in a picture file, also in one that looks photographed.

The picture is a stranger's: its size is bounded before anything is unpacked, and every fault is one clear error. Which
of the codes is a pairing code is decided by the caller's `is_link`; what is in it is none of the camera's business.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import zxingcpp
from dispatch import errors
from PIL import Image, ImageFilter, ImageMath, ImageOps, UnidentifiedImageError

FILE_BYTES = 32 * 1024 * 1024
PIXELS = 64_000_000
"""A picture of this many pixels takes 64 MB in grey; the newest phones make 48 to 50 million."""

_SIDE_LARGEST = 2_400
_SIDE_SMALL = 600
_BINARIZERS = (zxingcpp.Binarizer.LocalAverage, zxingcpp.Binarizer.GlobalHistogram, zxingcpp.Binarizer.FixedThreshold)


def find_link(path: Path, *, is_link: Callable[[str], bool]) -> str:
    """Read the one pairing link in a picture. Raises NotAPairingCode, which says what is there instead."""
    codes = read_codes(path)
    links = [code for code in codes if is_link(code)]
    if len(links) == 1:
        return links[0]
    if links:
        raise errors.NotAPairingCode(f"{path.name} shows several pairing codes: photograph one of them")
    if codes:
        raise errors.NotAPairingCode(f"the code in {path.name} is of something else")
    raise errors.NotAPairingCode(f"no code can be seen in {path.name}: go closer, hold still, avoid glare")


def read_codes(path: Path) -> list[str]:
    """Read the texts of all QR codes in a picture, without doubles. Raises NotAPairingCode when it is no picture."""
    picture = _load(path)
    for look in _looks(picture):
        for binarizer in _BINARIZERS:
            found = zxingcpp.read_barcodes(
                _pixels(look),
                formats=zxingcpp.BarcodeFormats(zxingcpp.BarcodeFormat.QRCode),
                text_mode=zxingcpp.TextMode.Plain,
                binarizer=binarizer,
            )
            if found:
                return list(dict.fromkeys(code.text for code in found))
    return []


def _load(path: Path) -> Image.Image:
    """Open a picture in grey, the right way up."""
    try:
        _bounded_by(path, path.stat().st_size, FILE_BYTES, "bytes")
        with warnings.catch_warnings():
            # Pillow warns of a decompression bomb; our own bound below refuses it.
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(path, formats=("PNG", "JPEG")) as picture:
                _bounded_by(path, picture.width * picture.height, PIXELS, "pixels")
                picture.draft("L", (_SIDE_LARGEST, _SIDE_LARGEST))
                return _grey(ImageOps.exif_transpose(picture))
    except errors.NotAPairingCode:
        raise
    except FileNotFoundError:
        raise errors.NotAPairingCode(f"there is no file {path}") from None
    except Image.DecompressionBombError:
        raise errors.NotAPairingCode(_too_large(path, PIXELS, "pixels")) from None
    except UnidentifiedImageError:
        raise errors.NotAPairingCode(f"{path.name} is not a PNG or JPEG picture") from None
    except Exception as failure:
        # Pillow raises many kinds for a broken picture: OSError, ValueError, SyntaxError, struct.error, EOFError …
        raise errors.NotAPairingCode(f"{path.name} can't be read as a picture: {type(failure).__name__}") from failure


def _bounded_by(path: Path, size: int, largest: int, unit: str) -> None:
    if size > largest:
        raise errors.NotAPairingCode(_too_large(path, largest, unit))


def _too_large(path: Path, largest: int, unit: str) -> str:
    return f"{path.name} is too large for a picture of a code: more than {largest:,} {unit}"


def _grey(picture: Image.Image) -> Image.Image:
    """Drop colour; what is transparent becomes white, as every viewer shows it."""
    if picture.mode in ("RGBA", "LA", "PA") or "transparency" in picture.info:
        white = Image.new("RGBA", picture.size, "white")
        picture = Image.alpha_composite(white, picture.convert("RGBA"))
    return picture.convert("L")


def _looks(picture: Image.Image) -> Iterator[Image.Image]:
    """Give the picture in ways in which the code may become readable, cheapest first."""
    sized = _bounded(picture, _SIDE_LARGEST)
    yield sized
    # A code that fills the picture to its edge lacks the quiet zone that finders need.
    yield ImageOps.expand(sized, border=max(sized.size) // 10, fill=255)
    even = ImageOps.autocontrast(sized.filter(ImageFilter.MedianFilter(3)), cutoff=2)
    yield even
    for side in (1_600, 1_000, 600):
        if max(sized.size) > side:
            yield _bounded(even, side)
    if max(sized.size) < _SIDE_SMALL * 2:
        yield sized.resize((sized.width * 2, sized.height * 2), Image.Resampling.BICUBIC)
    if max(sized.size) < _SIDE_SMALL:
        yield sized.resize((sized.width * 4, sized.height * 4), Image.Resampling.BICUBIC)
    softer = sized.filter(ImageFilter.GaussianBlur(1.5))
    yield softer
    yield sized.filter(ImageFilter.UnsharpMask(radius=4, percent=250, threshold=2))
    yield _without_shadow(sized)
    yield _without_shadow(softer)
    for degrees in (12, -12, 25, -25, 38):
        yield even.rotate(degrees, Image.Resampling.BICUBIC, expand=True, fillcolor=255)


def _without_shadow(picture: Image.Image) -> Image.Image:
    """Divide by the light, taken as the picture blurred until no code is left in it."""
    light = picture.filter(ImageFilter.GaussianBlur(max(picture.size) / 16))
    even = ImageMath.lambda_eval(
        lambda args: args["convert"](args["min"](args["dark"] * 192 / (args["light"] + 1), 255), "L"),
        dark=picture,
        light=light,
    )
    return ImageOps.autocontrast(even, cutoff=1)


def _bounded(picture: Image.Image, side: int) -> Image.Image:
    if max(picture.size) <= side:
        return picture
    smaller = picture.copy()
    smaller.thumbnail((side, side), Image.Resampling.LANCZOS)
    return smaller


def _pixels(picture: Image.Image) -> memoryview:
    return memoryview(picture.tobytes()).cast("B", (picture.height, picture.width))
