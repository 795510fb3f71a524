"""Wires the agents that this host knows, by hand. Called by `run` and by a command line that is its own front desk.

What is slow to import is imported when an agent is made, so that listing them is quick.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from dispatch_host.agents import Agent
from dispatch_host.agents.acp.known import external_agents
from dispatch_host.agents.acp.own import FILE
from dispatch_host.agents.registry import BUILT_IN, Known, Registry
from dispatch_host.agents.terminal import Terminal, best_terminal
from dispatch_host.owned import Owned

# ruff: noqa: PLC0415 -- quick `--help`, quick start


def known_agents(owned: Owned, environment: Mapping[str, str]) -> Registry:
    """Make the registry of a home."""
    terminal = best_terminal(home=Path.home(), keep_out=owned.keep_out, environment=environment)
    external = external_agents(
        owned.home.path / FILE,
        home=Path.home(),
        environment=environment,
        terminal=terminal,
        keep_out=owned.keep_out,
        records=owned.changes,
    )
    return Registry([_built_in(owned, environment, terminal), *external])


def _built_in(owned: Owned, environment: Mapping[str, str], terminal: Terminal) -> Known:
    def make() -> Agent:
        from dispatch_host.agents.builtin import BuiltIn

        return BuiltIn(
            keep_out=owned.keep_out,
            environment=environment,
            records=owned.changes,
            terminal=terminal,
        )

    return Known(name=BUILT_IN, about="understands everyday requests about files; needs no key, no network", make=make)
