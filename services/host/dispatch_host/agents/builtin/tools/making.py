"""What makes a new file of another one when a plan is carried out: its text, one of its sheets, or a file out of an archive."""

from __future__ import annotations

import os
import shutil
import zipfile
from collections.abc import Iterator, Mapping
from typing import BinaryIO

from dispatch_host.agents.builtin.tools import office, pdf, sheet
from dispatch_host.agents.builtin.tools.patience import WHOLE_SECONDS
from dispatch_host.changes import CannotMake, Convert, How, Maker, Tell


def text_of(source: BinaryIO, target: BinaryIO, step: Convert, tell: Tell) -> None:
    """Write the whole text of a PDF or an office document; the part is its ending."""
    try:
        for piece in _texts(source, step.part, tell):
            target.write(piece.encode(errors="replace"))
    except (pdf.PdfUnreadable, sheet.OfficeUnreadable) as unreadable:
        raise CannotMake(f"its source {unreadable}") from unreadable


def _texts(source: BinaryIO, ending: str, tell: Tell) -> Iterator[str]:
    if ending == ".pdf":
        for number, total, text in pdf.pages(source):
            tell(number, total, "pages")
            yield f"{text.rstrip()}\n\n"
        return
    for number, piece in enumerate(office.pieces(source, ending, seconds=WHOLE_SECONDS), start=1):
        if not number % 1000:
            tell(number, 0, "paragraphs")
        yield f"{piece}\n"


def csv_of(source: BinaryIO, target: BinaryIO, step: Convert, tell: Tell) -> None:
    """Write a sheet of a workbook as CSV; the part is its name."""
    try:
        for number, row in enumerate(sheet.rows(source, step.part), start=1):
            target.write(sheet.as_csv(row).encode(errors="replace"))
            if not number % 1000:
                tell(number, 0, "rows")
    except sheet.OfficeUnreadable as unreadable:
        raise CannotMake(f"its source {unreadable}") from unreadable


def entry_of(source: BinaryIO, target: BinaryIO, step: Convert, tell: Tell) -> None:
    """Write one file out of an archive: the one at its place there, with the name, size and checksum that were planned with."""
    del tell
    try:
        with zipfile.ZipFile(source) as archive:
            info = archive.infolist()[step.entry]
            if (info.filename, info.file_size, info.CRC) != (step.part, step.most_bytes, step.crc):
                raise zipfile.BadZipFile
            with archive.open(info) as file:
                shutil.copyfileobj(file, target, 1024 * 1024)
            if target.tell() != step.most_bytes:
                raise zipfile.BadZipFile
    except OSError:
        raise
    except Exception as error:  # a bad checksum, a method nobody knows, a password
        raise CannotMake("its archive is damaged or encrypted") from error


def copy_of(source: BinaryIO, target: BinaryIO, step: Convert, tell: Tell) -> None:
    """Write the same bytes."""
    del step
    total, done = os.fstat(source.fileno()).st_size, 0
    while block := source.read(1024 * 1024):
        target.write(block)
        done += len(block)
        tell(done, total, "bytes")


MAKERS: Mapping[How, Maker] = {How.TEXT: text_of, How.CSV: csv_of, How.ENTRY: entry_of, How.COPY: copy_of}
