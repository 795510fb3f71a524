"""The seam between channels and what carries them: words to a subject, at most once, in the order of who says them.

`nats_bus` implements it; tests have one in their own process. Nothing is kept for whoever is not there.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

Answer = Callable[[bytes], None]
"""Answers who asked; does nothing when nobody did."""

Heard = Callable[[bytes, Answer], None]
"""Takes what came, on the event loop. Does not wait."""

Changed = Callable[[bool], None]
"""Hears that the bus is there, or is not: then whatever was under way may be lost."""


class NobodyListens(Exception):
    """Nobody is there under that subject."""


class BusAway(Exception):
    """This process has no bus now."""


class Bus(Protocol):
    """Carries words between processes."""

    @property
    def there(self) -> bool:
        """Whether it is connected."""

    def on_change(self, changed: Changed) -> None:
        """Call this whenever the bus comes or goes. Said once, before anything else."""

    async def listen(self, subject: str, heard: Heard) -> Callable[[], None]:
        """Hear what is said to a subject; gives how to stop. Raises BusAway."""

    def say(self, subject: str, word: bytes) -> None:
        """Say a word, in order behind those before. It is lost when the bus is away."""

    async def ask(self, subject: str, word: bytes, *, within_seconds: float) -> bytes:
        """Say a word and wait for the answer. Raises NobodyListens at once, TimeoutError, BusAway."""
