"""The one interface of all agents: `run(task, gate, history, ask, words)` gives events and ends with a Result or a NotDone.

Called by the runner, one task at a time. Cancelling is closing the generator or cancelling the task that reads it; the
agent then stops everything it started before it returns. tests/support/agents.py holds what every agent must pass.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Protocol, TypeAlias

from dispatch_host.agents.asking import JSON, Ask
from dispatch_host.agents.words import Words
from dispatch_host.permissions.permission import Grant, Kind, Permission
from dispatch_host.scope import Folder


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
    task_id: str = ""
    """By which an agent finds again what it kept of that task elsewhere, whatever became of the task."""


class NotDoneReason(StrEnum):
    """Why a task was not done. The words are those of the thread and of `dispatch-phone send --json`."""

    NOT_UNDERSTOOD = "NOT_UNDERSTOOD"
    NEEDS_AGENT = "NEEDS_AGENT"
    FOLDER_NOT_APPROVED = "FOLDER_NOT_APPROVED"
    INPUT_UNREADABLE = "INPUT_UNREADABLE"
    AGENT_FAILED = "AGENT_FAILED"
    NOT_PERMITTED = "NOT_PERMITTED"
    SANDBOX_UNAVAILABLE = "SANDBOX_UNAVAILABLE"
    PROGRAM_FAILED = "PROGRAM_FAILED"
    """A program that the person asked for ended with a code other than 0."""
    TOOL_UNAVAILABLE = "TOOL_UNAVAILABLE"
    """The computer lacks a program or a session that the task needs."""
    AGENT_UNAVAILABLE = "AGENT_UNAVAILABLE"
    LIMIT_REACHED = "LIMIT_REACHED"
    PERSON_DENIED = "PERSON_DENIED"
    """A person said no to what the task can't do without. The task ends as *denied*."""
    NOBODY_ANSWERED = "NOBODY_ANSWERED"
    """Nobody answered what the task can't do without. The task ends as *timed out*."""


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


class Gate(Protocol):
    """What the agent may do at this moment. It holds no permission: it asks at each use."""

    @property
    def folders(self) -> Sequence[Folder]:
        """Give the approved folders as they are now. When one of them is taken back the task is ended."""
        ...

    def has(self, permission: Permission) -> bool:
        """Tell whether it is given, without using it: what need not be tried, or offered to a model."""
        ...

    def named(self, kind: Kind) -> Sequence[str]:
        """Give the names under which something of a kind is permitted now, without using it: `mail`, `mail/search`."""
        ...

    async def use(self, permission: Permission, subject: str) -> Grant:
        """Use a permission on `subject` (a path, a program, a tool): one line of the audit log, whatever the answer is.

        Raises dispatch.errors.NotPermitted, which may be let through: the task ends with it. When the permission is taken
        back after this, the task is ended, too.
        """
        ...


class Agent(Protocol):
    """Does one task, within what the gate allows. The last event, and only the last, is a Result or a NotDone."""

    @property
    def takes_words(self) -> bool:
        """Tell whether it takes what a person adds while it works; else that is refused at once."""
        ...

    def run(
        self, task: Task, *, gate: Gate, history: Sequence[Turn], ask: Ask, words: Words
    ) -> AsyncGenerator[AgentEvent, None]:
        """Give events until the task is over. `history` is oldest first.

        Raises nothing of its own but cancellation, and NotPermitted as the gate gave it.
        """
        ...
