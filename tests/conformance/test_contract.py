"""What devices of the last release would not understand is found before it is released."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PROTOS = Path(__file__).parents[2] / "protos"
RELAY = Path("dispatch/api/relay/v1/relay.proto")


def breaking(contract: Path) -> subprocess.CompletedProcess[str]:
    code = "import released, pathlib, sys; sys.exit(released.broken(pathlib.Path(sys.argv[1])))"
    # Where Python starts is where it imports from: protos/ is no package.
    return subprocess.run(
        [sys.executable, "-c", code, str(contract)], check=False, cwd=PROTOS, capture_output=True, text=True
    )


@pytest.fixture
def contract(tmp_path: Path) -> Path:
    if not (PROTOS / "tools" / "node_modules" / ".bin" / "buf").exists():
        pytest.skip("buf is not installed: make contract")
    shutil.copytree(PROTOS / "dispatch", tmp_path / "dispatch")
    shutil.copy(PROTOS / "buf.yaml", tmp_path)
    return tmp_path


def edit(contract: Path, before: str, after: str) -> None:
    text = (contract / RELAY).read_text("utf-8")
    assert text.count(before) == 1
    (contract / RELAY).write_text(text.replace(before, after), "utf-8")


def test_todays_contract_is_understood_by_the_last_release(contract: Path) -> None:
    found = breaking(contract)

    assert (found.returncode, found.stdout) == (0, "")


def test_a_field_that_was_removed_is_found(contract: Path) -> None:
    edit(contract, "  uint64 since_posted_ms = 9;\n", "")

    found = breaking(contract)

    assert found.returncode == 1
    assert "since_posted_ms" in found.stdout


def test_a_field_that_became_another_type_is_found(contract: Path) -> None:
    edit(contract, "  uint64 since_posted_ms = 9;", "  string since_posted_ms = 9;")

    assert breaking(contract).returncode == 1


def test_a_field_may_go_when_its_number_and_name_are_reserved(contract: Path) -> None:
    edit(contract, "  uint64 since_posted_ms = 9;\n", '  reserved 9;\n  reserved "since_posted_ms";\n')

    assert breaking(contract).stdout == ""


def test_a_field_may_come(contract: Path) -> None:
    edit(contract, "  uint64 since_posted_ms = 9;\n", "  uint64 since_posted_ms = 9;\n  // New.\n  uint64 more = 10;\n")

    assert breaking(contract).stdout == ""
