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
    from jeepney import Message
    from jeepney.fds import FileDescriptor
    from jeepney.io.blocking import DBusConnection

CALL_SECONDS = 5.0
FAREWELL_SECONDS = 0.5
"""How long the computer is held back from sleeping while the notice leaves."""
AGAIN_SECONDS = 5.0
"""How soon a bus, or a lock, that went away is asked for again."""
_LOOK_SECONDS = 0.25

_BUS = "org.freedesktop.DBus"
"""The bus itself, as a sender: no client can have that name."""
_LOGIND, _PATH, _MANAGER = "org.freedesktop.login1", "/org/freedesktop/login1", "org.freedesktop.login1.Manager"

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
    """What listens, on a thread of its own.

    Everybody on the bus may send a signal that looks like logind's. Only the bus itself writes a sender, so what counts is
    what comes from the owner of logind's name, and who that is the bus says. The connection takes no descriptors.
    """

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
        self._logind = ""  # the unique name of who is logind now; empty for nobody
        self._lock: HeldLock | None = None
        self._asked_at = float("-inf")
        self._sleeping = False

    def listen(self) -> None:
        """Listen until stopped. Returns when there is no bus to begin with; one that goes away is waited for."""
        was_there = False
        while not self._stop.is_set():
            try:
                with _connected(self._bus, takes_descriptors=False) as connection:
                    was_there = True
                    self._listen(connection)
            except _NO_BUS as failure:
                if not was_there:
                    # Containers, servers without systemd. The pause still tells afterwards.
                    _LOG.info("sleep is not announced here", cause=type(failure).__name__)
                    return
                _LOG.warning("the system bus went away", cause=type(failure).__name__)
                self._stop.wait(self._again_seconds)
                self._is_awake()
            finally:
                self._release()

    def _listen(self, connection: DBusConnection) -> None:
        import jeepney  # noqa: PLC0415 -- installed on Linux only
        from jeepney.io.blocking import Proxy  # noqa: PLC0415 -- as above

        owners = jeepney.MatchRule(type="signal", sender=_BUS, interface=_BUS, member="NameOwnerChanged")
        owners.add_arg_condition(0, _LOGIND)
        signals = jeepney.MatchRule(type="signal", sender=_LOGIND, interface=_MANAGER, path=_PATH)
        bus = Proxy(jeepney.message_bus, connection, timeout=CALL_SECONDS)
        bus.AddMatch(owners)
        bus.AddMatch(signals)
        # Behind the first match: whoever comes after this answer is announced.
        asked = connection.send_and_get_reply(jeepney.message_bus.GetNameOwner(_LOGIND), timeout=CALL_SECONDS)
        there = asked.header.message_type is jeepney.MessageType.method_return
        self._logind = str(asked.body[0]) if there else ""
        self._is_awake()
        self._delay()
        _LOG.info("watching for sleep", how="logind", delays=self._lock is not None)
        while not self._stop.is_set():
            with contextlib.suppress(TimeoutError):
                self._hear(connection.receive(timeout=_LOOK_SECONDS))
            self._look_after()

    def _hear(self, message: Message) -> None:
        import jeepney  # noqa: PLC0415 -- as above

        fields = jeepney.HeaderFields
        sender, member = message.header.fields.get(fields.sender), message.header.fields.get(fields.member)
        body = message.body
        if sender == _BUS and member == "NameOwnerChanged" and body[0] == _LOGIND:
            self._logind = str(body[2])
            self._is_awake()  # one that has just come says so again before the next sleep
            return
        theirs = message.header.message_type is jeepney.MessageType.signal and sender == self._logind
        if not theirs or message.header.fields.get(fields.interface) != _MANAGER:
            return
        if len(body) != 1 or not isinstance(body[0], bool):
            _LOG.warning("logind said what nobody understands", signal=str(member)[:60])
        elif member == "PrepareForSleep":
            self._on_sleep(sleeping=body[0])
        elif member == "PrepareForShutdown" and body[0]:
            # The host stops by that, says goodbye, and its end lets go of the lock: no sooner.
            self._tell(self._heard.shutting_down)

    def _on_sleep(self, *, sleeping: bool) -> None:
        self._sleeping = sleeping
        if sleeping:
            self._tell(self._heard.falling_asleep)
            time.sleep(FAREWELL_SECONDS)
            self._release()
        else:
            self._tell(self._heard.awake)
            self._delay()

    def _is_awake(self) -> None:
        """Take back that the computer sleeps, when who said it went away before it said that it is over: we still run."""
        if self._sleeping:
            self._sleeping = False
            self._tell(self._heard.awake)

    def _look_after(self) -> None:
        """Take the lock again when logind has let go of it, or had none to give before."""
        if self._sleeping or time.monotonic() - self._asked_at < self._again_seconds:
            return
        if self._lock is None or not self._lock.is_held():
            self._release()
            self._delay()

    def _delay(self) -> None:
        self._asked_at = time.monotonic()
        # Told all the same without it, only perhaps too late to say it.
        with contextlib.suppress(NotGiven), _connected(self._bus) as connection:
            self._lock = _inhibit(connection, "sleep:shutdown", "Tell the phone", "delay")

    def _release(self) -> None:
        if self._lock is not None:
            self._lock.release()
            self._lock = None


def _connected(bus: str, *, takes_descriptors: bool = True) -> DBusConnection:
    from jeepney.io.blocking import open_dbus_connection  # noqa: PLC0415 -- installed on Linux only

    return open_dbus_connection(bus=bus, enable_fds=takes_descriptors)


def _inhibit(connection: DBusConnection, what: str, why: str, mode: str) -> HeldLock:
    """Ask logind for a lock. Raises NotGiven."""
    import jeepney  # noqa: PLC0415 -- as above

    manager = jeepney.DBusAddress(_PATH, bus_name=_LOGIND, interface=_MANAGER)
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
