"""What every command line of ours shares."""

from __future__ import annotations

import io
import json
import sys

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


def test_words_that_are_not_utf_8_are_wrong_usage(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["dispatch", "send", "caf\udce9"])

    with pytest.raises(SystemExit) as ended:
        start(typer.Typer())

    assert ended.value.code == Exit.USAGE
    assert "UTF-8" in capsys.readouterr().err
