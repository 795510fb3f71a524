"""Which agents this host knows, and which of them does the next task. docs/agents.md.

Made once by the wiring (`known_agents`), asked by the runner when a task starts and by the front desk. Knows no agent itself.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from dispatch import errors

from dispatch_host.agents.agent import Agent, AgentEvent, Gate, NotDone, NotDoneReason, Task, Turn
from dispatch_host.agents.asking import Ask
from dispatch_host.agents.words import Words

BUILT_IN = "built-in"
"""Does the tasks unless its owner chose another."""


async def always() -> str:
    """Say nothing against an agent that needs nothing."""
    return ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """One agent that the host knows."""

    name: str  # built-in, llm, acp:NAME: the word of the command line, and of the thread
    about: str  # one line to a person: what it is
    make: Callable[[], Agent] = field(repr=False)
    """Makes it anew for each task, quickly and without looking at anything: what is wrong with its settings, `run` says."""
    why_not: Callable[[], Awaitable[str]] = field(default=always, repr=False)
    """Says in sentences why it can't be used now, and what to do; nothing when it can. Tries no network, and shows no key."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """Who does a task."""

    name: str
    agent: Agent


@dataclass(frozen=True, slots=True)
class Listed:
    """An agent as the front desk lists it."""

    name: str
    about: str
    chosen: bool
    why_not: str  # empty when it can be used now


class Registry:
    """The known agents, and the choice among them."""

    def __init__(self, known: Sequence[Known], *, chosen: str = BUILT_IN) -> None:
        self._known = {one.name: one for one in known}
        self.chosen = chosen

    def choose(self, name: str) -> None:
        """Let this one do the next task. Whatever name it is: one that is not known any more does no task, and says so."""
        self.chosen = name

    async def check(self, name: str) -> None:
        """Look whether an agent may be chosen. Raises BadRequest for a name that is not known, AgentUnavailable."""
        known = self._known.get(name)
        if known is None:
            raise errors.BadRequest(
                f"agents are: {', '.join(self._known)}", metadata={"field": "name", "agents": ", ".join(self._known)}
            )
        if why := await known.why_not():
            raise errors.AgentUnavailable(why, metadata={"agent": name})

    def for_next_task(self) -> Chosen:
        """Make the agent of a task that starts now."""
        known = self._known.get(self.chosen)
        return Chosen(self.chosen, _Gone(self.chosen) if known is None else known.make())

    async def listed(self) -> Sequence[Listed]:
        """List all, with whether each can be used now; also the chosen one, when nobody knows it any more."""
        found = [
            Listed(one.name, one.about, one.name == self.chosen, await one.why_not()) for one in self._known.values()
        ]
        if self.chosen not in self._known:
            found.append(Listed(self.chosen, "", chosen=True, why_not=_GONE))
        return found


_GONE = "It is not in the settings of this computer any more. Choose another: dispatch-host agent use NAME."


class _Gone:
    """Stands for an agent that was chosen and that is not known any more: each task says so, and no other agent steps in."""

    takes_words = False

    def __init__(self, name: str) -> None:
        self._name = name

    async def run(
        self, task: Task, *, gate: Gate, history: Sequence[Turn], ask: Ask, words: Words
    ) -> AsyncGenerator[AgentEvent, None]:
        """End the task."""
        del task, gate, history, ask, words
        yield NotDone(NotDoneReason.AGENT_UNAVAILABLE, f"The agent of this computer is “{self._name}”. {_GONE}")
