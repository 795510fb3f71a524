"""The documents say what the phone's code says: its settings."""

from __future__ import annotations

import re
from pathlib import Path

from mobile_sim.files_cli import LARGEST_BYTES

ROOT = Path(__file__).resolve().parents[3]
CODE = ROOT / "clients" / "mobile_sim" / "mobile_sim"
OPERATIONS = (ROOT / "docs" / "operations.md").read_text()


def test_every_setting_of_the_phone_is_in_the_document_with_its_default() -> None:
    documented = dict(re.findall(r"^\| `(DISPATCH_PHONE_\w+)` \| (\S+) \|", OPERATIONS, re.MULTILINE))
    read = {name for file in CODE.rglob("*.py") for name in re.findall(r"DISPATCH_PHONE_\w+", file.read_text())}

    assert set(documented) == read
    assert documented == {
        "DISPATCH_PHONE_FILE_BYTES": str(LARGEST_BYTES),
        "DISPATCH_PHONE_LOG": "–",
        "DISPATCH_PHONE_PATH": "auto",
    }
