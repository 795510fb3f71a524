"""Systems whose sleep the test decides on: a watch, a giver of locks, and as much of logind as the host needs, on its own bus."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import sys
import threading
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from dispatch.api.error.v1.error_pb2 import Reason
from dispatch_host.power.awake import Lock, NotGiven
from dispatch_host.power.sleep import Heard

from tests.support.waiting import DEADLINE_SECONDS

needs_bus = pytest.mark.skipif(
    sys.platform != "linux" or not shutil.which("dbus-daemon"), reason="needs dbus-daemon on Linux"
)


class Sleeper:
    """A system that says what the test wants."""

    def __init__(self) -> None:
        self.heard: Heard

    async def watch(self, heard: Heard) -> None:
        self.heard = heard
        await asyncio.Event().wait()


@dataclass(slots=True)
class GivenLock:
    """A lock that the test can take away."""

    by: str
    held: bool = True
    released: bool = False
    breaks: bool = False  # each call fails as none should

    def is_held(self) -> bool:
        self._may_break()
        return self.held

    def release(self) -> None:
        self._may_break()
        self.released = True

    def _may_break(self) -> None:
        if self.breaks:
            raise RuntimeError("a defect of a library")


@dataclass(slots=True)
class Giver:
    """A system that gives locks, or says why not. Records what it gave."""

    by: str = "the test"
    refuses: Reason.ValueType = Reason.REASON_UNSPECIFIED
    asked: int = 0
    given: list[GivenLock] = field(default_factory=list)

    def take(self) -> Lock:
        self.asked += 1
        if self.refuses:
            raise NotGiven(self.refuses, f"{self.by} says no")
        self.given.append(GivenLock(self.by))
        return self.given[-1]

    @property
    def holds(self) -> int:
        """How many locks are held now."""
        return sum(not lock.released for lock in self.given)


@contextlib.asynccontextmanager
async def private_bus(folder: Path) -> AsyncIterator[str]:
    """Run a message bus that only this test is on; gives its address."""
    config = folder / "bus.conf"
    config.write_text(
        f"<busconfig><type>session</type><listen>unix:path={folder}/bus</listen>"
        '<policy context="default"><allow send_destination="*"/><allow own="*"/><allow eavesdrop="true"/></policy>'
        "</busconfig>"
    )
    process = await asyncio.create_subprocess_exec(
        "dbus-daemon", f"--config-file={config}", "--nofork", "--print-address=1", stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    try:
        yield (await process.stdout.readline()).decode().strip()
    finally:
        with contextlib.suppress(ProcessLookupError):  # a test may have ended it
            process.terminate()
        await process.wait()


@contextlib.asynccontextmanager
async def mute_bus(folder: Path) -> AsyncIterator[str]:
    """Be a bus that takes connections and says nothing; gives its address."""

    async def says_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    async with await asyncio.start_unix_server(says_nothing, f"{folder}/mute"):
        yield f"unix:path={folder}/mute"


class BusService(threading.Thread):
    """A service on a bus that answers calls. Ends with the bus, or when it `goes`."""

    name_on_bus = ""

    def __init__(self, bus: str) -> None:
        super().__init__(daemon=True)
        self.there = threading.Event()
        self.address = bus
        self._connection: Any = None
        self.start()

    def run(self) -> None:
        import jeepney
        from jeepney.io.blocking import open_dbus_connection

        with (
            contextlib.suppress(Exception),  # the bus has ended, or we go
            open_dbus_connection(bus=self.address, enable_fds=True) as connection,
        ):
            connection.send_and_get_reply(jeepney.message_bus.RequestName(self.name_on_bus))
            self._connection = connection
            self.there.set()
            while True:
                message = connection.receive()
                member = message.header.fields.get(jeepney.HeaderFields.member)
                if message.header.message_type is jeepney.MessageType.method_call:
                    self.called(message, str(member))

    def called(self, message: Any, member: str) -> None:
        raise NotImplementedError

    def answers(self, message: Any, signature: str = "", body: tuple[Any, ...] = ()) -> None:
        """Answer a call."""
        import jeepney

        self._connection.send(jeepney.new_method_return(message, signature or None, body))

    async def comes(self) -> None:
        """Wait until it is on the bus."""
        assert await asyncio.to_thread(self.there.wait, DEADLINE_SECONDS)

    def goes(self) -> None:
        """Leave the bus. The answer is read, and passed over, by the thread that reads everything."""
        import jeepney

        self._connection.send(jeepney.message_bus.ReleaseName(self.name_on_bus))


class Logind(BusService):
    """As much of logind as a host needs: gives locks, says when it sleeps, knows when a lock was let go of."""

    name_on_bus = "org.freedesktop.login1"

    def __init__(self, bus: str, *, error: str = "") -> None:
        self.asked: list[list[str]] = []
        self.given: asyncio.Queue[tuple[str, int]] = asyncio.Queue()  # the mode of each lock, and our end of it
        self.error = error  # what it says instead of giving one
        self._loop = asyncio.get_running_loop()
        super().__init__(bus)

    def called(self, message: Any, member: str) -> None:
        import jeepney

        if member != "Inhibit":
            return
        self.asked.append(list(message.body))
        if self.error:
            self._connection.send(jeepney.new_error(message, self.error))
            return
        ours, given = os.pipe()
        self.answers(message, "h", (given,))
        os.close(given)
        self._loop.call_soon_threadsafe(self.given.put_nowait, (message.body[3], ours))

    def says(self, member: str, *body: Any) -> None:
        """Send a signal: PrepareForSleep, PrepareForShutdown."""
        self._connection.send(_signal(member, body))

    async def gives(self, mode: str) -> int:
        """Wait until it has given a lock; gives our end of it."""
        async with asyncio.timeout(DEADLINE_SECONDS):
            given, ours = await self.given.get()
        assert given == mode
        return ours


async def is_let_go(ours: int) -> None:
    """Wait until the other end of a lock is closed everywhere."""
    loop, gone = asyncio.get_running_loop(), asyncio.Event()
    loop.add_reader(ours, gone.set)  # no thread in `read`: one that is never let go would keep the test from ending
    try:
        async with asyncio.timeout(DEADLINE_SECONDS):
            await gone.wait()
        assert os.read(ours, 1) == b""
    finally:
        loop.remove_reader(ours)
        os.close(ours)


def _signal(member: str, body: tuple[Any, ...]) -> Any:
    import jeepney

    kinds = {bool: "b", str: "s", int: "i"}
    signature = "".join(kinds[type(one)] for one in body)
    manager = jeepney.DBusAddress("/org/freedesktop/login1", interface="org.freedesktop.login1.Manager")
    return jeepney.new_signal(manager, member, signature or None, body)


class Stranger:
    """Another user of the same computer, who sends signals that look like logind's, and like the bus's own."""

    def __init__(self, bus: str) -> None:
        from jeepney.io.blocking import open_dbus_connection

        self._connection = open_dbus_connection(bus=bus)

    def says(self, member: str, *body: Any) -> None:
        """Send a signal as logind does: to everybody, and to each by name."""
        self._send(_signal(member, body))

    def says_that_it_is_logind(self) -> None:
        """Send what the bus would if the name had a new owner."""
        import jeepney

        bus = jeepney.DBusAddress("/org/freedesktop/DBus", interface="org.freedesktop.DBus")
        body = ("org.freedesktop.login1", "", self._connection.unique_name)
        self._send(jeepney.new_signal(bus, "NameOwnerChanged", "sss", body))

    def is_through(self) -> None:
        """Wait until the bus has passed all of it on."""
        import jeepney

        self._connection.send_and_get_reply(jeepney.message_bus.GetId(), timeout=DEADLINE_SECONDS)

    def close(self) -> None:
        self._connection.close()

    def _send(self, signal: Any) -> None:
        import jeepney

        asked = jeepney.message_bus.ListNames()
        (names,) = self._connection.send_and_get_reply(asked, timeout=DEADLINE_SECONDS).body
        for to in (None, *names):
            if to is not None:
                signal.header.fields[jeepney.HeaderFields.destination] = to
            self._connection.send(signal)


class SessionManager(BusService):
    """As much of GNOME's session manager as wakepy asks for."""

    name_on_bus = "org.gnome.SessionManager"

    def __init__(self, bus: str) -> None:
        self.inhibited: list[int] = []
        super().__init__(bus)

    def called(self, message: Any, member: str) -> None:
        import jeepney

        if member == "Inhibit":
            self.inhibited.append(7)
            self._connection.send(jeepney.new_method_return(message, "u", (7,)))
        elif member == "Uninhibit":
            self.inhibited.remove(message.body[0])
            self._connection.send(jeepney.new_method_return(message))
