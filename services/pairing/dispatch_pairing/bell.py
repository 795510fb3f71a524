"""Wakes who waits for news of a topic. Carries nothing: whoever wakes reads the store. Used by ceremony.py and trust.py.

With several services it rings in all of them: bus_bell.py carries the topic there. A ring that is lost costs time and nothing else.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from dispatch.errors import Draining

TRUST = b"trust"
"""The topic of ended pairings. Every other topic is an offer id."""

_COME_BACK_MS = 500


class Ear:
    """One who waits. Clear it before reading the store, so that what happens while reading is not missed."""

    def __init__(self, bell: Bell) -> None:
        self._bell = bell
        self._rung = asyncio.Event()

    def clear(self) -> None:
        """Forget what was rung so far. Raises Draining when the service closes."""
        if self._bell.closed:
            raise Draining(retry_after_ms=_COME_BACK_MS)
        self._rung.clear()

    @property
    def rung(self) -> bool:
        """Whether it rang since it was cleared."""
        return self._rung.is_set()

    def ring(self) -> None:
        """Wake the one who waits here."""
        self._rung.set()

    async def wait(self, *, at_most_ms: int) -> None:
        """Wait for the bell, or until the time is over."""
        with suppress(TimeoutError):
            async with asyncio.timeout(max(at_most_ms, 1) / 1_000):
                await self._rung.wait()


class Bell:
    """A bell with topics. `carry` takes a topic to the other services; None: there are none."""

    def __init__(self, *, carry: Callable[[bytes], None] | None = None) -> None:
        self._ears: dict[bytes, set[Ear]] = {}
        self._carry = carry
        self.closed = False

    @contextmanager
    def listen(self, topic: bytes) -> Iterator[Ear]:
        """Give an ear for the topic."""
        ear = Ear(self)
        self._ears.setdefault(topic, set()).add(ear)
        try:
            yield ear
        finally:
            ears = self._ears[topic]
            ears.discard(ear)
            if not ears:
                del self._ears[topic]

    def ring(self, topic: bytes) -> None:
        """Wake everybody who listens to the topic, here at once."""
        self.ring_here(topic)
        if self._carry is not None:
            self._carry(topic)

    def ring_here(self, topic: bytes) -> None:
        """Wake those of this process: another service rang."""
        for ear in self._ears.get(topic, ()):
            ear.ring()

    def ring_all(self) -> None:
        """Wake everybody in this process: the clock was set, rings may have been lost, or the service closes."""
        for topic in self._ears:
            self.ring_here(topic)

    def close(self) -> None:
        """Send everybody away, now and from now on."""
        self.closed = True
        self.ring_all()
