"""On what a run was made: what a reader of its figures must know."""

from __future__ import annotations

import os
import platform
from importlib.metadata import version
from typing import Any

from dispatch import GRPC_EXPERIMENTS


def computer() -> dict[str, Any]:
    """Describe this computer, as docs/benchmarks.md lists it."""
    return {
        "cores": len(os.sched_getaffinity(0)),
        "load_before": os.getloadavg()[0],
        "python": platform.python_version(),
        "grpcio": version("grpcio"),
        "kernel": platform.release(),
        "grpc_experiments": GRPC_EXPERIMENTS,
    }
