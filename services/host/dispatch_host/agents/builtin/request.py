"""What one task of the assistant needs, and how it ends: what the host's process and the worker give each other. Values only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from dispatch_host.agents.agent import NotDone, Result
from dispatch_host.agents.asking import JSON
from dispatch_host.agents.builtin.errand import Errand, Part
from dispatch_host.agents.builtin.query import Query
from dispatch_host.scope import Folder, KeptOut


@dataclass(frozen=True, slots=True)
class Request:
    """Everything one task needs."""

    text: str
    folders: Sequence[Folder]
    memories: Sequence[Mapping[str, JSON]]  # of earlier turns, oldest first
    now: datetime
    home: str
    keep_out: Sequence[Path | KeptOut] = ()
    inbox: Path | None = None  # where the attachments of the thread are
    attachments: Sequence[Path] = ()  # those of this task
    task_id: str = ""
    earlier: Sequence[str] = ()  # the ids of the earlier tasks of the thread, oldest first
    records: Path | None = None  # where it is kept what was changed; nothing is changed without
    plan: bytes | None = None  # what a person said yes to: it is carried out, and nothing else is done
    undo: bool = False  # take the last change back, as it was said
    query: Query | None = None  # what a language model asks for; the text is not looked at then
    parts: frozenset[Part] = frozenset()  # what the host can carry out itself, if that is what the text asks for


@dataclass(frozen=True, slots=True)
class Outcome:
    """The end of a task. With choices the answer is a question, and one of them would answer it.

    With a plan the task is not at its end: the text are remarks on it, and it waits for a person's yes, or, where the plan
    is only to be undone, for the leave to change those files again. With an errand nothing was done: it is for the host.
    """

    event: Result | NotDone
    choices: Sequence[str] = ()
    plan: bytes | None = None
    undo: bool = False
    errand: Errand | None = None
