"""What a file may be called where it arrives, whatever its sender calls it."""

from __future__ import annotations

import unicodedata

import pytest
from dispatch import errors
from dispatch.api.thread.v1.thread_pb2 import Attachment
from dispatch.files.description import checked
from dispatch.files.names import numbered, safe_name
from hypothesis import given
from hypothesis import strategies as st


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("report.csv", "report.csv"),
        ("Bu\u0308ro 2024.pdf", "B\u00fcro 2024.pdf"),
        ("../../etc/passwd", "passwd"),
        ("/etc/passwd", "passwd"),
        ("..\\..\\windows\\win.ini", "win.ini"),
        ("..", "file"),
        (".", "file"),
        ("", "file"),
        ("folder/", "file"),
        (".bashrc", "bashrc"),
        (" a.txt . ", "a.txt"),
        ("a\nb\x1b[31m.txt", "a_b_[31m.txt"),
        ("invoice\u202efdp.exe", "invoice_fdp.exe"),
        ("zero\u200bwidth", "zero_width"),
        ("a\x00b", "a_b"),
        ("a:b|c?.txt", "a_b_c_.txt"),
        ("CON", "_CON"),
        ("nul.txt", "_nul.txt"),
        ("concert.txt", "concert.txt"),
        ("\udce4.txt", "_.txt"),
        ("x" * 300 + ".csv", "x" * 196 + ".csv"),
        ("\u00fc" * 150, "\u00fc" * 100),
    ],
)
def test_a_name_leads_nowhere_and_tricks_nobody(said: str, kept: str) -> None:
    assert safe_name(said) == kept


@given(st.text())
def test_whatever_is_said_what_is_kept_is_one_name_that_is_kept_as_it_is(said: str) -> None:
    kept = safe_name(said)

    assert kept
    assert "/" not in kept
    assert not kept.startswith(".")
    assert len(kept.encode()) <= 201
    assert not {unicodedata.category(sign) for sign in kept} & {"Cc", "Cf", "Cs", "Zl", "Zp"}
    assert not set(kept) & set('\\<>:"|?*')
    assert kept == kept.strip(" ").rstrip(".")
    assert safe_name(kept) == kept


def test_a_number_stands_before_the_ending() -> None:
    assert [numbered("a.tar.gz", n) for n in (1, 2, 12)] == ["a.tar.gz", "a.tar (2).gz", "a.tar (12).gz"]
    assert numbered("Makefile", 3) == "Makefile (3)"


GOOD = Attachment(file_id=bytes(16), key=bytes(32), name="a", size=1, sha256=bytes(32))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("file_id", b"1"),
        ("key", b""),
        ("sha256", bytes(31)),
        ("name", ""),
        ("name", "x" * 1025),
    ],
)
def test_what_names_no_file_is_refused(field: str, value: bytes | str) -> None:
    said = Attachment()
    said.CopyFrom(GOOD)
    setattr(said, field, value)

    with pytest.raises(errors.BadRequest):
        checked(said)


def test_a_file_over_the_limit_is_refused_and_the_limit_is_said() -> None:
    said = Attachment()
    said.CopyFrom(GOOD)
    said.size = 11

    assert checked(GOOD, most_bytes=10).name == "a"
    with pytest.raises(errors.TooLarge) as refused:
        checked(said, most_bytes=10)
    assert refused.value.metadata == {"limit_bytes": "10"}


def test_no_repr_shows_a_file_key() -> None:
    said = Attachment()
    said.CopyFrom(GOOD)
    said.key = b"k" * 32

    described = checked(said)

    assert "kkkk" not in repr(described) + repr(described.seal)
