"""The end of a task whose agent is silent, or that never ends. Called by whoever reads the agent, and by `asking` meanwhile."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator


class Watchdog:
    """Ends a task whose agent says nothing for too long, or that runs for longer than any may.

    While a person is asked the agent need not say anything.
    """

    def __init__(self, silence_seconds: float, longest_seconds: float) -> None:
        self._now = asyncio.get_running_loop().time
        self._silence = silence_seconds
        self._longest = self._now() + longest_seconds
        self._still = 0
        self.timeout = asyncio.timeout_at(self._next())
        """To be entered once, by whoever reads the agent."""

    @property
    def is_endless(self) -> bool:
        """Whether the task has run for longer than any may."""
        return self._now() >= self._longest

    def moved(self) -> None:
        """Hear from the agent."""
        self.timeout.reschedule(self._next())

    @contextlib.contextmanager
    def stands_still(self) -> Iterator[None]:
        """Let the agent say nothing for as long as the body takes."""
        self._still += 1
        self.moved()
        try:
            yield
        finally:
            self._still -= 1
            with contextlib.suppress(RuntimeError):  # it has ended, with the task
                self.moved()

    def _next(self) -> float:
        return self._longest if self._still else min(self._now() + self._silence, self._longest)
