"""Wires the agents that this host knows, by hand. Called by `run` and by a command line that is its own front desk.

What is slow to import is imported when an agent is made, so that listing them is quick.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from dispatch_host.agents import Agent
from dispatch_host.agents.acp.known import external_agents, own_folders
from dispatch_host.agents.acp.own import FILE
from dispatch_host.agents.acp.sending import Sending
from dispatch_host.agents.registry import BUILT_IN, Known, Registry
from dispatch_host.agents.terminal import Terminal, best_terminal
from dispatch_host.browser.session import Browser
from dispatch_host.browser.tools import BrowserTools
from dispatch_host.desktop.best import best_desktop
from dispatch_host.desktop.desktop import Desktop
from dispatch_host.desktop.planted import Planted
from dispatch_host.desktop.tools import DesktopTools
from dispatch_host.owned import Owned

if TYPE_CHECKING:
    from dispatch_host.agents.builtin.browsing import Visits
    from dispatch_host.agents.builtin.desk import Desk
    from dispatch_host.agents.builtin.driver import BuiltIn
    from dispatch_host.agents.toolbox import Toolbox
    from dispatch_host.browser.reach import Reach

# ruff: noqa: PLC0415 -- quick `--help`, quick start

LLM = "llm"


def known_agents(
    owned: Owned,
    environment: Mapping[str, str],
    *,
    toolboxes: Sequence[Toolbox] = (),
    reach: Reach | None = None,
) -> Registry:
    """Make the registry of a home. `reach` is what the browser may reach; without it the public internet.

    `toolboxes` are those that live as long as the host: a language model and external agents may call what is in them.
    """
    terminal = best_terminal(home=Path.home(), keep_out=owned.keep_out, environment=environment)
    browser = Browser(terminal.found, home=Path.home(), keep_out=owned.keep_out, environment=environment, reach=reach)
    desktop = best_desktop(environment, platform=sys.platform)
    others = [*_screens(owned, browser, desktop), *toolboxes]
    external = external_agents(
        owned.home.path / FILE,
        home=Path.home(),
        environment=environment,
        terminal=terminal,
        keep_out=owned.keep_out,
        records=owned.changes,
        toolboxes=[Sending(partial(_file_tools, owned, environment, terminal)), *others],
    )
    built_in = _built_in(owned, environment, terminal, browser, desktop)
    llm = _llm(owned, environment, terminal, others)
    return Registry([built_in, llm, *external])


def _built_in(
    owned: Owned,
    environment: Mapping[str, str],
    terminal: Terminal,
    browser: Browser,
    desktop: Desktop,
) -> Known:
    def make() -> Agent:
        from dispatch_host.agents.builtin.browsing import Visits
        from dispatch_host.agents.builtin.desk import Desk

        return _assistant(
            owned,
            environment,
            terminal,
            pages=Visits(browser, pictures=owned.pictures),
            desktop=Desk(desktop, home=Path.home(), keep_out=owned.keep_out, planted=_planted(owned)),
        )

    return Known(
        name=BUILT_IN,
        about="understands everyday requests about files; needs no key, no network",
        make=make,
    )


def _llm(
    owned: Owned,
    environment: Mapping[str, str],
    terminal: Terminal,
    toolboxes: Sequence[Toolbox],
) -> Known:
    def make() -> Agent:
        from dispatch_host.agents.llm import LanguageModel

        return LanguageModel(
            settings_home=owned.home.path,
            environment=environment,
            toolboxes=[*_own_tools(owned, environment, terminal), *toolboxes],
            clock=_clock(owned),
        )

    async def why_not() -> str:
        from dispatch_host.agents.llm.agent import why_not

        return await why_not(owned.home.path, environment)

    return Known(
        name=LLM, about="a language model with tools, as [llm] in agents.toml says", make=make, why_not=why_not
    )


def _own_tools(owned: Owned, environment: Mapping[str, str], terminal: Terminal) -> Sequence[Toolbox]:
    """Give the tools over what the host can do itself."""
    from dispatch_host.agents.tools import PersonTools, ProgramTools

    files = _file_tools(owned, environment, terminal)
    return [files, ProgramTools(terminal, home=Path.home(), keep_out=owned.keep_out), PersonTools()]


def _file_tools(owned: Owned, environment: Mapping[str, str], terminal: Terminal) -> Toolbox:
    from dispatch_host.agents.tools import FileTools

    assistant = _assistant(owned, environment, terminal)
    return FileTools(assistant, home=Path.home(), zone=owned.zone)


def _screens(owned: Owned, browser: Browser, desktop: Desktop) -> Sequence[Toolbox]:
    """Give the tools over web pages and the person's desktop."""
    home = Path.home()
    return [
        BrowserTools(browser, pictures=owned.pictures, home=home, keep_out=owned.keep_out),
        DesktopTools(desktop, home=home, keep_out=owned.keep_out, planted=_planted(owned)),
    ]


def _planted(owned: Owned) -> Planted:
    agents_own = own_folders(owned.home.path / FILE, home=Path.home())
    return Planted(home=Path.home(), agents_own=agents_own, environment=owned.environment)


def _assistant(
    owned: Owned,
    environment: Mapping[str, str],
    terminal: Terminal,
    *,
    pages: Visits | None = None,
    desktop: Desk | None = None,
) -> BuiltIn:
    from dispatch_host.agents.builtin.driver import BuiltIn

    return BuiltIn(
        keep_out=owned.keep_out,
        clock=_clock(owned),
        environment=environment,
        records=owned.changes,
        terminal=terminal,
        pages=pages,
        desktop=desktop,
    )


def _clock(owned: Owned) -> Callable[[], datetime]:
    """Give a clock that shows the zone as it is then: a person who travels changes it."""
    return lambda: datetime.now(owned.zone())
