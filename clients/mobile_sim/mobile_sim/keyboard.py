"""Reads what a task is from standard input. Called by `task_cli`."""

from __future__ import annotations

import sys

from dispatch import errors


def read_all() -> str:
    """Read standard input to its end. Raises BadRequest for what is no UTF-8: words must not be changed on their way."""
    try:
        return sys.stdin.buffer.read().decode()
    except UnicodeDecodeError:
        raise errors.BadRequest("standard input has to be UTF-8", metadata={"field": "text"}) from None
