"""The phone reads a pairing code from a picture, as cameras take them, and says clearly when there is none to read."""

from __future__ import annotations

import io
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import segno
from dispatch import errors
from dispatch.pairing.link import SCHEME
from mobile_sim import camera
from PIL import Image, ImageChops, ImageDraw, ImageFilter, ImageOps, PngImagePlugin

LINK = SCHEME + "AZ" * 66
OTHER = "https://example.org/a-poster"


def is_link(text: str) -> bool:
    return text.startswith(SCHEME)


def code(
    text: str = LINK, *, scale: int = 8, border: int = 4, dark: str = "black", light: str = "white"
) -> Image.Image:
    drawn = io.BytesIO()
    segno.make(text, error="m").save(drawn, kind="png", scale=scale, border=border, dark=dark, light=light)
    with Image.open(drawn) as picture:
        return picture.convert("RGB")


def desk(rng: random.Random) -> Image.Image:
    """A desk with things on it."""
    picture = Image.new("L", (1600, 1200), rng.randrange(90, 200))
    draw = ImageDraw.Draw(picture)
    for _ in range(30):
        x, y = rng.randrange(1600), rng.randrange(1200)
        draw.rectangle([x, y, x + rng.randrange(200), y + rng.randrange(200)], fill=rng.randrange(60, 220))
    return picture


