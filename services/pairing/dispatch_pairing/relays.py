"""Which relays are alive, and where devices reach them. Pure: time is an argument. Called by trust.py and pairings.py.

Kept in memory only: a relay comes back by itself, and names itself again.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class _Seen:
    open: int
    last_ms: int
    web: str


class Relays:
    """Relay addresses by when they were last heard. With a fixed address that one is handed out, always."""

    def __init__(self, *, fixed: str | None, seen_ms: int, limit: int, fixed_web: str | None = None) -> None:
        self._fixed = fixed
        self._fixed_web = fixed_web
        self._seen_ms = seen_ms
        self._limit = limit
        self._seen: dict[str, _Seen] = {}

    def opened(self, address: str, *, web: str = "", now_ms: int) -> bool:
        """Note a stream of this relay, and where it takes browsers; gives False when there are too many relays to note another."""
        self._forget(now_ms)
        if address not in self._seen and len(self._seen) >= self._limit:
            return False
        seen = self._seen.setdefault(address, _Seen(open=0, last_ms=now_ms, web=web))
        seen.open += 1
        seen.last_ms = now_ms
        seen.web = web
        return True

    def closed(self, address: str, *, now_ms: int) -> None:
        """Note that a stream of this relay is over."""
        seen = self._seen[address]
        seen.open -= 1
        seen.last_ms = now_ms

    def live(self, *, now_ms: int) -> list[str]:
        """Give the addresses for devices, best first: with an open stream, then seen a moment ago; newest first."""
        if self._fixed is not None:
            return [self._fixed]
        return [address for address, _ in self._best(now_ms)]

    def live_for_browsers(self, *, now_ms: int) -> list[str]:
        """Give the addresses of those that take browsers, best first."""
        if self._fixed_web is not None:
            return [self._fixed_web]
        return [seen.web for _, seen in self._best(now_ms) if seen.web]

    def open_count(self) -> int:
        """Count the relays with an open stream."""
        return sum(1 for seen in self._seen.values() if seen.open > 0)

    def _best(self, now_ms: int) -> list[tuple[str, _Seen]]:
        self._forget(now_ms)
        return sorted(self._seen.items(), key=lambda item: (item[1].open == 0, -item[1].last_ms))

    def _forget(self, now_ms: int) -> None:
        gone = [a for a, seen in self._seen.items() if seen.open == 0 and now_ms - seen.last_ms >= self._seen_ms]
        for address in gone:
            del self._seen[address]
