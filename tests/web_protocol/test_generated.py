"""The messages of the web phone are what the contract says."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
KEPT = ROOT / "clients" / "web_phone" / "src" / "protocol"


def texts(folder: Path) -> dict[str, str]:
    found = (path for package in ("dispatch", "google") for path in (folder / package).rglob("*.ts"))
    return {str(path.relative_to(folder)): path.read_text() for path in found}


def test_the_checked_in_messages_are_what_the_protos_generate(tmp_path: Path) -> None:
    generate = [sys.executable, str(ROOT / "protos" / "generate_web.py"), str(tmp_path)]
    subprocess.run(generate, check=True, capture_output=True, text=True)

    fresh, kept = texts(tmp_path), texts(KEPT)

    assert len(fresh) >= 5, "nothing was generated"
    assert sorted(fresh) == sorted(kept), "messages are missing or left over: run `make gen-web`"
    assert [name for name, text in fresh.items() if kept[name] != text] == [], "messages are stale: run `make gen-web`"
