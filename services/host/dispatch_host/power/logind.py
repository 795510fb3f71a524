"""systemd's logind, on the system bus: tells before sleep and shutdown and lets itself be held back, and keeps awake.

Its locks are file descriptors: held until they are closed, by a process that dies as well. Blocking on purpose and on
threads of its own: jeepney passes descriptors only where it blocks.
"""

from __future__ import annotations

import asyncio
import contextlib
import select
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dispatch.api.error.v1.error_pb2 import Reason
from dispatch.runtime.logs import get_logger

from dispatch_host.power.awake import Lock, NotGiven
from dispatch_host.power.sleep import Heard

if TYPE_CHECKING:
    from jeepney.fds import FileDescriptor
    from jeepney.io.blocking import DBusConnection

CALL_SECONDS = 5.0
FAREWELL_SECONDS = 0.5
"""How long the computer is held back from sleeping while the notice leaves."""
AGAIN_SECONDS = 5.0
"""How soon a bus, or a lock, that went away is asked for again."""
_LOOK_SECONDS = 0.25

_DENIED = (
    "org.freedesktop.DBus.Error.AccessDenied",
    "org.freedesktop.DBus.Error.InteractiveAuthorizationRequired",
    "org.freedesktop.PolicyKit1.Error.NotAuthorized",
)
_NO_BUS = (OSError, KeyError, ValueError, EOFError)
"""What a bus that is not there, or goes away, raises."""

_LOG = get_logger()


@dataclass(frozen=True, slots=True)
class HeldLock:
    """A lock of logind."""

    _descriptor: FileDescriptor
    by: str = "logind"

    def is_held(self) -> bool:
        """Tell whether logind still holds the other end: it reads from a pipe and lets go when it stops."""
        poll = select.poll()
        poll.register(self._descriptor.fileno(), 0)
        return not any(happened & (select.POLLERR | select.POLLHUP) for _, happened in poll.poll(0))

    def release(self) -> None:
        """Close it."""
        self._descriptor.close()


@dataclass(frozen=True, slots=True)
class Logind:
    """Keeps awake where no desktop does: a server, a session without a power manager. A `Means`."""

    bus: str = "SYSTEM"
    """Which bus; an address in tests."""

    def take(self) -> Lock:
        """Ask for a lock against sleep, by idleness as well. Raises NotGiven. A lid that is closed is not stopped by it."""
        try:
            with _connected(self.bus) as connection:
                return _inhibit(connection, "sleep:idle", "A task runs, or may come", "block")
        except _NO_BUS as failure:
            detail = f"no system bus ({type(failure).__name__})"
            raise NotGiven(Reason.REASON_KEEP_AWAKE_UNAVAILABLE, detail) from failure


@dataclass(frozen=True, slots=True)
class LogindWatch:
    """PrepareForSleep and PrepareForShutdown, and a lock that delays both for as long as the goodbye takes."""

    bus: str = "SYSTEM"
    """Which bus; an address in tests."""
    again_seconds: float = AGAIN_SECONDS

    async def watch(self, heard: Heard) -> None:
        loop, stop = asyncio.get_running_loop(), threading.Event()

        def tell(what: Callable[[], None]) -> None:
            with contextlib.suppress(RuntimeError):  # the loop has ended meanwhile
                loop.call_soon_threadsafe(what)

        listening = loop.run_in_executor(None, _Ear(self.bus, self.again_seconds, heard, tell, stop).listen)
        try:
            await asyncio.shield(listening)
        finally:
            stop.set()


