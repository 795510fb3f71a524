"""The text of office documents: paragraphs of a .docx, slides of a .pptx, rows of an .xlsx. Piece by piece, memory bounded.

The first two are XML in a zip and are read as that; no entity is expanded, no DTD taken, and
not more is unpacked than a person's document has, and how long it takes is bounded.
"""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterator
from typing import BinaryIO
from xml.etree.ElementTree import Element

from dispatch_host.agents.builtin.tools import sheet
from dispatch_host.agents.builtin.tools.patience import FILE_SECONDS
from dispatch_host.agents.builtin.tools.sheet import OfficeUnreadable

__all__ = ["ENDINGS", "OfficeUnreadable", "pieces"]

ENDINGS = (".docx", ".pptx", ".xlsx", ".xlsm")
_MOST_BYTES = 512 * 1024 * 1024  # of XML unpacked from one part
_WORD = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_DRAWING = "{http://schemas.openxmlformats.org/drawingml/2006/main}"


def pieces(file: BinaryIO, ending: str, *, seconds: float = FILE_SECONDS) -> Iterator[str]:
    """Give the text of a document, a paragraph, a slide or a row at a time; raise OfficeUnreadable."""
    return sheet.in_time(_pieces(file, ending), seconds)


def _pieces(file: BinaryIO, ending: str) -> Iterator[str]:
    if ending in (".xlsx", ".xlsm"):
        yield from sheet.lines(file)
        return
    try:
        with zipfile.ZipFile(file) as archive:
            if ending == ".pptx":
                yield from _slides(archive)
            else:
                yield from _paragraphs(archive, "word/document.xml", _WORD)
    except OfficeUnreadable:
        raise
    except MemoryError:
        raise OfficeUnreadable("needs more memory to be read than allowed") from None
    except Exception as error:  # whatever a hostile file makes zip and XML raise
        raise OfficeUnreadable(
            "is damaged or encrypted, or no office document inside: its text can't be read"
        ) from error


def _slides(archive: zipfile.ZipFile) -> Iterator[str]:
    numbers = sorted(
        int(found[1]) for name in archive.namelist() if (found := re.fullmatch(r"ppt/slides/slide(\d{1,6})\.xml", name))
    )
    if not numbers:
        raise OfficeUnreadable("holds no slides")
    for place, number in enumerate(numbers, start=1):
        text = "\n".join(filter(str.strip, _paragraphs(archive, f"ppt/slides/slide{number}.xml", _DRAWING)))
        yield f"Slide {place}\n{text}\n"


def _paragraphs(archive: zipfile.ZipFile, part: str, space: str) -> Iterator[str]:
    """Give the paragraphs of one XML part. What was read is dropped, however long the document is."""
    from defusedxml.ElementTree import iterparse  # noqa: PLC0415  only documents need it

    if archive.getinfo(part).file_size > _MOST_BYTES:
        raise OfficeUnreadable("is larger inside than is read")
    with archive.open(part) as stream:
        above: list[Element] = []
        paragraphs = 0  # that are open: one may stand in another
        for event, element in iterparse(stream, events=("start", "end"), forbid_dtd=True):
            is_one = element.tag == f"{space}p"
            if event == "start":
                above.append(element)
                paragraphs += is_one
                continue
            above.pop()
            paragraphs -= is_one
            if paragraphs:
                continue
            if is_one:
                yield _text(element, space)
            # Whatever it was, nobody asks for it any more; taking it out of its parent alone would look for it there.
            if above:
                above[-1].clear()


def _text(paragraph: Element, space: str) -> str:
    said: list[str] = []
    for element in paragraph.iter():
        if element.tag == f"{space}t":
            said.append(element.text or "")
        elif element.tag == f"{space}tab":
            said.append("\t")
        elif element.tag in (f"{space}br", f"{space}cr"):
            said.append("\n")
    return "".join(said)
