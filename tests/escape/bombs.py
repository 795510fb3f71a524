"""Files that are small outside and large inside: made here, real ones, in the folder of a test."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeAlias

_BLOCK = b"\0" * 1024 * 1024


def _packed(path: Path, **parts: tuple[bytes, int]) -> None:
    """Make a zip of parts that are a block, so many times."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name, (block, times) in parts.items():
            with archive.open(name, "w", force_zip64=True) as into:
                for _ in range(times):
                    into.write(block)


def _of_documents(path: Path, name: str, begin: str, block: str, times: int, end: str, **others: str) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for other, text in others.items():
            archive.writestr(other, text)
        with archive.open(name, "w", force_zip64=True) as into:
            into.write(begin.encode())
            for _ in range(times):
                into.write(block.encode())
            into.write(end.encode())


def nested(path: Path) -> None:
    """A zip in a zip in a zip, ten deep, sixteen of each: what unpacks whatever it finds never comes to an end."""
    data = zlib.compress(_BLOCK * 16)
    for _ in range(10):
        whole = io.BytesIO()
        with zipfile.ZipFile(whole, "w", zipfile.ZIP_DEFLATED) as archive:
            for n in range(16):
                archive.writestr(f"{n}.zip", data)
        data = whole.getvalue()
    path.write_bytes(data)


def endless_zip(path: Path) -> None:
    """An entry of a tebibyte, as it says itself; there is no such disk."""
    _packed(path, zeros=(_BLOCK, 1))
    lies(path, 1 << 40)


def lying_zip(path: Path) -> None:
    """An entry of ten bytes, as it says itself, and of 256 MiB."""
    _packed(path, zeros=(_BLOCK, 256))
    lies(path, 10)


def lies(path: Path, size: int) -> None:
    """Have the last entry of an archive say another size."""
    data = bytearray(path.read_bytes())
    at = data.rindex(b"PK\1\2")
    name, extra = struct.unpack_from("<HH", data, at + 28)
    if size < 0xFFFFFFFF:
        struct.pack_into("<L", data, at + 24, size)
        path.write_bytes(data)
        return
    struct.pack_into("<L", data, at + 24, 0xFFFFFFFF)
    struct.pack_into("<H", data, at + 30, extra + 12)
    begin = at + 46 + name
    data[begin:begin] = struct.pack("<HHQ", 1, 8, size)
    end = data.rindex(b"PK\5\6")
    struct.pack_into("<L", data, end + 12, struct.unpack_from("<L", data, end + 12)[0] + 12)
    path.write_bytes(data)


