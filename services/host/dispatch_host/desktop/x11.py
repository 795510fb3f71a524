"""A Linux desktop with X11: windows by the window manager's words (EWMH), applications by the menu, documents by xdg-open.

Each look is a connection of its own, on a thread that nobody waits for too long: an X server may hang. Titles are bounded.
"""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from dispatch.doctor.aside import aside

from dispatch_host.desktop import entries
from dispatch_host.desktop.desktop import MOST_WINDOWS, Application, NoDesktop, Window, cut

T = TypeVar("T")

_HERE = re.compile(r":(?P<number>\d{1,5})(\.\d+)?")  # a display of this computer
_SECONDS = 5.0
_PATH = "/usr/local/bin:/usr/bin:/bin:/usr/games"
_PASSED_ON = (
    *("DISPLAY", "XAUTHORITY", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "LANGUAGE", "LC_ALL", "PATH"),
    *("DBUS_SESSION_BUS_ADDRESS", "DESKTOP_SESSION", "WAYLAND_DISPLAY"),
)
_PASSED_ON_BEGINNING = ("XDG_", "GTK_", "QT_")
_LONG = 256  # of a property, in units of four bytes
_PAGER = 2  # who asks is no application, but the person's own means
# Windows that no person calls one.
_NOT_WINDOWS = ("_NET_WM_WINDOW_TYPE_DESKTOP", "_NET_WM_WINDOW_TYPE_DOCK")


class X11:
    """As a Desktop."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        """`environment` is that of the person's session; an application gets of it what it needs of the desktop."""
        self._environment = environment
        self._given = {
            name: value
            for name, value in environment.items()
            if name in _PASSED_ON or name.startswith(_PASSED_ON_BEGINNING)
        }

    async def windows(self) -> Sequence[Window]:
        return await self._look(_windows)

    async def focus(self, window: Window) -> None:
        await self._look(lambda display: _ask_for(display, window.number))

    async def applications(self) -> Sequence[Application]:
        folders = entries.folders(self._environment)
        return await aside(lambda: entries.applications(folders, path=self._path), seconds=_SECONDS)

    async def start(self, application: Application) -> None:
        await self._set_free(application.start)

    async def show(self, document: Path) -> None:
        if shutil.which("xdg-open", path=self._path) is None:
            raise NoDesktop("xdg-open is not installed.", "Install it (the package is called xdg-utils).")
        await self._set_free(("xdg-open", str(document)))

    @property
    def _path(self) -> str:
        return self._environment.get("PATH") or _PATH

    async def _set_free(self, argv: Sequence[str]) -> None:
        """Start something that is nobody's child: it belongs to the person, and outlives this process."""
        program = shutil.which(argv[0], path=self._path)
        if program is None:
            raise FileNotFoundError(argv[0])
        command = ("setsid", "--fork", program, *argv[1:])
        await aside(lambda: _run(command, self._given), seconds=_SECONDS)

    async def _look(self, work: Callable[[Any], T]) -> T:
        name = self._environment.get("DISPLAY")
        if not name:
            raise NoDesktop("The host has no desktop session.", "Start it inside of one, or give it its DISPLAY.")

        def connected() -> T:
            display = _display(name)
            try:
                return work(display)
            finally:
                display.close()

        try:
            return await aside(connected, seconds=_SECONDS)
        except TimeoutError as late:
            raise NoDesktop("The desktop does not answer.") from late


def _run(command: Sequence[str], environment: Mapping[str, str]) -> None:
    subprocess.run(  # noqa: S603 -- an entry of the person's menu, or a document for their own application
        command,
        env=environment,
        cwd="/",
        check=False,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def _display(name: str) -> Any:
    try:
        from Xlib import display as xlib  # noqa: PLC0415 -- an extra, and a quick start without it
        from Xlib.error import DisplayError, XauthError  # noqa: PLC0415
    except ImportError as missing:
        raise NoDesktop(
            "python-xlib is not installed.", "Install the host's extra: pip install 'dispatch-host[desktop]'."
        ) from missing
    try:
        # Xlib forgets to close what did not connect, and goes on to TCP: so a display of this computer is looked for first.
        if (here := _HERE.fullmatch(name)) is not None:
            _knock(here["number"])
        return xlib.Display(name)
    except (DisplayError, XauthError, OSError) as failure:
        raise NoDesktop(
            "The desktop session can't be reached.", "See that DISPLAY and XAUTHORITY of the host are the session's."
        ) from failure


def _knock(number: str) -> None:
    """Connect to a display of this computer, by its file or its name without one, and hang up. Raises OSError."""
    file = f"/tmp/.X11-unix/X{number}"  # noqa: S108 -- where X servers listen
    with socket.socket(socket.AF_UNIX) as knocking:
        knocking.connect(file if os.path.exists(file) else f"\0{file}")


def _windows(display: Any) -> list[Window]:
    root = display.screen().root
    if _property(display, root, "_NET_SUPPORTING_WM_CHECK") is None:
        raise NoDesktop("There is no window manager that tells what is open (EWMH).")
    active = (_property(display, root, "_NET_ACTIVE_WINDOW") or [0])[0]
    hidden = {display.intern_atom(name) for name in _NOT_WINDOWS}
    found = []
    for number in list(_property(display, root, "_NET_CLIENT_LIST") or [])[:MOST_WINDOWS]:
        window = display.create_resource_object("window", number)
        if hidden.isdisjoint(_property(display, window, "_NET_WM_WINDOW_TYPE") or []):
            found.append(Window(number, _app(display, window), _title(display, window), number == active))
    return found


def _app(display: Any, window: Any) -> str:
    said = _text(_property(display, window, "WM_CLASS")).split("\0")
    return cut(next((name for name in reversed(said) if name), "")) or "unknown"


def _title(display: Any, window: Any) -> str:
    return cut(_text(_property(display, window, "_NET_WM_NAME")) or _text(_property(display, window, "WM_NAME")))


def _text(value: Any) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else value if isinstance(value, str) else ""


def _property(display: Any, window: Any, name: str) -> Any:
    """Read a property; None where there is none, or the window is gone."""
    from Xlib.error import XError  # noqa: PLC0415 -- an extra
    from Xlib.X import AnyPropertyType  # noqa: PLC0415

    try:
        found = window.get_property(display.intern_atom(name), AnyPropertyType, 0, _LONG)
    except XError:
        return None
    return None if found is None else found.value


def _ask_for(display: Any, number: int) -> None:
    from Xlib.protocol.event import ClientMessage  # noqa: PLC0415 -- an extra
    from Xlib.X import SubstructureNotifyMask, SubstructureRedirectMask  # noqa: PLC0415

    root = display.screen().root
    window = display.create_resource_object("window", number)
    message = ClientMessage(
        window=window, client_type=display.intern_atom("_NET_ACTIVE_WINDOW"), data=(32, [_PAGER, 0, 0, 0, 0])
    )
    root.send_event(message, event_mask=SubstructureRedirectMask | SubstructureNotifyMask)
    display.sync()
