"""The desktop's notifications, as a browser gives them to it over D-Bus: what is shown now, and a person who taps.

As much of org.freedesktop.Notifications as Chromium asks for. A tap is the desktop's signal, so the browser does with it what it
does for a person: it wakes the service worker, which may then open windows.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.support.power_end import BusService
from tests.support.waiting import until

TAPPED = "default"
_ABOUT: dict[str, tuple[str, tuple[Any, ...]]] = {
    "GetCapabilities": ("as", (["actions", "body", "persistence"],)),
    "GetServerInformation": ("ssss", ("tray", "dispatch", "1", "1.2")),
}
"""What a browser asks a tray of itself."""


@dataclass(frozen=True, slots=True)
class Shown:
    """A notification. `actions`: what each of its buttons is called, and the name that the browser knows it by."""

    number: int
    title: str
    body: str
    actions: dict[str, str]


class Tray(BusService):
    """Shows notifications. `shown` has those that are there, by number; `ever` all, also those whose place was taken."""

    name_on_bus = "org.freedesktop.Notifications"

    def __init__(self, bus: str) -> None:
        # Written by the thread that reads the bus, and only read by the test's.
        self.shown: dict[int, Shown] = {}
        self.ever: list[Shown] = []
        super().__init__(bus)

    def called(self, message: Any, member: str) -> None:
        match member:
            case "Notify":
                replaces, _icon, title, body, actions = message.body[1:6]
                number = replaces or len(self.ever) + 1
                self.answers(message, "u", (number,))
                # Only now: a browser knows nothing of a tap on what it has no number of.
                self._show(number, title, body, actions)
            case "CloseNotification":
                self.shown.pop(message.body[0], None)
                self.answers(message)
            case _:
                self.answers(message, *_ABOUT.get(member, ()))

    def _show(self, number: int, title: str, body: str, actions: list[str]) -> None:
        labels = dict(zip(actions[1::2], actions[::2], strict=True))
        # Chromium writes the origin above the words, and has a button for its own settings.
        self.ever.append(
            Shown(number, title, body.partition("\n\n")[2], {k: v for k, v in labels.items() if v.isdigit()})
        )
        self.shown[number] = self.ever[-1]

    async def shows(self, such: Callable[[Shown], bool]) -> Shown:
        """Wait until such a notification is there."""
        found: list[Shown] = []

        def there() -> bool:
            found[:] = [one for one in list(self.shown.values()) if such(one)]
            return bool(found)

        await until(there)
        return found[0]

    async def is_empty(self) -> None:
        """Wait until none is there."""
        await until(lambda: not self.shown)

    async def tap(self, one: Shown, action: str = "") -> None:
        """Tap a notification, or a button of it by its words."""
        import jeepney

        tray = jeepney.DBusAddress("/org/freedesktop/Notifications", interface=self.name_on_bus)
        tapped = (one.number, one.actions[action] if action else TAPPED)
        await asyncio.to_thread(self._connection.send, jeepney.new_signal(tray, "ActionInvoked", "us", tapped))
