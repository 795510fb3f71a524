"""Reads when a phone is not to be called, "22:00-07:00", and in which language it is.

Pure; called by the command line and the settings of `tui`.
"""

from __future__ import annotations

import re
from typing import Any

from dispatch import errors
from dispatch.words import Language

Hours = dict[str, Any]

_HOURS = re.compile(r"([01]\d|2[0-3]):([0-5]\d)-([01]\d|2[0-3]):([0-5]\d)")


def quiet_hours(text: str | None, time_zone: str, *, questions_ring: bool) -> Hours | None:
    """Read the hours; None for none. Raises BadRequest."""
    if text is None:
        return None
    found = _HOURS.fullmatch(text)
    if found is None:
        raise errors.BadRequest("quiet hours are HH:MM-HH:MM", metadata={"field": "quiet"})
    begin, begin_minute, end, end_minute = map(int, found.groups())
    return {
        "time_zone": time_zone,
        "from_minute": 60 * begin + begin_minute,
        "to_minute": 60 * end + end_minute,
        "questions_ring": questions_ring,
    }


def notified_in(language: Language) -> str:
    """Give the language that others are to write in; empty for English, which they do anyway."""
    return "" if language is Language.ENGLISH else language.value
