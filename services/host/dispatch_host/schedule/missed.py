"""What becomes of missed times, in the one word that the command line, the journal and programs have for it."""

from __future__ import annotations

from enum import StrEnum


class Missed(StrEnum):
    """What becomes of missed times."""

    SKIP = "skip"
    ONCE = "once"
