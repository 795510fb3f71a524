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
    because: str = ""
    """Of a link that was not reached: which broken one is in the way."""


@dataclass(frozen=True, kw_only=True)  # without slots: Python 3.11 can't make a generic one that has them
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

    in_the_way_of: dict[str, str] = field(default_factory=dict)
    """For each link that is broken or was not reached, the broken one: itself, or the one that is in its way."""

    def note(self, link: str, finding: Finding) -> None:
        """Note what was found."""
        if finding.state is State.BROKEN:
            self.in_the_way_of[link] = link
        elif finding.state is State.NOT_REACHED:
            self.in_the_way_of[link] = finding.because

    def in_the_way(self, needs: Sequence[str]) -> str | None:
        """Give the broken link that keeps one with these needs from being looked at."""
        return next((self.in_the_way_of[name] for name in needs if name in self.in_the_way_of), None)

    def copy(self) -> Chart:
        """Give another with the same findings, to go on with one of several ways."""
        return Chart(dict(self.in_the_way_of))


async def walk(links: Sequence[Link[P]], patient: P, chart: Chart, *, about: str = "") -> AsyncIterator[Found]:
    """Look at one link after the other, in the order of the table; the chart is filled on the way."""
    for link in links:
        blocked = chart.in_the_way(link.needs)
        finding = await link.look(patient) if blocked is None else not_reached(blocked)
        chart.note(link.name, finding)
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
    return Finding(state=State.NOT_REACHED, text=f"not reached, because {blocked} is broken", because=blocked)


def first_broken(found: Sequence[Found]) -> Found | None:
    """Give the link to mend first."""
    return next((one for one in found if one.finding.state is State.BROKEN), None)
