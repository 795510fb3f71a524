"""What opening a document comes to: only what is known to do nothing counts as that."""

from __future__ import annotations

from pathlib import PurePath

import pytest
from dispatch_host.desktop.documents import Opens, opens

PNG = b"\x89PNG\r\n\x1a\n"


@pytest.mark.parametrize(
    ("name", "beginning"),
    [
        *(("a.pdf", b"%PDF-1.7"), ("a.PNG", PNG), ("a.jpg", b"\xff\xd8\xff\xe0"), ("a.mp4", b"\0\0\0\x18ftypmp42")),
        *(("a.txt", b"words, 3 < 4 and 5 > 4"), ("a.md", b"# Words"), ("a.csv", b"a,b\n1,2"), ("empty.txt", b"")),
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


@pytest.mark.parametrize("name", ["a.docx", "a.docm", "a.xlsm", "a.odt", "a.rtf", "a.ppt"])
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
        ("a.txt", b"a\0b", Opens.AS_UNKNOWN),
        ("a.txt", b"#!/bin/sh\n", Opens.AS_PROGRAM),
        ("a.txt", b"[Desktop Entry]\nExec=sh", Opens.AS_PROGRAM),
        ("a.pdf", b"MZ\x90", Opens.AS_PROGRAM),
    ],
)
def test_a_name_that_is_not_what_is_in_it_hides_nothing(name: str, beginning: bytes, comes_to: Opens) -> None:
    """Some desktops go by the name, and some look inside."""
    assert opens(PurePath(name), 0o600, beginning) is comes_to


def test_whatever_may_be_executed_is_a_program() -> None:
    assert opens(PurePath("a.pdf"), 0o755, b"%PDF-") is Opens.AS_PROGRAM
