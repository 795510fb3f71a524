"""What a program may see on a disk that does not tell upper from lower case: its folders have more names than one.

No such disk is at hand everywhere, so it is put in where paths are opened, as for the scope.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import pytest
from dispatch_host.sandbox.arguments import View
from dispatch_host.sandbox.program import NoProgram
from dispatch_host.sandbox.view import opened
from dispatch_host.scope import Beneath, Folder, best_beneath

from tests.support.blind import Blind


@pytest.fixture
def code(tmp_path: Path) -> Path:
    folder = tmp_path.resolve() / "code"
    (folder / "keys" / "old").mkdir(parents=True)
    (folder / "passphrase").write_text("secret")
    return folder


def view(
    folders: Sequence[Folder],
    *,
    keep_out: Sequence[Path] = (),
    only_read: Sequence[Path] = (),
    beneath: Beneath | None = None,
) -> View:
    """Give what a program would see; on a blind disk, if no other is said."""
    with opened(
        folders,
        keep_out=keep_out,
        home=Path("/home/ada"),
        only_read=only_read,
        beneath=beneath or Blind(best_beneath()),
    ) as seen:
        return seen


def rights(seen: View) -> dict[Path, bool]:
    return {one.path: one.writable for one in seen.bound}


@pytest.mark.parametrize("said", ["code/KEYS", "CODE/keys", "Code/Keys/OLD"])
def test_what_is_kept_out_is_not_shown_by_another_name(code: Path, said: str) -> None:
    assert rights(view([Folder(code.parent / said)], keep_out=[code / "keys"])) == {}


def test_what_is_kept_out_in_a_folder_is_hidden_under_the_name_that_was_approved(code: Path) -> None:
    said = code.parent / "CODE"

    seen = view([Folder(said)], keep_out=[code / "keys", code / "passphrase"])

    assert rights(seen) == {said: False}
    assert (seen.hidden, seen.covered) == ([said / "keys"], [said / "passphrase"])


def test_what_is_kept_out_and_not_there_yet_lets_nothing_start_by_any_name(code: Path) -> None:
    with pytest.raises(NoProgram):
        view([Folder(code.parent / "CODE")], keep_out=[code / "later"])
    assert rights(view([Folder(code.parent / "CODE/Keys")], keep_out=[code / "later"])) != {}


@pytest.mark.parametrize("said", ["CODE/keys", "code/KEYS/old"])
def test_the_hosts_own_code_is_for_reading_by_each_of_its_names(code: Path, said: str) -> None:
    own, outer = code / "keys", code.parent / "CODE"

    assert rights(view([Folder(code.parent / said, writable=True)], only_read=[own])) == {code.parent / said: False}
    assert rights(view([Folder(outer, writable=True)], only_read=[own])) == {outer: True, outer / "keys": False}


def test_a_nested_folder_keeps_its_right_by_the_name_that_the_outer_one_gives_it(code: Path) -> None:
    seen = rights(view([Folder(code, writable=True), Folder(code.parent / "CODE/keys")]))

    assert seen == {code: True, code / "keys": False, code.parent / "CODE/keys": False}


def test_on_a_disk_that_tells_them_apart_they_are_two(code: Path) -> None:
    other = code.parent / "CODE"
    try:
        os.mkdir(other)
    except FileExistsError:
        pytest.skip("this disk does not tell upper from lower case: the others hold here for real")

    seen = view([Folder(other, writable=True)], keep_out=[code], beneath=best_beneath())

    assert rights(seen) == {other: True}
