"""What the person adds while an agent works (*steer*). The runner brings it; an agent that takes no words leaves it alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol


class Words(Protocol):
    """The words that the agent has not taken yet, oldest first."""

    async def take(self) -> Sequence[str]:
        """Take all of it, which may be nothing. The thread says *steered* from then on; what is never taken came too late."""
        ...
