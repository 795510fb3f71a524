"""The desktop's notifications, as the tests of the web phone have them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jeepney
import pytest
from jeepney.io.blocking import open_dbus_connection

from tests.support.power_end import private_bus
from tests.support.tray import Tray
from tests.support.waiting import until


class Watched(Tray):
    """A tray that notes how much it showed whenever it answered."""

    def __init__(self, bus: str) -> None:
        self.showed: list[int] = []
        super().__init__(bus)

    def answers(self, message: Any, signature: str = "", body: tuple[Any, ...] = ()) -> None:
        self.showed.append(len(self.ever))
        super().answers(message, signature, body)


@pytest.mark.parametrize("count", [1, 3])
async def test_what_is_shown_can_be_tapped_since_the_browser_has_its_number(count: int, tmp_path: Path) -> None:
    async with private_bus(tmp_path) as bus:
        tray = Watched(bus)
        await tray.comes()
        notifications = jeepney.DBusAddress(
            "/org/freedesktop/Notifications", bus_name=Tray.name_on_bus, interface=Tray.name_on_bus
        )
        with open_dbus_connection(bus=bus) as browser:
            for number in range(count):
                said: tuple[Any, ...] = ("browser", 0, "", "desk", "origin\n\nIt is done.", [], {}, -1)
                browser.send(jeepney.new_method_call(notifications, "Notify", "susssasa{sv}i", said))
                await until(lambda number=number: len(tray.ever) > number)  # type: ignore[misc]

    assert tray.showed == list(range(count))
    assert [one.body for one in tray.ever] == ["It is done."] * count
