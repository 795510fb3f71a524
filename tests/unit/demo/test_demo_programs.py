"""The demo and `make phone` start programs as a person would, though they share what starts them with the tests."""

from __future__ import annotations

import subprocess
import sys

import pytest


@pytest.mark.parametrize("program", ["deploy.demo.__main__", "deploy.phone.__main__"])
def test_nothing_of_pytest_is_imported_or_its_programs_would_be_forked_by_a_nursery(program: str) -> None:
    code = f"import sys; import {program}; print('pytest' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "False"
