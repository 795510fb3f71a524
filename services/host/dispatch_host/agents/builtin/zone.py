"""The time zone of this computer, as something that knows its summer time."""

from __future__ import annotations

from datetime import datetime, tzinfo
from pathlib import Path
from zoneinfo import ZoneInfo

LOCAL = "local"


def local_zone(named: str = "") -> tzinfo:
    """Return the computer's zone: the one that TZ names, else /etc/localtime, else today's offset."""
    named = named.lstrip(":")
    try:
        if named:
            return ZoneInfo(named)
        with Path("/etc/localtime").open("rb") as file:
            return ZoneInfo.from_file(file)
    except (OSError, ValueError, LookupError):
        zone = datetime.now().astimezone().tzinfo
        assert zone is not None  # noqa: S101  astimezone() always sets one
        return zone


def said(zone: tzinfo | None) -> str | None:
    """Name a zone for the worker; None when its offset says it all."""
    if not isinstance(zone, ZoneInfo):
        return None
    return zone.key or LOCAL


def read(now: str, zone: str | None) -> datetime:
    """Turn what `said` and isoformat gave back into a time of that zone."""
    moment = datetime.fromisoformat(now)
    if zone is None:
        return moment
    return moment.astimezone(local_zone() if zone == LOCAL else ZoneInfo(zone))
