"""What the person adds while an agent works (*steer*). Filled by the runner, emptied by an agent that takes words."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence


class Words:
    """The words that the agent has not taken yet, oldest first."""

    def __init__(self) -> None:
        self._added: list[str] = []
        self._news = asyncio.Event()

    def add(self, text: str) -> None:
        """Add what the person said. Called by the runner."""
        self._added.append(text)
        self._news.set()

    def take(self) -> Sequence[str]:
        """Take all of it, which may be nothing. What was never taken is said to have come too late when the task ends."""
        taken, self._added = self._added, []
        self._news.clear()
        return taken

    async def wait(self) -> None:
        """Wait until there is something to take."""
        await self._news.wait()
