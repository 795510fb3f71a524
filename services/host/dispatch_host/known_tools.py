"""Wires the tools that others bring: connectors and skills. Called by `run` and by a command line that is its own front desk."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from dispatch_host.agents.acp.known import own_folders
from dispatch_host.agents.acp.own import FILE as AGENTS
from dispatch_host.agents.terminal import best_terminal
from dispatch_host.agents.toolbox import Toolbox
from dispatch_host.connectors.connectors import FILE, Connectors
from dispatch_host.connectors.starting import Starter
from dispatch_host.owned import Owned
from dispatch_host.skills.shelves import Shelves
from dispatch_host.skills.skills import Skills


@dataclass(frozen=True, slots=True)
class Tools:
    """What agents have of others, on one host."""

    connectors: Connectors
    skills: Skills
    shelves: Shelves

    @property
    def toolboxes(self) -> Sequence[Toolbox]:
        """Give what a language model may call from."""
        return [self.connectors, self.skills]


def known_tools(owned: Owned, environment: Mapping[str, str]) -> Tools:
    """Make the tools of a home. The connectors are to be entered before they are used."""
    terminal = best_terminal(home=Path.home(), keep_out=owned.keep_out, environment=environment)
    agents_own = own_folders(owned.home.path / AGENTS, home=Path.home())
    starter = Starter(environment=environment, home=Path.home(), terminal=terminal, agents_own=agents_own)
    shelves = Shelves(owned.home.path)
    skills = Skills(shelves.paths, terminal=terminal, agents_own=agents_own, home=Path.home(), keep_out=owned.keep_out)
    return Tools(Connectors(owned.home / FILE, starter=starter), skills, shelves)
