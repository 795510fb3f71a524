"""What opening a document comes to: only what is known to do nothing counts as that."""

from __future__ import annotations

import zlib
from pathlib import PurePath

import pytest
from dispatch_host.desktop.documents import WHOLE_BYTES, Opens, opens

PNG = b"\x89PNG\r\n\x1a\n"


@pytest.mark.parametrize(
    ("name", "beginning"),
    [
        *(("a.pdf", b"%PDF-1.7"), ("a.PNG", PNG), ("a.jpg", b"\xff\xd8\xff\xe0"), ("a.mp4", b"\0\0\0\x18ftypmp42")),
        *(("a.txt", b"words, 3 < 4 and 5 > 4"), ("a.md", b"# Words"), ("empty.txt", b"")),
        *(("a.mp3", b"ID3\4"), ("a.mp3", b"\xff\xfb\x90"), ("a.pdf", b"%PDF-1.7\n<</Type/Page/AAB 1/URI(x)>>")),
    ],
)
def test_what_only_shows_is_known_by_its_name_and_by_what_is_in_it(name: str, beginning: bytes) -> None:
    assert opens(PurePath(name), 0o640, beginning) is Opens.AS_SHOWN


@pytest.mark.parametrize(
    "name",
    [
        *("a.sh", "a.DESKTOP", "a.exe", "a.jar", "a.py", "a.lnk", "a.AppImage", "a.jnlp"),
        *("a.inetloc", "a.fileloc", "a.pyw", "a.pif", "a.xll", "a.iso", "a.chm", "a.application"),
        *("a.mobileconfig", "a.rdp", "a.wsh", "a.tool", "a.service", "a.kdelnk", "a.directory", "a.exe."),
        "a.pdf.exe",
    ],
)
def test_what_runs_or_leads_elsewhere_is_a_program(name: str) -> None:
    assert opens(PurePath(name), 0o600, b"words") is Opens.AS_PROGRAM


@pytest.mark.parametrize("name", ["a.html", "a.HTM", "a.svg", "a.xhtml", "a.mht", "a.xml", "a.webarchive"])
def test_a_page_is_a_page(name: str) -> None:
    assert opens(PurePath(name), 0o600, b"words") is Opens.AS_PAGE


@pytest.mark.parametrize("name", ["a.csv", "a.TSV", "a.docx", "a.docm", "a.xlsm", "a.odt", "a.rtf", "a.ppt"])
def test_an_office_document_may_do_something(name: str) -> None:
    assert opens(PurePath(name), 0o600, b"PK") is Opens.AS_OFFICE


@pytest.mark.parametrize("name", ["a", "a.ics", "a.zip", "a.foo", "a.pdf ", "a.txt.", ".pdf", "a.vcf", "a.eml"])
def test_whatever_else_there_is_is_unknown(name: str) -> None:
    assert opens(PurePath(name), 0o600, b"%PDF-words") is Opens.AS_UNKNOWN


@pytest.mark.parametrize(
    ("name", "beginning", "comes_to"),
    [
        ("a.txt", b"  \n<!DOCTYPE html><script>", Opens.AS_PAGE),
        ("a.txt", b"x" * 8000 + b"<SCRIPT src=x>", Opens.AS_PAGE),
        ("a.pdf", b"<html>", Opens.AS_PAGE),
        ("a.png", b"<svg onload=x>", Opens.AS_PAGE),
        ("a.pdf", b"PK\3\4", Opens.AS_UNKNOWN),
        ("a.txt", b"%!PS", Opens.AS_UNKNOWN),
        ("a.txt", b"{\\rtf1 words}", Opens.AS_OFFICE),
        ("a.mp3", b"\xff\xfe" + "<html><script>".encode("utf-16-le"), Opens.AS_UNKNOWN),
        ("a.txt", b"a\0b", Opens.AS_UNKNOWN),
        ("a.txt", b"#!/bin/sh\n", Opens.AS_PROGRAM),
        ("a.txt", b"[Desktop Entry]\nExec=sh", Opens.AS_PROGRAM),
        ("a.pdf", b"MZ\x90", Opens.AS_PROGRAM),
    ],
)
def test_a_name_that_is_not_what_is_in_it_hides_nothing(name: str, beginning: bytes, comes_to: Opens) -> None:
    """Some desktops go by the name, and some look inside."""
    assert opens(PurePath(name), 0o600, beginning) is comes_to


PDF = b"%PDF-1.7\n1 0 obj\n"


def packed(content: bytes, *, how: bytes = b"/Filter/FlateDecode", type_of: bytes = b"/ObjStm") -> bytes:
    """Write a PDF with these objects in a stream."""
    data = zlib.compress(content)
    return PDF + b"<</Type" + type_of + b"/N 1/First 4" + how + b">>\nstream\n" + data + b"\nendstream\nendobj\n"


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.md", b"![](https://example.org/?secret)"),
        ("a.md", b"![x][1]\n\n[1]: https://example.org/\n"),
        ("a.md", b" " * 9000 + b"<video src=//example.org>"),
        ("a.md", b" " * (WHOLE_BYTES + 1)),
        ("a.pdf", PDF + b"<</OpenAction<</S/JavaScript/JS(x)>>>>"),
        ("a.pdf", PDF + b"%" * 9000 + b"<</AA 3 0 R>>"),
        ("a.pdf", PDF + b"<</Open#41ction 3 0 R>>"),
        ("a.pdf", PDF + b"<</S /Launch /F (x)>>"),
        ("a.pdf", PDF + b"<</Encrypt 3 0 R>>"),
        ("a.pdf", PDF + b"%" * WHOLE_BYTES),
        ("a.pdf", packed(b"3 0 <</OpenAction 4 0 R>>")),
        ("a.pdf", packed(b"3 0 <</Open#41ction 4 0 R>>")),
        ("a.pdf", packed(b"3 0 <<>>", how=b"/Filter[/ASCII85Decode/FlateDecode]")),
        ("a.pdf", packed(b"3 0 <<>>", how=b"/Filter/FlateDecode/DecodeParms 5 0 R")),
        ("a.pdf", packed(b"3 0 <<>>", type_of=b"/Obj#53tm")),
        ("a.pdf", packed(b" " * 40_000_000)),
        ("a.pdf", packed(b"3 0 <<>>")[:-40]),
        ("a.pdf", packed(b" " * 30_000_000) * 3),
        ("a.pdf", PDF + b"<</ObjStm" * 100_000),
    ],
)
def test_what_may_fetch_or_act_when_it_is_opened_is_told_from_what_only_shows(name: str, content: bytes) -> None:
    assert opens(PurePath(name), 0o600, content) is Opens.AS_FETCHING


def test_a_pdf_with_packed_objects_that_do_nothing_is_shown() -> None:
    assert opens(PurePath("a.pdf"), 0o600, packed(b"3 0 <</Type/Catalog>>")) is Opens.AS_SHOWN
    assert opens(PurePath("a.pdf"), 0o600, packed(b"3 0", how=b"/Filter [ /FlateDecode ]") * 2) is Opens.AS_SHOWN


def test_whatever_may_be_executed_is_a_program() -> None:
    assert opens(PurePath("a.pdf"), 0o755, b"%PDF-") is Opens.AS_PROGRAM
