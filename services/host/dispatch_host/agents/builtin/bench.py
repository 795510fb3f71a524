"""What every tool works with: the scope, the time, and a way to say how far it is. Made by program.py for one task."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from dispatch_host.agents.agent import AgentEvent, NotDoneReason, Progress, Step, Text
from dispatch_host.agents.builtin.markdown import code, plural
from dispatch_host.agents.builtin.query import Query, Style
from dispatch_host.changes import Plan
from dispatch_host.scope import Entry, Place, Scope, Tally, shown

_PAUSE_SECONDS = 0.2  # between two progress events


class CannotDo(Exception):
    """Ends the task as not done. `text` is the Markdown a person reads."""

    def __init__(self, reason: NotDoneReason, text: str) -> None:
        super().__init__(reason)
        self.reason = reason
        self.text = text


class NothingThere(Exception):
    """Ends the task as done: what was asked about does not exist. `text` is the Markdown that says so."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.text = text


class WhichOne(Exception):
    """Several files fit a request that needs one. Ends the task with a question that the next task can answer."""

    def __init__(self, query: Query, entries: Sequence[Entry]) -> None:
        super().__init__(query.action)
        self.query = query
        self.entries = list(entries)


@dataclass(slots=True)
class Findings:
    """What a tool gives back: the answer, and what a later request may refer to."""

    text: str
    items: Sequence[Entry] = ()  # "the second one"
    follow: Query | None = None  # what "the second one" asks for, when it is not the same request
    plan: Plan | None = None  # what would be changed, once a person has said yes; `text` are remarks on it then


@dataclass(slots=True)
class Bench:
    """The surroundings of one task. Only this and the Query decide what a tool does."""

    scope: Scope
    now: datetime
    home: str
    emit: Callable[[AgentEvent], None]
    places: Sequence[Place]  # where to look: never empty
    tally: Tally = field(default_factory=Tally)
    meant: Entry | None = None  # the one file a request is about, once it is found
    deep: bool = True  # whether subfolders are walked, too
    _last_progress: float = 0.0

    def shallow(self) -> Bench:
        """Give a bench that looks at the same, but into no subfolder."""
        return replace(self, deep=False)

    def step(self, title: str, detail: str = "") -> None:
        """Tell the person what is done now."""
        self.emit(Step(title, detail))

    def text(self, delta: str) -> None:
        """Show a part of the answer before the rest is there."""
        self.emit(Text(delta))

    def progress(self, done: int, total: int, unit: str) -> None:
        """Tell how far it is, at most a few times a second."""
        moment = time.monotonic()
        if moment - self._last_progress >= _PAUSE_SECONDS:
            self._last_progress = moment
            self.emit(Progress(done, total, unit))

    def files(self) -> Iterator[Entry]:
        """Walk all files of the places, telling how many were seen."""
        return (entry for entry in self.walk() if not entry.is_dir)

    def walk(self) -> Iterator[Entry]:
        """Walk all files and folders of the places."""
        for place in self.places:
            met = place.root.walk(place.path, self.tally) if self.deep else place.root.list(place.path, self.tally)
            for seen, entry in enumerate(met):
                if not seen % 1000:
                    self.progress(self.tally.files, 0, "files")
                yield entry

    def where(self) -> str:
        """Name the places as part of a sentence."""
        names = [code(place.label) for place in self.places]
        return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"

    def around(self) -> str:
        """Name the places plainly, for the detail of a step."""
        return ", ".join(shown(place.label) for place in self.places)

    def show(self, entry: Entry) -> str:
        """Name a file for a person: the folder it was approved by and the path in it."""
        return f"{entry.root.label}/{entry.path}"

    def modified(self, entry: Entry) -> datetime:
        """Give a file's modification time in the person's zone."""
        try:
            return datetime.fromtimestamp(entry.mtime_ns / 1e9, self.now.tzinfo)
        except (OverflowError, ValueError, OSError):
            return datetime(1970, 1, 1, tzinfo=self.now.tzinfo)

    def remarks(self) -> str:
        """Say what could not be looked at; empty when everything could."""
        tally = self.tally
        said = (
            (tally.unreadable, plural(tally.unreadable, "folder"), "that could not be read"),
            (tally.links, plural(tally.links, "link"), "(never followed)"),
            (tally.special, plural(tally.special, "special file"), "(pipes, sockets, devices)"),
            (tally.vanished, plural(tally.vanished, "entry", "entries"), "that vanished meanwhile"),
        )
        parts = [f"{what} {why}" for count, what, why in said if count]
        return f"Not looked at: {'; '.join(parts)}." if parts else ""


def style(query: Query, usual: Style) -> Style:
    """Choose how to show rows: as the person said, else as is usual for the tool."""
    return query.style or usual
