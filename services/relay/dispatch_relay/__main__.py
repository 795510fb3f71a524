"""The command line of the relay (docs/cli.md): reads words and environment, and nothing else."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

# Before anything of grpc: it sets what grpc reads when it is imported.
import dispatch.runtime  # noqa: F401
