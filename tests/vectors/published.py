"""Where the published vectors are, and what it means when they are not there.

Two sources: a folder with the Noise and Wycheproof files (`../shared/vectors` beside the repository, or DISPATCH_VECTORS),
and the package cryptography-vectors. What is absent is skipped, saying so. DISPATCH_REQUIRE_VECTORS=1 makes it a failure
that the package is absent, or that a folder that is there does not hold all four files.
"""

from __future__ import annotations

import importlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

BESIDE = Path(__file__).resolve().parents[3] / "shared" / "vectors"
REQUIRED = os.environ.get("DISPATCH_REQUIRE_VECTORS") == "1"


def from_folder(name: str) -> Any:
    """Read one file of the folder."""
    named = os.environ.get("DISPATCH_VECTORS")
    folder = Path(named) if named else BESIDE
    path = folder / name
    if not path.exists():
        if named or (REQUIRED and folder.exists()):
            pytest.fail(f"{name} is not in the folder of published vectors")
        pytest.skip(f"the published vectors {name} are not on this machine")
    return json.loads(path.read_text())


def from_package(name: str) -> list[str]:
    """Read the lines of one file of cryptography-vectors."""
    try:
        package = importlib.import_module("cryptography_vectors")
    except ImportError:
        if REQUIRED:
            pytest.fail("cryptography-vectors is not installed: make vectors installs it")
        pytest.skip("cryptography-vectors is not installed: make vectors installs it")
    with package.open_vector_file(name, "r") as file:
        return [str(line).strip() for line in file]


def records(lines: list[str], first: str) -> Iterator[dict[str, str]]:
    """Split `name = value` lines into records, each beginning with the field named `first`."""
    record: dict[str, str] = {}
    for line in lines:
        name, found, value = line.partition("=")
        if not found or line.startswith("#"):
            continue
        if name.strip().lower() == first and record:
            yield record
            record = {}
        record[name.strip().lower()] = value.strip()
    if record:
        yield record