def many_entries(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        for n in range(200_000):
            archive.writestr(f"{n}.txt", b"")


def deep_entry(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        for n in range(20):
            archive.writestr(f"{n}/" + "a/" * 32_000 + "x.txt", b"x")


_END = "</w:body></w:document>"
_WORD = '<w:document xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"><w:body>'
_MEGA = 1024 * 1024


def one_paragraph(path: Path) -> None:
    _of_documents(path, "word/document.xml", f"{_WORD}<w:p><w:r><w:t>", "a" * _MEGA, 500, f"</w:t></w:r></w:p>{_END}")


def many_others(path: Path) -> None:
    """What is no paragraph, a lot of it, and paragraphs after it."""
    _of_documents(path, "word/document.xml", _WORD + "<w:x/>" * 1_000_000, "<w:p/>" * 100_000, 10, _END)


def deep_paragraphs(path: Path) -> None:
    _of_documents(path, "word/document.xml", _WORD + "<w:x>" * 50_000, "<w:p/>" * 100_000, 10, "</w:x>" * 50_000 + _END)


_FORMATS = "http://schemas.openxmlformats.org"
_OFFICE = f"{_FORMATS}/officeDocument/2006/relationships"
_MAIN = "application/vnd.openxmlformats-officedocument.spreadsheetml"


def _relation(number: str, kind: str, target: str) -> str:
    """Lead from one part of a workbook to another."""
    inner = f'<Relationship Id="{number}" Type="{_OFFICE}/{kind}" Target="{target}"/>'
    return f'<Relationships xmlns="{_FORMATS}/package/2006/relationships">{inner}</Relationships>'


_BOOK = {
    "[Content_Types].xml": f'<Types xmlns="{_FORMATS}/package/2006/content-types">'
    f'<Override PartName="/xl/workbook.xml" ContentType="{_MAIN}.sheet.main+xml"/>'
    f'<Override PartName="/xl/worksheets/sheet1.xml" ContentType="{_MAIN}.worksheet+xml"/></Types>',
    "_rels/.rels": _relation("r", "officeDocument", "xl/workbook.xml"),
    "xl/workbook.xml": f'<workbook xmlns="{_FORMATS}/spreadsheetml/2006/main" xmlns:r="{_OFFICE}">'
    '<sheets><sheet name="One" sheetId="1" r:id="s"/></sheets></workbook>',
    "xl/_rels/workbook.xml.rels": _relation("s", "worksheet", "worksheets/sheet1.xml"),
}
_SHEET = f'<worksheet xmlns="{_FORMATS}/spreadsheetml/2006/main"><sheetData>'


def _workbook(path: Path, begin: str, block: str, times: int, end: str) -> None:
    _of_documents(
        path, "xl/worksheets/sheet1.xml", _SHEET + begin, block, times, f"{end}</sheetData></worksheet>", **_BOOK
    )


def far_row(path: Path) -> None:
    rows = '<row r="1"><c r="A1"><v>1</v></c></row><row r="999999999999"><c r="A999999999999"><v>1</v></c></row>'
    _workbook(path, "", rows, 1, "")


def wide_rows(path: Path) -> None:
    """Three hundred thousand rows, each with its one cell in the last column."""
    _workbook(path, "", '<row><c r="XFD1"><v>1</v></c></row>' * 1000, 300, "")


def one_row(path: Path) -> None:
    _workbook(path, "<row>", "<c><v>1</v></c>" * 10_000, 1000, "</row>")


def _pdf(path: Path, *objects: bytes) -> None:
    data = b"%PDF-1.7\n"
    places = []
    for n, text in enumerate(objects, start=1):
        places.append(len(data))
        data += b"%d 0 obj\n%s\nendobj\n" % (n, text)
    xref = len(data)
    data += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    data += b"".join(b"%010d 00000 n \n" % place for place in places)
    data += b"trailer\n<</Size %d/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF\n" % (len(objects) + 1, xref)
    path.write_bytes(data)


_CATALOG = b"<</Type/Catalog/Pages 2 0 R>>"
_PAGE = b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 9 9]/Contents 4 0 R/Resources<</Font<</F 5 0 R>>>>>>"
_FONT = b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>"


def page_loop(path: Path) -> None:
    _pdf(
        path,
        _CATALOG,
        b"<</Type/Pages/Count 9/Kids[3 0 R]>>",
        b"<</Type/Pages/Parent 2 0 R/Count 9/Kids[2 0 R 3 0 R]>>",
    )


def page_count(path: Path) -> None:
    """Two thousand million pages, as it says itself, and one."""
    stream = b"BT /F 1 Tf (words) Tj ET"
    page = b"<</Length %d>>\nstream\n%s\nendstream" % (len(stream), stream)
    _pdf(path, _CATALOG, b"<</Type/Pages/Count 2000000000/Kids[3 0 R]>>", _PAGE, page, _FONT)


def page_stream(path: Path) -> None:
    """A page of 512 MiB, packed twice."""
    packer = zlib.compressobj(9)
    once = b"".join([*(packer.compress(_BLOCK) for _ in range(512)), packer.flush()])
    twice = zlib.compress(once, 9)
    page = b"<</Filter[/FlateDecode/FlateDecode]/Length %d>>\nstream\n%s\nendstream" % (len(twice), twice)
    _pdf(path, _CATALOG, b"<</Type/Pages/Count 1/Kids[3 0 R]>>", _PAGE, page, _FONT)


def one_line(path: Path) -> None:
    with path.open("wb") as file:
        for _ in range(256):
            file.write(b"1,2,3," * 174_762)


def one_field(path: Path) -> None:
    with path.open("wb") as file:
        file.write(b'a,b\n1,"')
        for _ in range(256):
            file.write(b"x" * _MEGA)


Make: TypeAlias = Callable[[Path], None]
BOMBS: Mapping[str, Make] = {
    "nested.zip": nested,
    "endless.zip": endless_zip,
    "deep.zip": deep_entry,
    "loop.pdf": page_loop,
    "count.pdf": page_count,
}
"""What is over at once."""
BIG: Mapping[str, Make] = {
    "lying.zip": lying_zip,
    "many.zip": many_entries,
    "paragraph.docx": one_paragraph,
    "others.docx": many_others,
    "below.docx": deep_paragraphs,
    "far.xlsx": far_row,
    "wide.xlsx": wide_rows,
    "cells.xlsx": one_row,
    "stream.pdf": page_stream,
    "line.csv": one_line,
    "field.csv": one_field,
}
"""What keeps a parser busy for a while, also where it gives up."""
