"""Which of the approved folders a program is given, decided from its words and from what is approved."""

from __future__ import annotations

from pathlib import Path

import pytest
from dispatch_host.scope import Folder
from dispatch_host.scope.given import given, still_given

HOME = Path("/home/ann")
CODE = Folder(HOME / "code", writable=True)
LIBRARY = Folder(HOME / "code/library")
PAPERS = Folder(HOME / "papers")
OTHER = Folder(Path("/data/other"), writable=True)
ALL = [CODE, LIBRARY, PAPERS, OTHER]


def chosen(at: Path, *words: str) -> list[Folder]:
    return given(at, words, ALL, home=HOME)


def test_it_is_the_innermost_that_it_starts_in_with_what_has_its_own_right_in_there() -> None:
    assert chosen(HOME / "code/x") == [CODE, LIBRARY]
    assert chosen(HOME / "code/library/x") == [LIBRARY]
    assert chosen(HOME) == []


@pytest.mark.parametrize(
    "word", ["/home/ann/papers", "/home/ann/papers/a.txt", "~/papers", "--in=~/papers/x", "cat ~/papers; ls"]
)
def test_words_name_others(word: str) -> None:
    assert PAPERS in chosen(CODE.path, "sh", "-c", word)


@pytest.mark.parametrize(
    "word", ["papers", "/home/ann/papers2", "/mnt/home/ann/papers", "~/papers.old", "x~/papers", "../papers"]
)
def test_words_that_only_look_like_it_name_none(word: str) -> None:
    assert chosen(CODE.path, word) == [CODE, LIBRARY]


def test_what_was_chosen_is_never_more_than_is_approved_now() -> None:
    assert still_given([CODE], [CODE]) == [CODE]
    assert still_given([CODE], [Folder(CODE.path)]) is None
    assert still_given([CODE], []) is None
    assert still_given([Folder(LIBRARY.path, writable=True)], [CODE, LIBRARY]) is None
    assert still_given([PAPERS], [Folder(PAPERS.path, writable=True)]) == [PAPERS]


def test_what_was_approved_since_takes_away_and_never_adds() -> None:
    writable = Folder(PAPERS.path / "new", writable=True)

    assert still_given([CODE], [CODE, LIBRARY]) == [CODE, LIBRARY]
    assert still_given([PAPERS], [PAPERS, OTHER, writable]) == [PAPERS, Folder(writable.path)]
