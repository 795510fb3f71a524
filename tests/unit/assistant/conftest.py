"""Folders to ask about, and a way to ask: in this process, for the answers; the worker has tests of its own."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from dispatch_host.agents import JSON, AgentEvent, Artifact, NotDone, NotDoneReason, Result
from dispatch_host.agents.builtin.approvals import approval
from dispatch_host.agents.builtin.program import run
from dispatch_host.agents.builtin.request import Outcome, Request
from dispatch_host.changes import Plan
from dispatch_host.scope import Folder

NOW = datetime(2026, 11, 21, 9, 30, tzinfo=UTC)  # a Saturday


class Person:
    """Asks one thing after the other in one thread."""

    def __init__(self, home: Path, *folders: str, keep_out: Sequence[Path] = (), write: bool = False) -> None:
        self.home = home
        self.folders = [Folder(home / name, writable=write) for name in folders]
        self.memories: list[Mapping[str, JSON]] = []
        self.events: list[AgentEvent] = []
        self.choices: Sequence[str] = ()
        self.keep_out = keep_out
        self.inbox: Path | None = None
        self.records = home.parent / f"{home.name}-changes"
        self.says_yes = True
        self.previews: list[str] = []
        self.plans: list[Plan] = []
        self._tasks: list[str] = []

    def end(self, text: str, *attached: str) -> Result | NotDone:
        """Ask, with files of the inbox attached, and give the event that ended the task."""
        self.events = []
        paths = [self.inbox / name for name in attached] if self.inbox else []
        request = Request(
            text,
            self.folders,
            self.memories,
            NOW,
            str(self.home),
            self.keep_out,
            inbox=self.inbox,
            attachments=paths,
            task_id=f"task-{len(self._tasks)}",
            earlier=tuple(self._tasks),
            records=self.records,
        )
        self._tasks.append(request.task_id)
        outcome = run(request, self.events.append)
        if outcome.plan is not None:
            outcome = self._asked(request, outcome, outcome.plan)
        self.choices = outcome.choices
        if outcome.event.memory:
            self.memories.append(json.loads(json.dumps(outcome.event.memory)))
        return outcome.event

    def _asked(self, request: Request, outcome: Outcome, written: bytes) -> Outcome:
        """Say yes or no to a plan, as the driver asks for it."""
        if outcome.undo:
            return run(replace(request, undo=True), self.events.append)
        question = approval(Plan.from_bytes(written), outcome.event.text, self.folders)
        self.plans.append(Plan.from_bytes(question.action))
        self.previews.append(question.preview)
        if not self.says_yes:
            return Outcome(NotDone(NotDoneReason.PERSON_DENIED, "no", outcome.event.memory))
        return run(replace(request, plan=question.action), self.events.append)

    def carries_out(self, plan: Plan) -> Result | NotDone:
        """Have a plan carried out as if it had been approved, and give the end."""
        request = Request(
            "", self.folders, (), NOW, str(self.home), self.keep_out, task_id="given", records=self.records
        )
        return run(replace(request, plan=plan.to_bytes()), self.events.append).event

    def asks(self, text: str, *attached: str) -> str:
        """Ask for something that gets done, and give the answer."""
        end = self.end(text, *attached)
        assert isinstance(end, Result), f"{text!r} was not done: {end}"
        end.text.encode()
        return end.text

    def sent(self) -> list[str]:
        """Give the files that the last task sent to the phone."""
        return [str(event.path) for event in self.events if isinstance(event, Artifact)]

    def is_refused(self, text: str) -> NotDoneReason:
        """Ask for something that does not get done, and give the reason."""
        end = self.end(text)
        assert isinstance(end, NotDone), f"{text!r} was done: {end}"
        return end.reason


def rows(answer: str) -> list[list[str]]:
    """Take the cells of the first table of an answer, without its heading."""
    lines = answer.splitlines()
    start = next(index for index, line in enumerate(lines) if line.startswith("| ---"))
    found = []
    for line in lines[start + 1 :]:
        if not line.startswith("|"):
            break
        found.append([cell.strip() for cell in line[1:-1].replace("\\|", "\0").split("|")])
    return [[cell.replace("\0", "|") for cell in row] for row in found]


def put(path: Path, content: bytes | str = b"", *, modified: datetime | None = None) -> Path:
    """Write a file with its folders, and set when it was modified."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    if modified is not None:
        os.utime(path, (modified.timestamp(), modified.timestamp()))
    return path


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home with two approved folders and one that is not."""
    home = tmp_path.resolve()
    for name in ("Downloads", "Documents", "Private"):
        (home / name).mkdir()
    return home


@pytest.fixture
def person(home: Path) -> Person:
    return Person(home, "Downloads", "Documents")


@pytest.fixture
def owner(home: Path) -> Person:
    """Somebody who lets their files be changed."""
    return Person(home, "Downloads", "Documents", write=True)


@pytest.fixture
def make_pdf() -> Callable[..., Path]:
    """Makes real PDFs: a title, then paragraphs; `pages` says how many pages the paragraphs take."""

    def make(path: Path, title: str, *paragraphs: str, password: str = "") -> Path:
        from reportlab.lib.pdfencrypt import StandardEncryption
        from reportlab.lib.styles import getSampleStyleSheet
        from reportlab.platypus import PageBreak, Paragraph, SimpleDocTemplate

        styles = getSampleStyleSheet()
        path.parent.mkdir(parents=True, exist_ok=True)
        encrypt = StandardEncryption(password, canPrint=0) if password else None
        story = [Paragraph(title, styles["Title"])] if title else []
        story += [PageBreak() if text == "\f" else Paragraph(text, styles["BodyText"]) for text in paragraphs]
        SimpleDocTemplate(str(path), encrypt=encrypt, invariant=1).build(story or [PageBreak()])
        return path

    return make
