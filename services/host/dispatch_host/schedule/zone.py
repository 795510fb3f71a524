"""The zone of this computer's own clock, as it is now. The edge to the system: everything else here is given a zone."""

from __future__ import annotations

from datetime import datetime, tzinfo


def local_zone() -> tzinfo:
    """Give the zone; where it has no name (TZ=CET-1CEST) today's offset. Read anew each time: a person who travels changes it."""
    import tzlocal  # noqa: PLC0415 -- quick `--help`

    try:
        return tzlocal.reload_localzone()
    except (OSError, ValueError, LookupError):
        zone = datetime.now().astimezone().tzinfo
        assert zone is not None  # noqa: S101 -- astimezone() always sets one
        return zone
