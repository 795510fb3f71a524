"""All tools that an agent can be given, with everything permitted; and those of them that take no path, with why."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC
from typing import cast

from dispatch_host.agents import Task
from dispatch_host.agents.terminal import Terminal
from dispatch_host.agents.toolbox import Toolbox, Work
from dispatch_host.agents.tools import FileTools, PersonTools, ProgramTools
from dispatch_host.browser.session import Browser
from dispatch_host.browser.tools import BrowserTools
from dispatch_host.desktop.tools import DesktopTools
from dispatch_host.permissions.permission import BROWSER, DESKTOP, TERMINAL
from dispatch_host.sandbox.probe import Found
from dispatch_host.sandbox.unconfined import Unconfined
from dispatch_host.skills.skills import Skills

from tests.escape.ground import Ground
from tests.escape.others import Everybody, Here
from tests.support.agents import OpenGate
from tests.support.desktop_end import RecordedDesktop, planted

_A_PAGE = "acts on the page that is open, by a mark that the host gave it"
WITHOUT_A_PATH: Mapping[str, str] = {
    "ask_person": "words for the person",
    "load_skill": "a name out of a list of the host's",
    "browser_open": "an address; file: and the rest are in tests/browser_agent/test_hostile.py",
    "browser_read": _A_PAGE,
    "browser_click": _A_PAGE,
    "browser_fill": _A_PAGE,
    "browser_press": _A_PAGE,
    "browser_back": _A_PAGE,
    "browser_table": _A_PAGE,
    "browser_screenshot": _A_PAGE,
    "desktop_windows": "takes nothing",
    "desktop_focus": "a window out of a list of the desktop's",
    "desktop_open_application": "an application out of the person's menu",
}


class ThereIsABrowser:
    """As far as its tools ask."""

    is_installed = True


async def given(ground: Ground) -> set[str]:
    """List the tools by their names."""

    async def nothing() -> Found:
        raise AssertionError("listing starts no program")

    async def tell(_: object) -> None:
        return None

    home = ground.root / "user"
    shelf = ground.root / "shelf"
    (shelf / "tidy").mkdir(parents=True)
    (shelf / "tidy" / "SKILL.md").write_text("---\nname: tidy\ndescription: Tidies.\n---\nNothing.\n")
    terminal = Terminal(nothing, unconfined=Unconfined(home=home))
    browser = cast("Browser", ThereIsABrowser())
    toolboxes: list[Toolbox] = [
        FileTools(Here(ground), home=home, zone=lambda: UTC),
        ProgramTools(terminal, home=home, keep_out=[]),
        PersonTools(),
        BrowserTools(browser, pictures=ground.root, home=home, keep_out=[]),
        DesktopTools(RecordedDesktop(), home=home, keep_out=[], planted=planted(home)),
        Skills(lambda: [shelf], terminal=terminal, agents_own=list, home=home, keep_out=[]),
    ]
    gate = OpenGate(ground.folders, TERMINAL, BROWSER, DESKTOP)
    work = Work(Task("task-1", "", ground.inbox), gate, Everybody(), tell)
    return {tool.name for toolbox in toolboxes for tool in await toolbox.tools(work)}
