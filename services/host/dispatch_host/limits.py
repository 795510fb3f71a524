"""How long things may take on a host, and how large files may be, in one place.

Defaults are the product's; tests and the environment set others.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Times and sizes of a host."""

    watchdog_seconds: float = 15 * 60.0
    """A task whose agent says nothing for that long is ended as failed."""
    answer_seconds: float = 10 * 60.0
    """A question that nobody answers for that long is closed."""
    longest_seconds: float = 24 * 3600.0
    """A task that has run for that long is ended as failed, whatever its agent says: others wait behind it."""
    pause_seconds: float = 10 * 60.0
    """A running task does not survive a sleep or freeze that is longer."""
    live_per_second: float = 10.0
    """Most live frames of one task."""
    stop_seconds: float = 2.0
    """How long `stop` gives the running task to let go, and then the phones' news to leave."""
    file_bytes: int = 4 * 1024**3
    """Largest file that is taken or given."""
    attachments_bytes: int = 16 * 1024**3
    """Most that all attachments together may take here."""
