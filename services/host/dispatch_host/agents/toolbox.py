"""Tools that a language model may call: what each is called, what it takes, and who carries it out.

Whoever has tools is a `Toolbox`: files and programs, connectors, skills, the browser, the desktop. Tools hold no permission and
no scope; they get the task's `Work`, whose gate they ask at each use, and whose `ask` they put their approvals to.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Protocol, TypeAlias

from dispatch_host.agents.agent import Artifact, Gate, Progress, Step, Task
from dispatch_host.agents.asking import JSON, Ask

Tell: TypeAlias = Callable[[Step | Progress | Artifact], Awaitable[None]]
"""Shows the person what a tool does. Waits while the thread is slow."""


@dataclass(frozen=True, slots=True)
class Work:
    """What a tool has of the task it is called in."""

    task: Task
    gate: Gate
    ask: Ask
    tell: Tell
    closing: AsyncExitStack = field(default_factory=AsyncExitStack)
    """What a tool began and did not end (a browser) ends with it: whoever makes a Work closes it when the task is over."""
    earlier: Sequence[str] = ()
    """The ids of the earlier tasks of the thread, oldest first: by which a change is found that is to be undone."""


class ToolFailed(Exception):
    """The tool could not do it. The text is for the model, which may try something else: no path outside the folders, no secret."""


Run: TypeAlias = Callable[[Mapping[str, JSON], Work], Awaitable[str]]
"""Does it, and gives what the model reads. Raises ToolFailed, and NotPermitted as the gate gave it.

The arguments are whatever a model wrote: every one is checked. Cancelled, it stops all that it started before it returns.
"""


@dataclass(frozen=True, slots=True)
class Tool:
    """One tool."""

    name: str  # [a-z][a-z0-9_]*, at most 64 characters: what every provider takes
    about: str  # to the model: what it does, and when to use it
    takes: Mapping[str, JSON]  # JSON Schema of an object
    run: Run = field(repr=False)


class Toolbox(Protocol):
    """Has tools."""

    async def tools(self, work: Work) -> Sequence[Tool]:
        """Give those that may be used now: none whose permission is missing, none that can't work here."""
        ...
