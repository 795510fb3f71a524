"""macOS: windows through System Events, by AppleScript; applications and documents by `open`. Not run yet.

Called when the host runs on macOS. The person is asked once by the system whether the host may control System Events.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from dispatch_host.desktop.desktop import MOST_WINDOWS, Application, Window, cut
from dispatch_host.desktop.scripted import Run

# One line a window: process, tab, whether it is in front, tab, title.
_LIST = """
set found to ""
tell application "System Events"
  repeat with one in (processes whose background only is false)
    set front to frontmost of one
    repeat with shown in windows of one
      set found to found & name of one & tab & front & tab & (name of shown) & linefeed
    end repeat
  end repeat
end tell
return found
"""
_RAISE = """
on run argv
  tell application "System Events"
    tell process (item 1 of argv)
      set frontmost to true
      perform action "AXRaise" of (first window whose name is (item 2 of argv))
    end tell
  end tell
end run
"""
_WHERE = ("/Applications", "/System/Applications", "/System/Applications/Utilities")


class MacOS:
    """As a Desktop."""

    def __init__(self, run: Run, *, where: Sequence[Path] = tuple(map(Path, _WHERE))) -> None:
        """`where` is where applications are."""
        self._run = run
        self._where = where

    async def windows(self) -> Sequence[Window]:
        lines = [line.split("\t", 2) for line in (await self._run(("osascript", "-e", _LIST), {})).splitlines()]
        front = [index for index, line in enumerate(lines) if len(line) == 3 and line[1] == "true"][:1]
        return [
            Window(index, cut(line[0]), cut(line[2]), index in front)
            for index, line in enumerate(lines[:MOST_WINDOWS])
            if len(line) == 3
        ]

    async def focus(self, window: Window) -> None:
        await self._run(("osascript", "-e", _RAISE, window.app, window.title), {})

    async def applications(self) -> Sequence[Application]:
        found = [path for folder in self._where if folder.is_dir() for path in folder.glob("*.app")]
        return [Application(path.stem, (str(path),)) for path in sorted(found)]

    async def start(self, application: Application) -> None:
        await self._run(("open", "-a", *application.start), {})

    async def show(self, document: Path) -> None:
        await self._run(("open", "--", str(document)), {})
