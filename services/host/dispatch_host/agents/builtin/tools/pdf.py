"""The text of a PDF, or an honest word why there is none. Wraps pypdf, whose input is hostile: bounded in pages and time."""

from __future__ import annotations

import logging
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO

from dispatch_host.agents.builtin.tools.patience import FILE_SECONDS, WHOLE_SECONDS, TooLong, limited

if TYPE_CHECKING:
    from pypdf import PdfReader

_CHARACTERS = 400_000
_PAGES_AT_ONCE = 250


class PdfUnreadable(Exception):
    """The text can't be had. The message ends a sentence: "is encrypted, …"."""


@dataclass(frozen=True, slots=True)
class Pdf:
    """What was read of a PDF: the text of each page from the first on."""

    pages: int  # of the whole file
    texts: tuple[str, ...]
    failed: int  # pages among them that could not be read


def read(file: BinaryIO, *, page_limit: int, seconds: float = FILE_SECONDS) -> Pdf:
    """Read the text of the first pages; raise PdfUnreadable."""
    import pypdf  # noqa: PLC0415  a tenth of a second that only PDFs cost

    logging.getLogger("pypdf").setLevel(logging.CRITICAL + 1)
    with _told(seconds), limited(seconds), warnings.catch_warnings(action="ignore"):
        return _read(pypdf.PdfReader(file), page_limit)


@contextmanager
def _told(seconds: float) -> Iterator[None]:
    """Say why a file can't be read, whatever a hostile one makes the parser raise."""
    try:
        yield
    except PdfUnreadable:
        raise
    except TooLong:
        raise PdfUnreadable(f"took longer than {seconds:g} seconds to read, so it was given up") from None
    except MemoryError:
        raise PdfUnreadable("needs more memory to be read than allowed") from None
    except Exception as error:
        raise PdfUnreadable("is damaged, or no PDF inside: its text can't be read") from error


def _read(reader: PdfReader, page_limit: int) -> Pdf:
    if reader.is_encrypted and not reader.decrypt(""):
        raise PdfUnreadable("is encrypted: its text can't be read without the password")
    total = len(reader.pages)
    texts: list[str] = []
    failed = 0
    for index in range(min(total, page_limit)):
        try:
            texts.append(reader.pages[index].extract_text()[:_CHARACTERS])
        except Exception:  # one bad page of many
            failed += 1
            texts.append("")
        if sum(map(len, texts)) > _CHARACTERS:
            break
    return Pdf(total, tuple(texts), failed)


def part(file: BinaryIO, *, skip: int, most: int, seconds: float = FILE_SECONDS) -> Pdf:
    """Read the text of some pages, those before them left out; raise PdfUnreadable."""
    import pypdf  # noqa: PLC0415

    logging.getLogger("pypdf").setLevel(logging.CRITICAL + 1)
    with _told(seconds), limited(seconds), warnings.catch_warnings(action="ignore"):
        reader = pypdf.PdfReader(file)
        if reader.is_encrypted and not reader.decrypt(""):
            raise PdfUnreadable("is encrypted: its text can't be read without the password")
        total = len(reader.pages)
        return Pdf(total, tuple(_page(reader, index) for index in range(skip, min(total, skip + most))), 0)


def pages(file: BinaryIO, *, seconds: float = WHOLE_SECONDS) -> Iterator[tuple[int, int, str]]:
    """Give the text of every page, with its number and how many there are; raise PdfUnreadable. A bad page is empty.

    The reader is made anew every few hundred pages: it keeps what it has read, and a long file must not fill the memory.
    """
    import pypdf  # noqa: PLC0415

    logging.getLogger("pypdf").setLevel(logging.CRITICAL + 1)
    left = seconds
    total, done = 1, 0
    reader: PdfReader | None = None
    while done < total:
        began = time.monotonic()
        # Only around what reads, never around whoever takes the pages: the alarm would ring there, too.
        with _told(seconds), limited(left), warnings.catch_warnings(action="ignore"):
            if reader is None:
                reader = pypdf.PdfReader(file)
                if reader.is_encrypted and not reader.decrypt(""):
                    raise PdfUnreadable("is encrypted: its text can't be read without the password")
                total = len(reader.pages)
            text = _page(reader, done) if total else ""
        left = max(left - (time.monotonic() - began), 0.001)
        done += 1
        if done % _PAGES_AT_ONCE == 0:
            reader = None
        if total:
            yield done, total, text


def _page(reader: PdfReader, index: int) -> str:
    try:
        return reader.pages[index].extract_text()[:_CHARACTERS]
    except Exception:  # one bad page of many
        return ""
