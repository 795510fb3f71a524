"""Keeps awake by the library wakepy: the desktop's session manager on Linux, caffeinate on macOS, Windows' own call.

On Linux it knows desktops only; where there is none it says so and `logind` is asked. What it says is checked: a variable
in the environment makes it pretend, and a session manager that ends takes the lock with it in silence.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dispatch.api.error.v1.error_pb2 import Reason

from dispatch_host.power.awake import Lock, NotGiven

if TYPE_CHECKING:
    from wakepy import DBusAdapter, Mode

CALL_SECONDS = 2.0
_PRETENDED = "WakepyFakeSuccess"


@dataclass(slots=True)
class DesktopLock:
    """A lock of the desktop's."""

    _mode: Mode
    by: str
    _owner: str | None
    """Who held the name on the session bus when the lock was taken; empty for nobody, None while that could not be asked."""
    _adapters: Sequence[DBusAdapter]

    def is_held(self) -> bool:
        """Tell whether the session manager that gave it is still there. While nothing can be asked: yes."""
        owner = _owner_of(self.by)
        if self._owner is None:
            self._owner = owner
        return owner is None or owner == self._owner

    def release(self) -> None:
        """Let go of it."""
        _leave(self._mode, self._adapters)


class Desktop:
    """Keeps awake as the desktop does for a film that is playing. A `Means`."""

    def take(self) -> Lock:
        """Ask for a lock. Raises NotGiven where wakepy finds nobody to ask."""
        from wakepy import keep  # noqa: PLC0415 -- slow, and only `run` keeps awake

        adapters: list[DBusAdapter] = []
        mode = keep.running(on_fail="pass", dbus_adapter=_noted_in(adapters))
        mode.__enter__()
        method = mode.active_method.name if mode.active_method is not None else ""
        if mode.active and method != _PRETENDED:
            return DesktopLock(mode, method, _owner_of(method), adapters)
        _leave(mode, adapters)
        raise NotGiven(Reason.REASON_KEEP_AWAKE_UNAVAILABLE, "no desktop that could")


def _noted_in(adapters: list[DBusAdapter]) -> type[DBusAdapter] | None:
    """Give wakepy's way to the bus, which notes what it opens: wakepy itself leaves it open when the bus answers with an error."""
    if sys.platform != "linux":
        return None
    from wakepy.dbus_adapters.jeepney import JeepneyDBusAdapter  # noqa: PLC0415 -- installed on Linux only

    class Noted(JeepneyDBusAdapter):
        def __init__(self) -> None:
            super().__init__()
            adapters.append(self)

    return Noted


def _leave(mode: Mode, adapters: Sequence[DBusAdapter]) -> None:
    with contextlib.suppress(Exception):  # the bus may be gone, and the lock with it
        mode.__exit__(None, None, None)
    for adapter in adapters:
        with contextlib.suppress(Exception):
            adapter.close_connections()


def _owner_of(name: str) -> str | None:
    """Give who holds a name on the session bus: empty for nobody, or where there is no bus; None when it did not say.

    A bus that is slow for a moment is no news of a lock: taken for one, it would be let go of and asked for again.
    """
    if sys.platform != "linux":
        return ""
    import jeepney  # noqa: PLC0415 -- installed on Linux only
    from jeepney.io.blocking import open_dbus_connection  # noqa: PLC0415 -- as above

    try:
        with open_dbus_connection(bus="SESSION") as connection:
            asked = jeepney.message_bus.GetNameOwner(name)
            answer = connection.send_and_get_reply(asked, timeout=CALL_SECONDS)
    except TimeoutError:
        return None
    except (OSError, KeyError, ValueError, EOFError):
        return ""
    if answer.header.message_type is jeepney.MessageType.method_return:
        return str(answer.body[0])
    error = answer.header.fields.get(jeepney.HeaderFields.error_name)
    return "" if error == "org.freedesktop.DBus.Error.NameHasNoOwner" else None
