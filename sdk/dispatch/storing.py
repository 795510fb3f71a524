"""What the system says of a file, as the one error of all stores. Called by whatever keeps files: devices, backups, services."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from dispatch import errors


@contextlib.contextmanager
def storing(what: Path) -> Iterator[None]:
    """Turn an OSError of the body into StoreFailed that names the file."""
    try:
        yield
    except OSError as failure:
        raise errors.StoreFailed(f"{what}: {failure.strerror or failure}") from failure
