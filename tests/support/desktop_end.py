"""A desktop that is not there: remembers what was asked of it, and does what the test says."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from dispatch_host.desktop.desktop import Application, NoDesktop, Window
from dispatch_host.desktop.planted import Planted


def planted(home: Path) -> Planted:
    """Tell the applications that lie in approved folders."""
    return Planted(home=home, agents_own=list, environment={"PATH": "/usr/bin:/bin", "HOME": str(home)})


@dataclass
class RecordedDesktop:
    """As a Desktop. `then` is called after something was asked for, with the desktop, to change its windows."""

    open: list[Window] = field(default_factory=list)
    menu: list[Application] = field(default_factory=list)
    asked: list[tuple[str, object]] = field(default_factory=list)
    then: Callable[[RecordedDesktop], None] = lambda _: None
    is_there: bool = True

    async def windows(self) -> Sequence[Window]:
        if not self.is_there:
            raise NoDesktop("There is none.", "Start one.")
        return list(self.open)

    async def focus(self, window: Window) -> None:
        self._heard("focus", window.number)

    async def applications(self) -> Sequence[Application]:
        return list(self.menu)

    async def start(self, application: Application) -> None:
        self._heard("start", application.name)

    async def show(self, document: Path) -> None:
        self._heard("show", document)

    def _heard(self, what: str, subject: object) -> None:
        self.asked.append((what, subject))
        self.then(self)

    def brings_to_front(self, number: int) -> None:
        """Have one window be the active one."""
        self.open = [Window(one.number, one.app, one.title, one.number == number) for one in self.open]
