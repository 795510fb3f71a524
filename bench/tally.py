"""What the ends of one load process count together, and hand on. Pure."""

from __future__ import annotations

from collections import Counter
from typing import Any

from bench.latencies import Latencies


class Tally:
    """What all ends of a process have counted."""

    def __init__(self) -> None:
        self.posted = 0
        self.kept = 0  # keep rows that came to a phone
        self.refused: Counter[str] = Counter()
        self.ended: Counter[str] = Counter()
        self.receipts = Latencies()
        self.keeps = Latencies()

    def told(self) -> dict[str, Any]:
        """Give it for JSON."""
        return {
            "posted": self.posted,
            "kept": self.kept,
            "refused": dict(self.refused),
            "ended": dict(self.ended),
            "receipts": self.receipts.told(),
            "keeps": self.keeps.told(),
        }
