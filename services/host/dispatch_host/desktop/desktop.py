"""The one interface to a desktop, and what goes over it. Values only; pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

MOST_WINDOWS = 200
TITLE_CHARACTERS = 200


@dataclass(frozen=True, slots=True)
class Window:
    """A window that is open. `title` is the application's own words."""

    number: int  # as the system knows it; on macOS its place in the list
    app: str
    title: str = field(repr=False)
    is_active: bool = False


@dataclass(frozen=True, slots=True)
class Application:
    """Something that can be opened. `start` is what the system takes for it: an argument list, or a name."""

    name: str
    start: tuple[str, ...] = field(repr=False)
    window_class: str = ""
    """By which its windows may be known, in other words than its name."""


class NoDesktop(Exception):
    """There is no desktop that can be spoken to. `advice` is what the owner can do."""

    def __init__(self, why: str, advice: str = "") -> None:
        super().__init__(why)
        self.why = why
        self.advice = advice


class Desktop(Protocol):
    """A person's desktop. Every call raises NoDesktop where there is none."""

    async def windows(self) -> Sequence[Window]:
        """List the windows, at most MOST_WINDOWS."""
        ...

    async def focus(self, window: Window) -> None:
        """Ask for a window to come to the front. Whether it did, the next list says."""
        ...

    async def applications(self) -> Sequence[Application]:
        """List what can be opened."""
        ...

    async def start(self, application: Application) -> None:
        """Open an application, which outlives the task and the host. Raises OSError for one that is gone."""
        ...

    async def show(self, document: Path) -> None:
        """Open a document in the application that the person has for it."""
        ...


def cut(title: str) -> str:
    """Make a title one line that can be shown."""
    plain = "".join(char if char.isprintable() else " " for char in title.encode(errors="replace").decode())
    plain = " ".join(plain.split())
    return plain if len(plain) <= TITLE_CHARACTERS else f"{plain[: TITLE_CHARACTERS - 1]}…"
