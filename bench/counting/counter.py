"""Counts what each work costs: instructions under valgrind, calls without. Called by `__main__` and by tests.

The process that is counted is told nothing of this computer: an environment of its own, a fixed hash seed, and no string functions
or ciphers but those that every x86-64 processor of the last ten years has.
"""

from __future__ import annotations

import json
import os
import platform
import re
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from bench.counting.baseline import Counts
from bench.counting.control import CONTROL

CHILD = "bench.counting.child"
PATIENCE_SECONDS = 900
"""A computer that does a lot beside takes longer to count the same."""

PLAIN_PROCESSOR = {
    "GLIBC_TUNABLES": "glibc.cpu.hwcaps=-AVX2,-AVX512F,-AVX512VL,-AVX512BW,-ERMS,-FSRM",
    "OPENSSL_ia32cap": ":0",
}
"""Without what newer processors have: libraries choose other functions there, which are other instructions."""

CHOSEN_BY = (
    "avx",
    "avx2",
    "avx512f",
    "bmi2",
    "erms",
    "f16c",
    "fma",
    "fsrm",
    "pclmulqdq",
    "rdrand",
    "rdseed",
    "sha_ni",
    "vaes",
)
"""What a processor may have that libraries choose their functions by."""

LIBRARIES = ("protobuf", "cryptography", "grpcio", "structlog", "prometheus-client")


class CountFailed(Exception):
    """The process that is counted broke; the text is what it said."""


def versions() -> dict[str, str]:
    """Say what decides how many instructions there are, beside our code."""
    return {
        "python": platform.python_version(),
        "built": f"{platform.python_compiler()} {' '.join(platform.python_build())}",
        "machine": platform.machine(),
        "processor": _processor(),
        "libc": " ".join(platform.libc_ver()),
        "sqlite": sqlite3.sqlite_version,
        "valgrind": _valgrind(),
        **{name: version(name) for name in LIBRARIES},
    }


def _processor() -> str:
    """Say which kind it is: libraries choose by it among several ways to do the same, also where valgrind counts."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    known = dict(line.replace("\t", "").split(":", 1) for line in lines if ":" in line)
    kind = [known.get(name, "").strip() for name in ("vendor_id", "cpu family", "model")]
    flags = set(known.get("flags", "").split())  # a virtual machine may hide some
    return " ".join([*kind, *(flag for flag in CHOSEN_BY if flag in flags)]).strip()


def _valgrind() -> str:
    if shutil.which("valgrind") is None:
        return "missing"
    return subprocess.run(["valgrind", "--version"], check=True, capture_output=True, text=True).stdout.strip()


def count() -> Counts:
    """Count everything. Takes half a minute of one core. Raises CountFailed."""
    calls = counted_calls()
    if shutil.which("valgrind") is None:
        return Counts(versions=versions(), calls=calls, uncounted="valgrind is not installed")
    try:
        outside = each_time(_counted_outside(), "instructions")
    except (
        CountFailed
    ) as failure:  # calls have just been counted: it is valgrind that this computer is too new or too small for
        return Counts(versions=versions(), calls=calls, uncounted=f"not under valgrind: {failure}")
    instructions = {name: round(each) for name, each in outside.items()}
    control = instructions.pop(CONTROL.name)
    return Counts(versions=versions(), instructions=instructions, calls=calls, control=control)


def counted_calls() -> dict[str, float]:
    """Count calls only, which needs nothing but Python. Raises CountFailed."""
    counted = {name: round(each, 2) for name, each in each_time(_run([]), "calls").items()}
    return {name: calls for name, calls in counted.items() if name != CONTROL.name}


def each_time(told: Sequence[dict[str, Any]], what: str) -> dict[str, float]:
    """Make of N times and 2 N times what it costs each time."""
    found: dict[str, float] = {}
    for once, twice in zip(told[::2], told[1::2], strict=True):
        found[once["name"]] = (twice[what] - once[what]) / (twice["times"] - once["times"])
    return found


def _counted_outside() -> list[dict[str, Any]]:
    with tempfile.TemporaryDirectory() as folder:
        logs = Path(folder)
        # Parted processes write into a log of their own, each at its end.
        options = ["--tool=cachegrind", "--cache-sim=no", "--cachegrind-out-file=/dev/null", f"--log-file={logs}/%p"]
        told = _run(["valgrind", *options])
        return [{**one, "instructions": _instructions((logs / str(one["pid"])).read_text())} for one in told]


def _instructions(log: str) -> int:
    found = re.search(r"I +refs: +([\d,]+)", log)
    if found is None:
        raise CountFailed("valgrind wrote no count")
    return int(found[1].replace(",", ""))


def _run(before: list[str]) -> list[dict[str, Any]]:
    environment = {
        "PATH": os.environ.get("PATH", ""),
        "PYTHONPATH": os.pathsep.join(sys.path),
        "PYTHONHASHSEED": "0",
        **{name: os.environ[name] for name in ("PYTHONPYCACHEPREFIX",) if name in os.environ},
        **PLAIN_PROCESSOR,
    }
    words = [*before, sys.executable, "-m", CHILD, *([] if before else ["--calls"])]
    try:
        done = subprocess.run(
            words, env=environment, capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=False
        )
    except subprocess.TimeoutExpired as failure:
        raise CountFailed(f"no end after {PATIENCE_SECONDS} s") from failure
    if done.returncode:
        raise CountFailed(done.stderr)
    return [json.loads(line) for line in done.stdout.splitlines()]