class _Ear:
    """What listens, on a thread of its own."""

    def __init__(
        self,
        bus: str,
        again_seconds: float,
        heard: Heard,
        tell: Callable[[Callable[[], None]], None],
        stop: threading.Event,
    ) -> None:
        self._bus = bus
        self._again_seconds = again_seconds
        self._heard = heard
        self._tell = tell
        self._stop = stop
        self._lock: HeldLock | None = None
        self._asked_at = float("-inf")
        self._sleeping = False

    def listen(self) -> None:
        """Listen until stopped. Returns when there is no bus to begin with; one that goes away is waited for."""
        was_there = False
        while not self._stop.is_set():
            try:
                with _connected(self._bus) as connection:
                    was_there = True
                    self._listen(connection)
            except _NO_BUS as failure:
                if not was_there:
                    # Containers, servers without systemd. The pause still tells afterwards.
                    _LOG.info("sleep is not announced here", cause=type(failure).__name__)
                    return
                _LOG.warning("the system bus went away", cause=type(failure).__name__)
                self._stop.wait(self._again_seconds)
            finally:
                self._release()

    def _listen(self, connection: DBusConnection) -> None:
        import jeepney  # noqa: PLC0415 -- installed on Linux only
        from jeepney.io.blocking import Proxy  # noqa: PLC0415 -- as above

        rule = jeepney.MatchRule(
            type="signal", interface="org.freedesktop.login1.Manager", path="/org/freedesktop/login1"
        )
        Proxy(jeepney.message_bus, connection, timeout=CALL_SECONDS).AddMatch(rule)
        with connection.filter(rule, bufsize=64) as signals:
            self._delay(connection)
            _LOG.info("watching for sleep", how="logind", delays=self._lock is not None)
            while not self._stop.is_set():
                try:
                    signal = connection.recv_until_filtered(signals, timeout=_LOOK_SECONDS)
                except TimeoutError:
                    self._look_after(connection)
                    continue
                member = signal.header.fields.get(jeepney.HeaderFields.member)
                if member == "PrepareForSleep":
                    self._on_sleep(connection, sleeping=bool(signal.body[0]))
                elif member == "PrepareForShutdown" and signal.body[0]:
                    # The host stops by that, says goodbye, and its end lets go of the lock: no sooner.
                    self._tell(self._heard.shutting_down)

    def _on_sleep(self, connection: DBusConnection, *, sleeping: bool) -> None:
        self._sleeping = sleeping
        if sleeping:
            self._tell(self._heard.falling_asleep)
            time.sleep(FAREWELL_SECONDS)
            self._release()
        else:
            self._tell(self._heard.awake)
            self._delay(connection)

    def _look_after(self, connection: DBusConnection) -> None:
        """Take the lock again when logind has let go of it, or had none to give before."""
        held = self._lock is not None and self._lock.is_held()
        if not held and not self._sleeping and time.monotonic() - self._asked_at >= self._again_seconds:
            self._release()
            self._delay(connection)

    def _delay(self, connection: DBusConnection) -> None:
        self._asked_at = time.monotonic()
        with contextlib.suppress(NotGiven):  # told all the same, only perhaps too late to say it
            self._lock = _inhibit(connection, "sleep:shutdown", "Tell the phone", "delay")

    def _release(self) -> None:
        if self._lock is not None:
            self._lock.release()
            self._lock = None


def _connected(bus: str) -> DBusConnection:
    from jeepney.io.blocking import open_dbus_connection  # noqa: PLC0415 -- installed on Linux only

    return open_dbus_connection(bus=bus, enable_fds=True)


def _inhibit(connection: DBusConnection, what: str, why: str, mode: str) -> HeldLock:
    """Ask logind for a lock. Raises NotGiven."""
    import jeepney  # noqa: PLC0415 -- as above

    manager = jeepney.DBusAddress(
        "/org/freedesktop/login1", bus_name="org.freedesktop.login1", interface="org.freedesktop.login1.Manager"
    )
    asked = jeepney.new_method_call(manager, "Inhibit", "ssss", (what, "Dispatch", why, mode))
    try:
        answer = connection.send_and_get_reply(asked, timeout=CALL_SECONDS)
    except TimeoutError:
        raise NotGiven(Reason.REASON_KEEP_AWAKE_UNAVAILABLE, "logind does not answer") from None
    if answer.header.message_type is jeepney.MessageType.method_return:
        return HeldLock(answer.body[0])
    error = str(answer.header.fields.get(jeepney.HeaderFields.error_name, "an error without a name"))
    reason = Reason.REASON_KEEP_AWAKE_DENIED if error in _DENIED else Reason.REASON_KEEP_AWAKE_UNAVAILABLE
    raise NotGiven(reason, f"logind said {error}")
