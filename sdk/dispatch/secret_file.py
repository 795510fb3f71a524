"""The one rule for files that hold secrets of whoever starts a program: nobody else may read or change them.

Called by everything that reads such a file: keys of certificates, the VAPID key, the provider's secret, passphrases, the key of a
model. docs/operations.md, Secrets, lists them.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

_OTHERS = stat.S_IRWXG | stat.S_IRWXO


def others_may(facts: os.stat_result) -> bool:
    """Tell whether others than this user may read or change a file.

    The group may read root's files: so do service managers and orchestrators hand a secret to a user that is not root.
    """
    if os.name != "posix":
        return False
    loose = facts.st_mode & _OTHERS
    if facts.st_uid == 0 and os.geteuid() != 0:
        loose &= ~stat.S_IRGRP
    return bool(loose)


def refuse_open(path: Path, facts: os.stat_result) -> None:
    """Raise ValueError that says how to mend it when others may read or change the file."""
    if others_may(facts):
        raise ValueError(f"{path} may be read by others: chmod 600 it, and consider what is in it known")


def read(path: Path, *, most_bytes: int = 1024 * 1024) -> bytes:
    """Read the file. Raises ValueError when others may read or change it, or it is larger than `most_bytes`; OSError."""
    # Opened before it is looked at, so that what was checked is what is read.
    with path.open("rb") as opened:
        refuse_open(path, os.fstat(opened.fileno()))
        content = opened.read(most_bytes + 1)
    if len(content) > most_bytes:
        raise ValueError(f"{path} is larger than {most_bytes:,} bytes")
    return content
