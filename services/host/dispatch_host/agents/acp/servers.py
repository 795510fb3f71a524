"""The connectors that an external agent may use by itself, as it is told of them. Values; whoever has connectors makes them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from dispatch_host.agents.agent import Gate


@dataclass(frozen=True, slots=True, kw_only=True)
class StdioServer:
    """A server that the agent starts itself: in its own sandbox, with nothing that the agent has not."""

    name: str
    command: Sequence[str] = field(repr=False)  # the first is an absolute path
    variables: Mapping[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpServer:
    """A server that the agent speaks to over streamable HTTP."""

    name: str
    url: str = field(repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)


Servers: TypeAlias = Callable[[Gate], Sequence[StdioServer | HttpServer]]
"""Gives those that the task may use now."""


def none(gate: Gate) -> Sequence[StdioServer | HttpServer]:
    """Give none."""
    del gate
    return ()
