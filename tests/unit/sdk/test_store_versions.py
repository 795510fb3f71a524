"""What both services say of the version of their store, and what they refuse."""

from __future__ import annotations

import io
import json

import pytest
from dispatch import errors
from dispatch.cli import Console, Exit
from dispatch.store_versions import check_known, say_downgraded, say_upgraded, say_version, target_below

KNOWN = ("0001", "0002", "0003")


@pytest.mark.parametrize(
    ("found", "to", "goal"), [("0003", None, "0002"), ("0003", "0001", "0001"), ("0002", None, "0001")]
)
def test_a_downgrade_goes_one_down_or_where_it_is_told(found: str, to: str | None, goal: str) -> None:
    assert target_below(found, to, KNOWN) == goal


@pytest.mark.parametrize(
    ("found", "to", "why"),
    [
        (None, None, "version none is the first"),
        ("0001", None, "version 0001 is the first"),
        ("0002", "0002", "'0002' is no version below 0002: 0001"),
        ("0002", "0003", "'0003' is no version below 0002: 0001"),
        ("0003", "7", "'7' is no version below 0003: 0001, 0002"),
    ],
)
def test_a_downgrade_to_what_is_not_below_is_the_callers_mistake(found: str | None, to: str | None, why: str) -> None:
    with pytest.raises(errors.BadRequest, match=why):
        target_below(found, to, KNOWN)


def test_a_store_of_a_newer_program_is_refused_with_both_versions_and_the_way_back() -> None:
    for found in (None, *KNOWN):
        check_known(found, KNOWN, store="the store", program="dispatch-relay")
    with pytest.raises(errors.StoreFailed, match=r"0099.*0003.*dispatch-relay store downgrade --to 0003"):
        check_known("0099", KNOWN, store="the store", program="dispatch-relay")


def test_no_version_is_null_to_programs_and_a_word_to_people() -> None:
    for as_json, said in ((True, None), (False, "none: nothing is in it yet")):
        out = io.StringIO()
        console = Console(as_json=as_json, out=out, colour=False)
        assert say_version(console, None, known="0003") is Exit.DONE
        if as_json:
            assert json.loads(out.getvalue()) == {"event": "store", "version": said, "known": "0003"}
        else:
            assert str(said) in out.getvalue()


def test_what_an_upgrade_and_a_downgrade_did_is_said() -> None:
    out = io.StringIO()
    console = Console(as_json=True, out=out, colour=False)
    say_upgraded(console, None, now="0003")
    say_upgraded(console, "0003", now="0003")
    say_downgraded(console, now="0002")
    assert [json.loads(line) for line in out.getvalue().splitlines()] == [
        {"event": "store", "version": "0003", "before": None},
        {"event": "store", "version": "0003", "before": "0003"},
        {"event": "store", "version": "0002"},
    ]
