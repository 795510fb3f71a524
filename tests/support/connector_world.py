"""Connectors on a bench: a file, real servers in processes of their own, and a task that may use some of them."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from dispatch_host.agents import Allowed, Denied, Reach, Said, Task
from dispatch_host.agents.terminal import best_terminal
from dispatch_host.agents.toolbox import Tool, ToolFailed, Work
from dispatch_host.connectors.connector import Ending
from dispatch_host.connectors.connectors import Connectors
from dispatch_host.connectors.offer import Said as Told
from dispatch_host.connectors.offer import offer
from dispatch_host.connectors.starting import Starter
from dispatch_host.permissions.permission import Kind, Permission
from dispatch_host.scope import Folder

from tests.support.agents import Nobody, OpenGate
from tests.support.processes import ENVIRONMENT
from tests.support.waiting import until

SERVER = Path(__file__).with_name("connector_server.py")
YES = Allowed(Reach.ONCE, "phone")
HOST_SECRET = "what only the host knows"


class ConnectorWorld:
    """One host's connectors."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.home = root / "home"
        self.home.mkdir()
        self.file = root / "connectors.json"
        self.broke: list[Ending] = []
        self.told: list[Any] = []
        self.environment = {**ENVIRONMENT, "HOST_SECRET": HOST_SECRET, "TOKEN": "secret-token"}
        self.terminal = best_terminal(home=self.home, keep_out=[], environment=self.environment)
        self.agents_own: list[Path] = []
        self.starter = Starter(
            environment=self.environment,
            home=self.home,
            terminal=self.terminal,
            agents_own=lambda: self.agents_own,
        )
        self.connectors = Connectors(self.file, starter=self.starter)
        self.connectors.broke = self.broke.append

    async def __aenter__(self) -> ConnectorWorld:
        await self.connectors.__aenter__()
        return self

    async def __aexit__(self, *failure: object) -> None:
        await self.connectors.__aexit__(*failure)

    def defines(self, **servers: dict[str, Any]) -> None:
        """Write the file."""
        aside = self.file.with_suffix(".new")
        aside.write_text(json.dumps({"mcpServers": servers}))
        aside.replace(self.file)

    def program(self, name: str, *options: str, **more: Any) -> dict[str, Any]:
        """Give an entry for our server; what happens to it is read by `notes`."""
        return {"command": sys.executable, "args": [str(SERVER), str(self.root / name), *options], **more}

    def notes(self, name: str) -> list[str]:
        """Read what happened to a server."""
        path = self.root / name
        return path.read_text().splitlines() if path.exists() else []

    async def noted(self, name: str, what: str, times: int = 1) -> None:
        """Wait until something happened to a server."""
        await until(lambda: self.notes(name).count(what) >= times)

    def work(
        self, *granted: str, replies: Sequence[Allowed | Denied | Said] = (), folders: Sequence[Folder] = ()
    ) -> Work:
        """Give a task that may use these: `mail`, `mail/echo`. Its person answers so, and then no more."""
        gate = OpenGate(folders, *(Permission(Kind.CONNECTOR, name) for name in granted))

        async def tell(event: Any) -> None:
            self.told.append(event)

        return Work(Task("task-1", "work"), gate, Nobody(*replies), tell)

    async def tool(self, work: Work, name: str) -> Tool:
        """Find a tool by its name to a model."""
        found = {tool.name: tool for tool in await self.connectors.tools(work)}
        return found[name]

    async def calls(self, work: Work, name: str, **arguments: Any) -> dict[str, Any]:
        """Call a tool and give what a model reads."""
        return json.loads(await (await self.tool(work, name)).run(arguments, work))  # type: ignore[no-any-return]


async def failure(calling: Any) -> str:
    """Give the words of a call that fails."""
    try:
        await calling
    except ToolFailed as failed:
        return str(failed)
    raise AssertionError("it did not fail")


def asked(work: Work) -> list[Any]:
    """Give the questions that the person of a task was asked."""
    assert isinstance(work.ask, Nobody)
    return work.ask.asked


def used(work: Work) -> list[tuple[str, str]]:
    """Give the uses of permissions, in words."""
    assert isinstance(work.gate, OpenGate)
    return [(permission.words, subject) for permission, subject in work.gate.used]


def unasked(tool: str) -> dict[str, Any]:
    """Write that a tool of our server need not be asked for, as it is before it changes."""
    said = Told(tool, f"Does {tool}.", {"type": "object", "properties": {"text": {"type": "string"}}})
    return {tool: {"ask": False, "digest": offer([said]).tools[tool].digest}}
