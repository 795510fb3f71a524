"""The text of a PDF, or an honest word why there is none. Wraps pypdf, whose input is hostile: bounded in pages and time."""

from __future__ import annotations

import logging
import signal
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    from pypdf import PdfReader

_SECONDS = 30  # of work on one file; a damaged one can keep a parser busy for ever
_CHARACTERS = 400_000


class PdfUnreadable(Exception):
    """The text can't be had. The message ends a sentence: "is encrypted, …"."""


@dataclass(frozen=True, slots=True)
class Pdf:
    """What was read of a PDF: the text of each page from the first on."""

    pages: int  # of the whole file
    texts: tuple[str, ...]
    failed: int  # pages among them that could not be read


class _TooLong(BaseException):
    """The time for one file is over. No Exception: nothing in the parser may swallow it."""


def read(file: BinaryIO, *, page_limit: int, seconds: float = _SECONDS) -> Pdf:
    """Read the text of the first pages; raise PdfUnreadable."""
    import pypdf  # noqa: PLC0415  a tenth of a second that only PDFs cost

    logging.getLogger("pypdf").setLevel(logging.CRITICAL + 1)
    try:
        with _limited(seconds), warnings.catch_warnings(action="ignore"):
            return _read(pypdf.PdfReader(file), page_limit)
    except PdfUnreadable:
        raise
    except _TooLong:
        raise PdfUnreadable(f"took longer than {seconds:g} seconds to read, so it was given up") from None
    except MemoryError:
        raise PdfUnreadable("needs more memory to be read than allowed") from None
    except Exception as error:  # whatever a hostile file makes the parser raise
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


@contextmanager
def _limited(seconds: float) -> Iterator[None]:
    """Interrupt what takes too long. The worker computes in one thread of pure Python, so an alarm does."""

    def ring(_number: int, _frame: FrameType | None) -> None:
        raise _TooLong

    before = signal.signal(signal.SIGALRM, ring)
    # Again and again: one that rings inside a destructor is lost, for Python ignores what is raised there.
    rest = signal.setitimer(signal.ITIMER_REAL, seconds, 0.5)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, *rest)
        signal.signal(signal.SIGALRM, before)
