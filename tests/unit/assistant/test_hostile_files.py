"""Files made to break a program: each gets one clear answer, and the others are still looked at."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from dispatch_host.agents import NotDone, NotDoneReason

from tests.unit.assistant.conftest import Person, put, rows

MakePdf = Callable[..., Path]


def test_a_broken_pdf_is_listed_and_said_to_be_damaged(home: Path, person: Person, make_pdf: MakePdf) -> None:
    good = make_pdf(home / "Documents" / "b-invoice.pdf", "", "The invoice is for forty chairs.").read_bytes()
    put(home / "Documents" / "a-invoice.pdf", good[: len(good) // 2])

    answer = person.asks("find pdfs with invoice in the name and summarise the first")

    assert [row[1] for row in rows(answer)] == ["`Documents/a-invoice.pdf`", "`Documents/b-invoice.pdf`"]
    assert "damaged" in answer or "no text" in answer
    assert "forty chairs" in person.asks("and the second one?")


@pytest.mark.parametrize("data", [b"", b"%PDF-1.7\n", b"\0" * 5000, b"%PDF-1.4\n" + os.urandom(20_000), b"not a pdf"])
def test_what_only_claims_to_be_a_pdf_is_told(home: Path, person: Person, data: bytes) -> None:
    put(home / "Documents" / "x.pdf", data)

    assert "damaged" in person.end("summarise x.pdf").text
    assert person.is_refused("summarise x.pdf") is NotDoneReason.INPUT_UNREADABLE


def test_an_encrypted_pdf_is_told(home: Path, person: Person, make_pdf: MakePdf) -> None:
    make_pdf(home / "Documents" / "locked.pdf", "", "Secret words are in this file.", password="sesame")

    end = person.end("summarise locked.pdf")

    assert isinstance(end, NotDone)
    assert "encrypted" in end.text
    assert "Secret" not in end.text
    assert "1 PDF had no text to search: scanned, encrypted or damaged." in person.asks(
        "search for secret in Documents"
    )


def test_a_pdf_without_text_is_said_to_be_scanned(home: Path, person: Person, make_pdf: MakePdf) -> None:
    make_pdf(home / "Documents" / "scan.pdf", "")

    assert "probably scanned" in person.asks("summarise scan.pdf")


def test_a_pdf_that_takes_for_ever_is_given_up(home: Path, make_pdf: MakePdf) -> None:
    path = make_pdf(home / "slow.pdf", "", *["Many words stand on this page.", "\f"] * 300)
    # In a process of its own, as in the worker: an alarm that rings inside a destructor is printed, and rings again.
    script = (
        "import sys\n"
        "from dispatch_host.agents.builtin.tools import pdf\n"
        "try: pdf.read(open(sys.argv[1], 'rb'), page_limit=300, seconds=0.01)\n"
        "except pdf.PdfUnreadable as unreadable: print(unreadable)\n"
    )

    said = subprocess.run([sys.executable, "-c", script, path], capture_output=True, text=True, check=True).stdout

    assert "took longer than 0.01 seconds" in said


def test_pipes_and_links_hold_nothing_up_and_are_counted(home: Path, person: Person) -> None:
    put(home / "Private" / "secret.txt", "needle")
    os.mkfifo(home / "Downloads" / "pipe.csv")
    (home / "Downloads" / "link.txt").symlink_to(home / "Private" / "secret.txt")
    (home / "Downloads" / "folder").symlink_to(home / "Private")
    put(home / "Downloads" / "real.txt", "x")

    for text in ("largest files", "search for needle", "find duplicates", "disk usage", "what's new"):
        answer = person.asks(text)
        assert "Not looked at: 2 links (never followed); 1 special file" in answer, text
        assert "secret" not in answer
    assert person.is_refused("read link.txt") is NotDoneReason.INPUT_UNREADABLE
    assert person.is_refused(f"read {home}/Downloads/link.txt") is NotDoneReason.INPUT_UNREADABLE
    assert person.is_refused(f"summarise {home}/Downloads/pipe.csv") is NotDoneReason.INPUT_UNREADABLE


def test_a_hard_link_to_an_outside_file_is_listed_but_not_read(home: Path, person: Person) -> None:
    put(home / "Private" / "secret.txt", "needle in a sentence of its own")
    os.link(home / "Private" / "secret.txt", home / "Downloads" / "innocent.txt")

    assert "innocent.txt" in person.asks("list files in Downloads")
    assert "1 file could not be read" in person.asks("search for needle")
    assert person.is_refused("read innocent.txt") is NotDoneReason.INPUT_UNREADABLE
    assert "needle" not in person.end("summarise innocent.txt").text


def test_names_cannot_write_into_the_answer(home: Path, person: Person) -> None:
    names = [b"new\nline | `tick`.txt", b"\x1b[31mred.txt", b"bad\xff.txt", "rtl\u202egpj.txt".encode(), b"``` .txt"]
    for name in names:
        put(home / "Downloads" / os.fsdecode(name), "needle")

    for text in ("largest files", "search for needle", "find duplicates", "disk usage", "as a table"):
        answer = person.asks(text)
        assert "\x1b" not in answer
        assert "\u202e" not in answer
        assert r"new\nline" in answer
        assert r"bad\xff.txt" in answer
    table = rows(person.asks("largest files"))
    assert len(table) == len(names)
    assert {len(row) for row in table} == {5}


def test_a_remembered_strange_name_is_found_again(home: Path, person: Person) -> None:
    put(home / "Downloads" / os.fsdecode(b"bad\xff\n.txt"), "The needle lies in this haystack today.")
    person.asks("list files in Downloads")

    assert "needle lies" in person.asks("summarise the first one")


def test_a_name_with_braces_and_regular_expressions_is_only_a_name(home: Path, person: Person) -> None:
    put(home / "Documents" / "a(b[c{d.txt", "x")

    assert "a(b[c{d.txt" in person.asks("find files with 'a(b[c{d' in the name")
    assert "No file in" in person.asks("search for '(((' in Documents")


@pytest.mark.parametrize(
    "text", ["x" * 100_000, "a b " * 20_000, "(" * 5000, "in " * 5000, "and the " * 5000, '"' * 9999, "/" * 9999, "1" * 5000,
             "last " * 5000, "\u202e" * 1000, "find files with " * 500],
)  # fmt: skip
@pytest.mark.timeout(20)
def test_no_request_takes_long_to_understand(person: Person, text: str) -> None:
    person.end(text)


@pytest.mark.parametrize(
    "text",
    [
        "read passwd.txt",
        "summarise passwd.txt",
        "first 3 lines of passwd.txt",
        "how many lines does passwd.txt have?",
        "read Downloads/passwd.txt",
        "read ~/Downloads/passwd.txt",
        "summarise the text file about passwd",
        "read linked/passwd.txt",
    ],
)
@pytest.mark.parametrize(("make", "what"), [("link", "a link"), ("pipe", "a pipe"), ("socket", "a socket")])
def test_what_has_the_name_and_is_no_file_is_said_to_be_what_it_is(
    home: Path, person: Person, text: str, make: str, what: str
) -> None:
    put(home / "Private" / "passwd.txt", "Secret words.")
    path = home / "Downloads" / "passwd.txt"
    (home / "Downloads" / "linked").symlink_to(home / "Private")
    if make == "link":
        path.symlink_to(home / "Private" / "passwd.txt")
    elif make == "pipe":
        os.mkfifo(path)
    else:
        os.mknod(path, stat.S_IFSOCK | 0o600)

    end = person.end(text)

    assert isinstance(end, NotDone)
    assert end.reason is NotDoneReason.INPUT_UNREADABLE
    expected = {"linked/passwd.txt": "a link", "~/Downloads": "not a regular" if make == "socket" else what}
    assert next((said for part, said in expected.items() if part in text), what) in end.text
    assert "There is no" not in end.text


def test_a_file_that_is_there_is_read_whatever_else_has_its_name(home: Path, person: Person) -> None:
    put(home / "Documents" / "notes.txt", "The real notes.")
    (home / "Downloads" / "notes.txt").symlink_to(home / "Private")

    assert "The real notes." in person.asks("read notes.txt")
    assert "There is no file" in person.asks("read other.txt")
