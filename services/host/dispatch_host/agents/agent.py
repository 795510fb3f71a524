"""The one interface of all agents: `run(task, scope, history, ask)` gives events and ends with a Result or a NotDone.

Called by the runner, one task at a time. Cancelling is closing the generator or cancelling the task that reads it; the
agent then stops everything it started before it returns. tests/support/agents.py holds what every agent must pass.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Protocol, TypeAlias

from dispatch_host.scope import Folder

JSON: TypeAlias = "bool | int | float | str | Sequence[JSON] | Mapping[str, JSON] | None"


@dataclass(frozen=True, slots=True)
class Task:
    """What a person asked for, and what came with it."""

    task_id: str
    text: str = field(repr=False)
    inbox: Path | None = None
    """Where the attachments of the thread are, to be read; None when it never had any."""
    attachments: Sequence[Path] = field(default=(), repr=False)
    """Those of this task, in it."""


@dataclass(frozen=True, slots=True)
class Turn:
    """One earlier task of the thread. `memory` is what its end gave: host-only JSON, kept in the host's journal."""

    task_text: str = field(repr=False)
    outcome: str  # as in the thread: done, failed, cancelled, …
    result_text: str = field(default="", repr=False)
    memory: Mapping[str, JSON] = field(default_factory=dict, repr=False)


class NotDoneReason(StrEnum):
    """Why a task was not done. The words are those of the thread and of `dispatch-phone send --json`."""

    NOT_UNDERSTOOD = "NOT_UNDERSTOOD"
    NEEDS_AGENT = "NEEDS_AGENT"
    FOLDER_NOT_APPROVED = "FOLDER_NOT_APPROVED"
    INPUT_UNREADABLE = "INPUT_UNREADABLE"
    AGENT_FAILED = "AGENT_FAILED"


@dataclass(frozen=True, slots=True)
class Step:
    """Something the agent did that a person reads; the runner keeps it as a row of the thread."""

    title: str = field(repr=False)
    detail: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Text:
    """More of the partial answer, shown live and not kept: the Result has the whole."""

    delta: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a long step is, shown live and not kept. `total` is 0 while nobody knows it."""

    done: int
    total: int
    unit: str  # "files", "bytes"


@dataclass(frozen=True, slots=True)
class Artifact:
    """A file for the phone: absolute, in an approved folder or among the attachments. The runner names it in the thread."""

    path: Path = field(repr=False)


@dataclass(frozen=True, slots=True)
class Result:
    """The task is done. `text` is Markdown; `memory` is what a later task of the thread may refer to."""

    text: str = field(repr=False)
    memory: Mapping[str, JSON] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class NotDone:
    """The task was not done; `text` says why and what to do, as Markdown. `memory` as in Result: the next request may go on."""

    reason: NotDoneReason
    text: str = field(repr=False)
    memory: Mapping[str, JSON] = field(default_factory=dict, repr=False)


AgentEvent: TypeAlias = Step | Text | Progress | Artifact | Result | NotDone


class Ask(Protocol):
    """Puts a question to the person; None when nobody answered, or nobody can."""

    def __call__(self, question: str, choices: Sequence[str]) -> Awaitable[str | None]: ...


class Agent(Protocol):
    """Does one task within `scope`. The last event, and only the last, is a Result or a NotDone."""

    def run(
        self, task: Task, *, scope: Sequence[Folder], history: Sequence[Turn], ask: Ask
    ) -> AsyncGenerator[AgentEvent, None]:
        """Give events until the task is over. `history` is oldest first. Raises nothing of its own but cancellation."""
        ...
