"""The session that an external agent had earlier in a thread, as the thread's memory has it. Pure; needs no SDK."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from dispatch_host.agents.agent import Turn
from dispatch_host.agents.asking import JSON


@dataclass(frozen=True, slots=True)
class Earlier:
    """A session that this agent had in the thread, and the turns since. Empty where there was none."""

    session_id: str = ""
    folder: Path | None = None
    missed: Sequence[Turn] = field(default=(), repr=False)


def earlier_session(history: Sequence[Turn], agent: str) -> Earlier:
    """Find the last session of this agent in the thread. What is in memories is read as if anybody had written it."""
    for at in range(len(history) - 1, -1, -1):
        said = history[at].memory.get("acp")
        if isinstance(said, Mapping) and said.get("agent") == agent:
            session_id, folder = said.get("session"), said.get("folder")
            if isinstance(session_id, str) and session_id and isinstance(folder, str):
                return Earlier(session_id, Path(folder), history[at + 1 :])
    return Earlier()


def memory_of(agent: str, session_id: str, folder: Path) -> dict[str, JSON]:
    """Write a session for the thread's memory, so that `earlier_session` finds it."""
    return {"acp": {"agent": agent, "session": session_id, "folder": str(folder)}}
