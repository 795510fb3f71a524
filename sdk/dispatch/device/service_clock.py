"""How far this device's clock is from the pairing service's, as last seen: so that `status` can say so.

Nothing is decided by it: grants are judged by the service's own time, and deadlines by clocks that nobody sets. But times are
shown by it, and a person wonders.
"""

from __future__ import annotations

from dispatch.device.home import Home, write_private

TOLERATED_MS = 2 * 60_000
"""What a person need not hear of."""
_FILE = "clock-off"
_NEWS_MS = 1_000


def note(home: Home, *, server_time_ms: int, wall_ms: int) -> None:
    """Keep what the service has just said of its time, if that is news. Raises StoreFailed."""
    now_off = wall_ms - server_time_ms
    before = off_ms(home)
    if before is None or abs(now_off - before) > _NEWS_MS:
        write_private(home / _FILE, str(now_off).encode())


def off_ms(home: Home) -> int | None:
    """Give by how many ms this device's clock was ahead of the service's, below zero behind; None when it is not known."""
    try:
        return int((home / _FILE).read_text("ascii"))
    except (OSError, ValueError):
        return None


def words(off: int | None) -> str:
    """Say for a person that the clock is wrong; empty while it is not, or not known to be."""
    if off is None or abs(off) <= TOLERATED_MS:
        return ""
    minutes = round(abs(off) / 60_000)
    way = "fast" if off > 0 else "slow"
    return f"this device's clock is {minutes} minutes {way}; everything works, but the times that it shows are wrong"
