"""The first task of `make up`: containers that have only just started may be too late for it, and it is sent again."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from deploy.first_task import NotDoneError, send

LATE = {"event": "not_sent", "reason": "NO_NETWORK"}
DONE = {"event": "done", "text": "large.bin"}


def compose_that_says(folder: Path, *said: dict[str, str]) -> list[str]:
    """Give words for `docker compose`, of which each call says the next of these."""
    for number, event in enumerate(said):
        (folder / f"{number}.json").write_text(json.dumps(event))
    program = folder / "compose.py"
    program.write_text(
        "from pathlib import Path\n"
        f"said = min(Path({str(folder)!r}).glob('*.json'))\n"
        "print(said.read_text(), flush=True)\n"
        "said.unlink()\n"
    )
    return [sys.executable, str(program)]


def test_a_first_task_that_came_too_late_is_sent_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    refused = [{"event": "refused", "reason": reason} for reason in ("SESSION_NEEDED", "HOST_UNREACHABLE")]
    late_go = {"event": "interrupted", "state": "interrupted", "reason": "NEVER_STARTED"}

    send(compose_that_says(tmp_path, LATE, *refused, late_go, DONE))

    assert "large.bin" in capsys.readouterr().out


def test_one_that_may_have_run_is_not(tmp_path: Path) -> None:
    with pytest.raises(NotDoneError, match="the phone said NO_NETWORK, not done"):
        send(compose_that_says(tmp_path, {"event": "unconfirmed", "reason": "NO_NETWORK"}, DONE))


def test_one_that_was_refused_for_another_reason_is_not(tmp_path: Path) -> None:
    with pytest.raises(NotDoneError, match="the phone said NOT_PAIRED, not done"):
        send(compose_that_says(tmp_path, {"event": "refused", "reason": "NOT_PAIRED"}, DONE))
