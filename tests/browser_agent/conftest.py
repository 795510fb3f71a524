"""The agents' browser as it is: Chromium in the sandbox, and sites on this computer. `.ci/run` installs it and names this."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import pytest
from dispatch_host.agents import JSON, Allowed, Artifact, Denied, Progress, Reach, Said, Step, Task
from dispatch_host.agents.toolbox import Work
from dispatch_host.browser import reach
from dispatch_host.browser.session import Browser
from dispatch_host.browser.tools import BrowserTools
from dispatch_host.permissions.permission import BROWSER
from dispatch_host.sandbox.probe import probe
from dispatch_host.scope import Folder

from tests.support.agents import Nobody, OpenGate
from tests.support.site import Site, a_site
from tests.support.waiting import DEADLINE_SECONDS

YES = Allowed(Reach.ONCE, "phone")
NO = Denied("phone")


@pytest.fixture(autouse=True)
def everything_is_here() -> None:
    """Fail, and not skip, where the browser is missing: whoever names this folder wants it run."""
    for program in ("chromium", "bwrap"):
        if shutil.which(program) is None:
            pytest.fail(f"{program} is missing: apt-get install {program}")


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    async with a_site() as site:
        yield site


@dataclass
class Desk:
    """An agent's tools of one task, with a folder that may be written to."""

    browser: Browser
    folder: Path
    pictures: Path
    home: Path
    gate: OpenGate
    ask: Nobody = field(default_factory=Nobody)
    told: list[Step | Progress | Artifact] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.box = BrowserTools(self.browser, pictures=self.pictures, home=self.home, keep_out=[])
        self.work = self.task("task-1")

    def task(self, task_id: str) -> Work:
        """Begin another task."""
        return Work(Task(task_id, "?"), self.gate, self.ask, self._tell)

    def answers(self, *replies: Allowed | Denied | Said) -> None:
        """Have the person say this from now on."""
        self.ask._replies = list(replies)

    async def does(self, tool: str, **given: JSON) -> str:
        """Call a tool; gives what the model reads."""
        return await self.called(tool, given, self.work)

    async def sees(self, words: str, *, given: str) -> None:
        """Wait until an answer has the words, this one that was given or a later look: a script may do it behind the answer."""
        async with asyncio.timeout(DEADLINE_SECONDS):
            while words not in given:
                given = await self.does("read")

    async def called(self, tool: str, given: Mapping[str, JSON], work: Work) -> str:
        found = {one.name: one for one in await self.box.tools(work)}
        return await found[f"browser_{tool}"].run(given, work)

    @property
    def origins(self) -> list[str]:
        """List where the audit log says that pages went."""
        return [
            subject for permission, subject in self.gate.used if permission == BROWSER and subject.startswith("http")
        ]

    async def _tell(self, event: Step | Progress | Artifact) -> None:
        self.told.append(event)


def browser_for(tmp_path: Path, networks: str = "127.0.0.1/32") -> Browser:
    """Make a browser that may reach these networks besides the internet."""
    home = tmp_path / "home"
    home.mkdir(exist_ok=True)
    return Browser(partial(probe, home=home), home=home, reach=reach.Reach.parse(networks))


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    folder = tmp_path / "home" / "Downloads"
    folder.mkdir(parents=True)
    gate = OpenGate([Folder(folder, writable=True)], BROWSER)
    desk = Desk(browser_for(tmp_path), folder, tmp_path / "pictures", tmp_path / "home", gate)
    async with desk.work.closing:
        yield desk


def ref(text: str, name: str) -> str:
    """Find an element in what a model reads."""
    line = next(line for line in text.splitlines() if f'"{name}"' in line)
    return line.partition("[ref=")[2].partition("]")[0]
