"""What a chain is: a table of links, each with those that it hangs on, and what was found about each. Pure.

A link whose needs are broken is not looked at: it says because of which it was not reached. Looking is the caller's: each link
names the function that does.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Generic, TypeVar

from dispatch import errors
from dispatch.api.error.v1.error_pb2 import Reason

P = TypeVar("P")


class State(StrEnum):
    """How a link is."""

    OK = "ok"
    WARNING = "warning"
    """It holds, and somebody should know something about it."""
    BROKEN = "broken"
    NOT_REACHED = "not_reached"
    """It was not looked at, because one before it is broken."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What was found about a link."""

    state: State
    text: str
    """A sentence for people."""
    advice: str = ""
    """The one thing to do; empty when there is nothing to be done here."""
    reason: Reason.ValueType = Reason.REASON_UNSPECIFIED


@dataclass(frozen=True, slots=True, kw_only=True)
class Link(Generic[P]):
    """One link: its name in the contract, what it hangs on, and how it is looked at."""

    name: str
    needs: tuple[str, ...] = ()
    look: Callable[[P], Awaitable[Finding]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What was found, about which link and of whom."""

    link: str
    about: str
    """Of several of a kind, which: a device's name, a folder."""
    finding: Finding


@dataclass(slots=True)
class Chart:
    """What has been found so far."""

    states: dict[str, State] = field(default_factory=dict)

    def in_the_way(self, needs: Sequence[str]) -> str | None:
        """Give the first broken link of those that a link hangs on; one that was not reached passes on why."""
        return next((name for name in needs if self.states.get(name) in (State.BROKEN, State.NOT_REACHED)), None)


async def walk(links: Sequence[Link[P]], patient: P, chart: Chart, *, about: str = "") -> AsyncIterator[Found]:
    """Look at one link after the other, in the order of the table; the chart is filled on the way."""
    for link in links:
        blocked = chart.in_the_way(link.needs)
        finding = await link.look(patient) if blocked is None else not_reached(blocked)
        chart.states[link.name] = finding.state
        yield Found(link=link.name, about=about, finding=finding)


def ok(text: str) -> Finding:
    """Say that a link holds."""
    return Finding(state=State.OK, text=text)


def warning(text: str, advice: str) -> Finding:
    """Say that a link holds, but."""
    return Finding(state=State.WARNING, text=text, advice=advice)


def broken(text: str, advice: str, *, reason: Reason.ValueType = Reason.REASON_UNSPECIFIED) -> Finding:
    """Say that a link is broken, and what to do."""
    return Finding(state=State.BROKEN, text=text, advice=advice, reason=reason)


def refused(error: errors.DispatchError) -> Finding:
    """Say that a link is broken, in the words of the reason."""
    text = f"{error.sentence} ({error.detail})" if error.detail and error.detail != error.sentence else error.sentence
    return broken(text, error.advice, reason=error.reason)


def not_reached(blocked: str) -> Finding:
    """Say that a link was not looked at."""
    return Finding(state=State.NOT_REACHED, text=f"not reached, because {blocked} is broken")


def first_broken(found: Sequence[Found]) -> Found | None:
    """Give the link to mend first."""
    return next((one for one in found if one.finding.state is State.BROKEN), None)
