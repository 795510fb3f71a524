"""Bringing to the front and opening, and seeing whether it came: a desktop tells nobody, so the windows are looked at.

Called by tools.py and the built-in assistant. Knows only the interface.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

from dispatch_host.desktop.desktop import Application, Desktop, Window
from dispatch_host.desktop.matching import is_of

FOCUS_SECONDS = 3.0
OPEN_SECONDS = 10.0
_LOOK_SECONDS = 0.2
_LEAST_LOOKS = 10
"""However long they take: when this computer has stood still all the time, one look tells how it was before, and no more."""
Look = Callable[[Sequence[Window]], Window | None]


async def focused(desktop: Desktop, window: Window, *, seconds: float = FOCUS_SECONDS) -> bool:
    """Bring a window to the front; gives whether it came. Raises NoDesktop."""
    await desktop.focus(window)
    return await _seen(desktop, lambda now: _active(window, now), seconds) is not None


async def opened(desktop: Desktop, application: Application, *, seconds: float = OPEN_SECONDS) -> Window | None:
    """Open an application; gives the window that came, None when none was seen. Raises NoDesktop, OSError."""
    return await _opened(
        desktop, lambda: desktop.start(application), lambda window, _: is_of(window, application), seconds
    )


async def shown(desktop: Desktop, document: Path, *, seconds: float = OPEN_SECONDS) -> Window | None:
    """Open a document; gives the window that came, or that has its name now. Raises NoDesktop, OSError."""

    def has_it(window: Window, before: Window | None) -> bool:
        return document.stem.casefold() in window.title.casefold() and (before is None or before.title != window.title)

    return await _opened(desktop, lambda: desktop.show(document), has_it, seconds)


async def _opened(
    desktop: Desktop,
    do: Callable[[], Awaitable[None]],
    fits: Callable[[Window, Window | None], bool],
    seconds: float,
) -> Window | None:
    """Do something and look what comes: a window that fits at once, any other new one when the time is over."""
    before = {window.number: window for window in await desktop.windows()}
    other: list[Window] = []

    def look(now: Sequence[Window]) -> Window | None:
        other[:] = [window for window in now if window.number not in before]
        fitting = [window for window in other if fits(window, None)]
        fitting += [one for one in now if one.number in before and one not in fitting and _changed(one, before, fits)]
        return fitting[0] if fitting else None

    await do()
    return await _seen(desktop, look, seconds) or next(iter(other), None)


def _changed(window: Window, before: dict[int, Window], fits: Callable[[Window, Window | None], bool]) -> bool:
    return window.title != before[window.number].title and fits(window, before[window.number])


def _active(wanted: Window, now: Sequence[Window]) -> Window | None:
    return next((window for window in now if window.number == wanted.number and window.is_active), None)


async def _seen(desktop: Desktop, look: Look, seconds: float) -> Window | None:
    """Look until something is seen, or the time is over and it was looked often enough."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + seconds
    looks = 0
    while True:
        found = look(await desktop.windows())
        looks += 1
        if found is not None or (looks >= _LEAST_LOOKS and loop.time() >= deadline):
            return found
        await asyncio.sleep(_LOOK_SECONDS)
