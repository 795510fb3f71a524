"""What every command line of ours shares."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import typer
from dispatch import errors
from dispatch.cli import Console, Exit, start
from dispatch.plain import plain


def test_a_refusal_says_a_strangers_words_without_letting_them_command_the_terminal() -> None:
    said = errors.TargetUnknown("there are: \x1b[2Jmy\u2028computer\x9b")
    for as_json in (False, True):
        out = io.StringIO()
        assert Console(as_json=as_json, out=out, colour=False).refusal(said) == Exit.USAGE
        assert plain(out.getvalue()) == out.getvalue()
        assert "computer" in out.getvalue()
    assert json.loads(out.getvalue())["detail"] == said.detail


def test_a_wrong_value_is_refused_by_what_is_wrong_with_it_and_nothing_around_that() -> None:
    words, objects = io.StringIO(), io.StringIO()
    said = errors.BadRequest("no permission is called terminl")

    assert Console(as_json=False, out=words, colour=False).refusal(said) == Exit.USAGE
    Console(as_json=True, out=objects, colour=False).refusal(said)

    assert words.getvalue() == "No permission is called terminl.\n"
    assert json.loads(objects.getvalue())["detail"] == said.detail


def test_a_refusal_by_the_operators_policy_names_it_with_what_is_and_what_would_have_to_be() -> None:
    policy = {"policy": "plans", "current": "team\x1b[2J", "required": "pro or max"}
    said = errors.PlanNotAllowed(metadata=policy)
    words, objects = io.StringIO(), io.StringIO()

    assert Console(as_json=False, out=words, colour=False).refusal(said) == Exit.REFUSED
    assert Console(as_json=True, out=objects, colour=False).refusal(said) == Exit.REFUSED

    assert "The service's policy 'plans' wants pro or max; this is team" in words.getvalue()
    assert "\x1b" not in words.getvalue() + objects.getvalue()
    assert json.loads(objects.getvalue()).items() >= policy.items()


def test_words_that_are_not_utf_8_are_wrong_usage(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["dispatch", "send", "caf\udce9"])

    with pytest.raises(SystemExit) as ended:
        start(typer.Typer())

    assert ended.value.code == Exit.USAGE
    assert "UTF-8" in capsys.readouterr().err


PROGRAM = (
    "from dispatch.cli import *; guarded(lambda: Console.standard(as_json={}).event({{'a': '✓ ü'}}, '✓ ü'), as_json={})"
)


def told(*, as_json: bool, **options: object) -> subprocess.CompletedProcess[bytes]:
    """Let a program say one thing where nothing but ASCII is known."""
    body = f"try:\n    {PROGRAM.format(as_json, as_json)}\nexcept typer.Exit as left:\n    sys.exit(left.exit_code)"
    told_where: dict[str, object] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options}
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    return subprocess.run([sys.executable, "-c", body], env=environment, check=False, **told_where)  # type: ignore[call-overload,no-any-return] # the options are run's own


def test_a_terminal_that_lacks_a_sign_shows_another_and_programs_get_utf_8_everywhere() -> None:
    assert told(as_json=False).stdout == b"? ?\n"
    assert json.loads(told(as_json=True).stdout.decode()) == {"a": "✓ ü"}


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has a file that is always full")
def test_output_that_finds_no_room_is_one_clear_error() -> None:
    with Path("/dev/full").open("wb") as full:
        ended = told(as_json=True, stdout=full)

    assert ended.returncode == Exit.FAULT
    assert ended.stderr == b"Error: there is no room for the output\n"
