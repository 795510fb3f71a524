"""The zone of this computer's own clock, as it is now. The edge to the system: everything else here is given a zone."""

from __future__ import annotations

from datetime import UTC, tzinfo


def local_zone() -> tzinfo:
    """Give the zone; UTC where it can't be told. Read anew each time: a person who travels changes it."""
    import tzlocal  # noqa: PLC0415 -- quick `--help`

    try:
        return tzlocal.reload_localzone()
    except (OSError, ValueError, LookupError):
        return UTC
