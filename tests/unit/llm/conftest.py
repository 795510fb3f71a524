"""A language model at a provider of the tests' own, in both of the forms that providers speak."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pytest
from dispatch_host.agents import AgentEvent, Artifact, NotDone, Result, Step, Task, Text, Turn, Words
from dispatch_host.agents.builtin.driver import BuiltIn
from dispatch_host.agents.llm import LanguageModel
from dispatch_host.agents.llm.limits import Patience
from dispatch_host.agents.terminal import Terminal
from dispatch_host.agents.toolbox import Toolbox
from dispatch_host.agents.tools import FileTools, PersonTools, ProgramTools
from dispatch_host.permissions.permission import Permission
from dispatch_host.scope import Folder, KeptOut

from tests.support.agents import Nobody, OpenGate, SaidMeanwhile, last
from tests.support.model_server import ModelServer

NOW = datetime(2026, 11, 21, 9, 30, tzinfo=UTC)
KEY = "sk-canary-0123456789"
BOTH = ("openai", "anthropic")


@dataclass(slots=True)
class Desk:
    """A host's home with a model that is set, files that may be touched, and what came of a task."""

    home: Path
    files: Path
    server: ModelServer
    provider: str
    toolboxes: list[Toolbox] = field(default_factory=list)
    terminal: Terminal | None = None
    gate: OpenGate = field(init=False)
    events: list[AgentEvent] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Set the model, and approve the folder for changing."""
        key = self.home / "key"
        key.write_text(f"{KEY}\n")
        key.chmod(0o600)
        self.set()
        self.permit(Folder(self.files, writable=True))

    def set(self, **more: str | int) -> None:
        """Write agents.toml."""
        base = self.server.address + ("" if self.provider == "anthropic" else "/v1")
        said = {
            "provider": self.provider,
            "model": "scripted",
            "base_url": base,
            "key_file": str(self.home / "key"),
            **more,
        }
        lines = [f"{name} = {json.dumps(value)}" for name, value in said.items()]
        (self.home / "agents.toml").write_text("\n".join(["[llm]", *lines]))

    def permit(self, *folders: Folder, permissions: Sequence[Permission] = ()) -> None:
        """Permit these, and nothing else."""
        self.gate = OpenGate(folders, *permissions)

    def agent(self, patience: Patience | None = None) -> LanguageModel:
        """Make the agent, as the registry does for each task."""
        worker = BuiltIn(
            home=self.files.parent,
            keep_out=[self.home],
            clock=lambda: NOW,
            terminal=self.terminal,
            records=self.home / "changes",
        )
        boxes: list[Toolbox] = [
            FileTools(worker, home=self.files.parent, zone=lambda: UTC),
            PersonTools(),
            *self.toolboxes,
        ]
        if self.terminal is not None:
            boxes.append(ProgramTools(self.terminal, home=self.files.parent, keep_out=[KeptOut.at(self.home)]))
        return LanguageModel(
            settings_home=self.home,
            environment={},
            toolboxes=boxes,
            clock=lambda: NOW,
            home=self.files.parent,
            patience=patience or Patience(tries=3, first_seconds=0.0),
        )

    async def does(
        self,
        text: str,
        *,
        ask: Nobody | None = None,
        words: Words | None = None,
        history: Sequence[Turn] = (),
        task: Task | None = None,
        patience: Patience | None = None,
    ) -> Result | NotDone:
        """Do a task to its end."""
        self.events = []
        running = self.agent(patience).run(
            task or Task("task-1", text),
            gate=self.gate,
            history=history,
            ask=ask or Nobody(),
            words=words or SaidMeanwhile(),
        )
        async for event in running:
            self.events.append(event)
        return last(self.events)

    @property
    def shown(self) -> str:
        """Give the partial answer as it was shown."""
        return "".join(event.delta for event in self.events if isinstance(event, Text))

    @property
    def steps(self) -> list[str]:
        """Give the titles of what was done."""
        return [event.title for event in self.events if isinstance(event, Step)]

    @property
    def sent(self) -> list[Path]:
        """Give the files that were sent to the phone."""
        return [event.path for event in self.events if isinstance(event, Artifact)]

    @property
    def given(self) -> list[str]:
        """Give what the tools gave the model, as it was told last."""
        return self.server.asked[-1].given


@pytest.fixture
async def server() -> AsyncIterator[ModelServer]:
    """Give a provider."""
    async with ModelServer() as server:
        yield server


@pytest.fixture
def make_desk(tmp_path: Path, server: ModelServer) -> Callable[[str], Desk]:
    """Give a way to make a desk for either form."""

    def make(provider: str) -> Desk:
        home, files = tmp_path / "home", tmp_path / "files"
        home.mkdir(mode=0o700)
        files.mkdir()
        return Desk(home, files, server, provider)

    return make


@pytest.fixture(params=BOTH)
def desk(request: pytest.FixtureRequest, make_desk: Callable[[str], Desk]) -> Desk:
    """Give a desk, once for each form."""
    return make_desk(request.param)


@pytest.fixture
def one_desk(make_desk: Callable[[str], Desk]) -> Desk:
    """Give a desk, where the form makes no difference."""
    return make_desk("openai")