def photographed(seed: int) -> Image.Image:
    """The code on a screen on a desk, taken by hand: tilted, turned, in half light, with noise, not quite sharp."""
    rng = random.Random(seed)
    drawn, picture = code(scale=rng.choice([6, 8, 10])).convert("L"), desk(rng)
    width = rng.randrange(450, 900)
    x, y = rng.randrange(50, 1550 - width), rng.randrange(50, 1150 - width)
    corners = [
        (cx + rng.uniform(-0.12, 0.12) * width, cy + rng.uniform(-0.12, 0.12) * width)
        for cx, cy in ((x, y), (x + width, y), (x + width, y + width), (x, y + width))
    ]
    tilt = perspective(drawn.size, corners)
    lit = Image.new("L", drawn.size, 255).transform(picture.size, Image.Transform.PERSPECTIVE, tilt)
    picture.paste(
        drawn.transform(picture.size, Image.Transform.PERSPECTIVE, tilt, Image.Resampling.BICUBIC), (0, 0), lit
    )
    picture = picture.rotate(rng.uniform(-30, 30), Image.Resampling.BICUBIC, expand=True, fillcolor=128)
    shadow = Image.linear_gradient("L").resize(picture.size).rotate(rng.randrange(0, 360, 90))
    picture = ImageChops.multiply(picture, shadow.point(lambda value: 80 + value * 175 // 255))
    grain = picture.width // 2, picture.height // 2
    noise = Image.frombytes("L", grain, rng.randbytes(grain[0] * grain[1])).resize(picture.size)
    picture = Image.blend(picture, noise, rng.uniform(0.05, 0.2))
    return picture.filter(ImageFilter.GaussianBlur(rng.uniform(0.3, 1.8)))


def perspective(size: tuple[int, int], corners: list[tuple[float, float]]) -> list[float]:
    """Solve for the eight numbers that bring the picture's corners to these places."""
    width, height = size
    rows: list[list[float]] = []
    for (x, y), (u, v) in zip(corners, [(0, 0), (width, 0), (width, height), (0, height)], strict=True):
        rows.append([x, y, 1, 0, 0, 0, -u * x, -u * y, u])
        rows.append([0, 0, 0, x, y, 1, -v * x, -v * y, v])
    for i in range(8):
        pivot = max(range(i, 8), key=lambda k: abs(rows[k][i]))
        rows[i], rows[pivot] = rows[pivot], rows[i]
        for k in range(8):
            if k != i:
                factor = rows[k][i] / rows[i][i]
                rows[k] = [a - factor * b for a, b in zip(rows[k], rows[i], strict=True)]
    return [rows[i][8] / rows[i][i] for i in range(8)]


def saved(picture: Image.Image, folder: Path, name: str = "code.png", **options: Any) -> Path:
    path = folder / name
    picture.save(path, **options)
    return path


def test_a_code_as_the_host_draws_it_is_read(tmp_path: Path) -> None:
    assert camera.find_link(saved(code(), tmp_path), is_link=is_link) == LINK


@pytest.mark.parametrize("seed", range(12))
def test_a_photographed_code_is_read(tmp_path: Path, seed: int) -> None:
    path = saved(photographed(seed), tmp_path, "photo.jpg", quality=random.Random(seed).randrange(50, 90))

    assert camera.find_link(path, is_link=is_link) == LINK


WAYS: dict[str, Callable[[Image.Image], Image.Image]] = {
    "to the edge": lambda _: code(border=0),
    "small": lambda _: code(scale=2),
    "huge": lambda _: code(scale=40),
    "light on dark": lambda _: code(dark="white", light="black"),
    "in colours": lambda _: code(dark="#1a237e", light="#fff3e0"),
    "upside down": lambda drawn: drawn.rotate(180),
    "on its side": lambda drawn: drawn.rotate(90, expand=True),
    "turned": lambda drawn: drawn.rotate(37, expand=True, fillcolor="white"),
    "mirrored": ImageOps.mirror,
    "far away": lambda drawn: ImageOps.expand(drawn, border=900, fill="grey"),
    "with a palette": lambda drawn: drawn.convert("P"),
    "in one bit": lambda drawn: drawn.convert("1"),
    "with transparency": lambda drawn: drawn.convert("RGBA"),
}


@pytest.mark.parametrize("way", WAYS)
def test_a_code_is_read_however_it_is_drawn(tmp_path: Path, way: str) -> None:
    assert camera.find_link(saved(WAYS[way](code()), tmp_path), is_link=is_link) == LINK


def test_a_code_on_transparent_ground_is_read(tmp_path: Path) -> None:
    drawn = tmp_path / "clear.png"
    segno.make(LINK).save(str(drawn), scale=8, light=None)

    assert camera.find_link(drawn, is_link=is_link) == LINK


def test_a_photo_that_lies_on_its_side_is_read_as_its_orientation_says(tmp_path: Path) -> None:
    turned = code()
    exif = turned.getexif()
    exif[0x0112] = 6
    assert camera.find_link(saved(turned, tmp_path, "side.jpg", exif=exif), is_link=is_link) == LINK


def test_the_pairing_code_is_found_beside_another_code(tmp_path: Path) -> None:
    assert camera.find_link(saved(beside(code(), code(OTHER)), tmp_path), is_link=is_link) == LINK


def beside(left: Image.Image, right: Image.Image) -> Image.Image:
    picture = Image.new("RGB", (left.width + right.width + 100, max(left.height, right.height)), "white")
    picture.paste(left, (0, 0))
    picture.paste(right, (left.width + 100, 0))
    return picture


def refused(path: Path) -> str:
    with pytest.raises(errors.NotAPairingCode) as refusal:
        camera.find_link(path, is_link=is_link)
    return refusal.value.detail


def test_two_pairing_codes_are_one_too_many(tmp_path: Path) -> None:
    assert "several" in refused(saved(beside(code(), code(LINK + "B")), tmp_path))


def test_a_code_of_something_else_is_named_and_its_text_is_not_repeated(tmp_path: Path) -> None:
    said = refused(saved(code(OTHER), tmp_path))

    assert "something else" in said
    assert "example.org" not in said


def test_a_picture_without_a_code_says_what_to_do(tmp_path: Path) -> None:
    assert "no code can be seen" in refused(saved(desk(random.Random(1)), tmp_path))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "not a PNG or JPEG"),
        (b"just text", "not a PNG or JPEG"),
        (b"GIF89a\x01\x00\x01\x00\x00\x00\x00;", "not a PNG or JPEG"),
        (b"\x89PNG\r\n\x1a\n" + b"\x00" * 40, "can't be read as a picture"),
    ],
)
def test_what_is_no_picture_is_said_to_be_none(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "picture.png"
    path.write_bytes(content)

    assert any(one in refused(path) for one in (said, "not a PNG or JPEG"))


def test_a_picture_cut_short_is_said_to_be_broken(tmp_path: Path) -> None:
    path = saved(code(), tmp_path)
    path.write_bytes(path.read_bytes()[:400])

    assert "can't be read" in refused(path)


def test_a_picture_that_unpacks_to_gigabytes_is_refused_before_it_does(tmp_path: Path) -> None:
    header = PngImagePlugin.putchunk
    path = tmp_path / "bomb.png"
    with path.open("wb") as file:
        file.write(b"\x89PNG\r\n\x1a\n")
        header(file, b"IHDR", (60_000).to_bytes(4, "big") * 2, b"\x08\x00\x00\x00\x00")
        header(file, b"IDAT", b"")

    assert "too large" in refused(path)


def test_a_file_of_any_length_is_not_read_into_memory(tmp_path: Path) -> None:
    path = tmp_path / "long.png"
    with path.open("wb") as file:
        file.truncate(camera.FILE_BYTES + 1)

    assert "too large" in refused(path)


def test_a_missing_file_and_a_folder_are_named(tmp_path: Path) -> None:
    assert "no file" in refused(tmp_path / "missing.png")
    assert "can't be read" in refused(tmp_path)
