"""One task's browser: calls go in, pages come out; where it goes is noted, and what it would send is asked for. docs/browser.md.

Called by tools.py and by the built-in assistant. Made by `Browser`, which starts the worker in its sandbox and opens its one way
out.
"""

from __future__ import annotations

import asyncio
import os
import stat
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from dispatch.runtime.logs import get_logger

from dispatch_host.agents.agent import Gate, NotDoneReason
from dispatch_host.agents.asking import Allowed, Ask
from dispatch_host.browser import near, sending, wire
from dispatch_host.browser.chamber import NoBrowser, Worker, chamber, installed
from dispatch_host.browser.names import Names
from dispatch_host.browser.proxy import Proxy, Resolve, Target
from dispatch_host.browser.reach import Network, Reach, origin
from dispatch_host.permissions.permission import BROWSER
from dispatch_host.sandbox.bubblewrap import Bubblewrap
from dispatch_host.sandbox.probe import Found
from dispatch_host.scope import KeptOut, lasting

_LOG = get_logger()

CALL_SECONDS = 45.0
DOWNLOAD_SECONDS = 620.0
_BEGIN_SECONDS = 60.0
_MOST_VISITS = 100  # in one call: a page that goes on by itself for ever
_LONG_CALLS = {"download": DOWNLOAD_SECONDS}

_PRIVATE = (
    "It can't be opened: it is at an address of a private network, of this computer or of its neighbours, or on a port that is "
    "not the web's. "
    "The owner of the host can allow a network: `dispatch-host run --browser-networks NETWORK`."
)

_NOT_STARTED = "Chromium did not start in the sandbox."


class CannotOpen(Exception):
    """A call that failed. The text is for an agent: the worker's, or a page's, words."""


class SessionOver(CannotOpen):
    """The call failed, and the session with it: the next one needs another."""


class Session:
    """The browser of one task. `Browser.session` makes it; calls come one at a time."""

    def __init__(
        self, worker: Worker, *, gate: Gate, ask: Ask, turned_away: list[Target], call_seconds: float = CALL_SECONDS
    ) -> None:
        """`turned_away` is where the proxy notes what was not reached because it may not be."""
        # Fixed after __init__.
        self._worker = worker
        self._gate = gate
        self._ask = ask
        self._turn = asyncio.Lock()
        self._turned_away = turned_away
        self._call_seconds = call_seconds
        # Touched on one loop.
        self._call = 0
        self._waiting: asyncio.Future[wire.Reply] | None = None
        self._asking = 0
        self._resumed: asyncio.Future[None] | None = None  # the next end of a question
        self._visits = 0
        self._refused = False  # in this call: what more it would send is not asked for again
        self.over = False

    async def page(self, do: str, **given: str | int) -> wire.Page:
        """Have something done that gives a page. Raises CannotOpen, and NotPermitted as the gate gave it."""
        async with self._turn:
            said = await self._said(do, given, self._call_seconds)
        if not isinstance(said, wire.Page):
            raise self._broken("another answer than was asked for")
        return said

    async def file(self, do: str, **given: str) -> tuple[wire.File, int]:
        """Have something done that gives a file: what it is called, and a descriptor that is the caller's. Raises as `page`."""
        async with self._turn:
            said = await self._said(do, given, _LONG_CALLS.get(do, self._call_seconds))
            if not isinstance(said, wire.File):
                raise self._broken("another answer than was asked for")
            try:
                async with asyncio.timeout(self._call_seconds):
                    descriptor = await self._worker.file()
            except (OSError, TimeoutError, wire.OutOfBounds) as failure:
                raise self._broken("no file came") from failure
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise self._broken("something that is no file came")
        return said, descriptor

    async def listen(self) -> None:
        """Read what the worker says until it ends. Runs beside the calls."""
        try:
            async with asyncio.TaskGroup() as asking:
                while line := await self._worker.reader.readline():
                    await self._take(wire.heard(line), asking)
        except* (wire.OutOfBounds, ValueError):  # ValueError: a line longer than LINE_BYTES
            _LOG.warning("browser failed", cause="out of bounds")
        except* OSError:
            pass  # it died: whoever waits hears so
        finally:
            self.over = True
            if self._waiting is not None and not self._waiting.done():
                self._waiting.set_exception(SessionOver("The browser ended. The next address opens a new one."))

    async def begun(self) -> None:
        """Wait for the first word of the worker: there is a page. Raises SessionOver, TimeoutError."""
        self._waiting = asyncio.get_running_loop().create_future()
        async with asyncio.timeout(_BEGIN_SECONDS):
            await self._waiting

    async def _said(self, do: str, given: Mapping[str, str | int], seconds: float) -> wire.Page | wire.File:
        """Make one call and wait for its answer; the time in which it has to come begins anew when a question ends."""
        if self.over:
            raise SessionOver("The browser ended. The next address opens a new one.")
        loop = asyncio.get_running_loop()
        self._call += 1
        self._visits, self._refused = 0, False
        self._turned_away.clear()
        self._waiting = loop.create_future()
        try:
            self._worker.writer.write(wire.line({"call": self._call, "do": do, **given}))
            while not self._waiting.done():
                self._resumed = loop.create_future()
                either: list[asyncio.Future[Any]] = [self._waiting, self._resumed]
                limit = None if self._asking else seconds
                await asyncio.wait(either, timeout=limit, return_when=asyncio.FIRST_COMPLETED)
                if not (self._waiting.done() or self._resumed.done() or self._asking):
                    raise self._broken("no answer in time")
            said = self._waiting.result().said
        finally:
            self._waiting = self._resumed = None
        if isinstance(said, wire.Failed):
            if said.over:
                self.over = True
                raise SessionOver(said.why)
            if do == "open" and self._turned_away:
                raise CannotOpen(_PRIVATE)
            raise CannotOpen(said.why)
        return said

    async def _take(self, said: wire.FromWorker, asking: asyncio.TaskGroup) -> None:
        match said:
            case wire.Visits(url):
                await self._note(url)
            case wire.Sends():
                asking.create_task(self._may(said))
            case wire.Reply():
                waiting = self._waiting
                if waiting is not None and not waiting.done() and said.call == self._call:
                    waiting.set_result(said)

    async def _note(self, url: str) -> None:
        """Note in the audit log where the page goes: the origin."""
        self._visits += 1
        if self._visits > _MOST_VISITS:
            raise wire.OutOfBounds
        await self._use(origin(url) or "an address of no origin")

    async def _use(self, subject: str) -> bool:
        """Use the permission. One that is gone ends the call that is waited for."""
        try:
            await self._gate.use(BROWSER, subject)
        except Exception as failure:  # as the gate gave it, to whoever waits: this is a task of its own
            if self._waiting is not None and not self._waiting.done():
                self._waiting.set_exception(failure)
            return False
        return True

    async def _may(self, sends: wire.Sends) -> None:
        """Ask the person, and let the request that waits go, or not."""
        asked = sending.question(sends)
        yes = False
        self._asking += 1
        try:
            if asked is not None and not self._refused:
                yes = isinstance(await self._ask.may(asked), Allowed) and not self._refused
                yes = yes and await self._use(f"sends to {origin(sends.url)}")
                self._refused = self._refused or not yes
        finally:
            self._asking -= 1
            if self._resumed is not None and not self._resumed.done():
                self._resumed.set_result(None)
        self._worker.writer.write(wire.line({"answer": sends.number, "yes": yes}))

    def _broken(self, why: str) -> SessionOver:
        _LOG.warning("browser failed", cause=why)
        self.over = True
        return SessionOver("The browser does not answer any more and was ended. The next address opens a new one.")


class Browser:
    """Makes sessions. Made once by the wiring."""

    def __init__(
        self,
        sandbox: Callable[[], Awaitable[Found]],
        *,
        home: Path,
        keep_out: Sequence[Path | KeptOut] = (),
        environment: Mapping[str, str] | None = None,
        reach: Reach | None = None,
        resolve: Resolve | None = None,
        near: Callable[[], Sequence[Network]] = near.networks,
    ) -> None:
        """`sandbox` looks for bubblewrap, as the terminal does. `resolve` looks names up, `near` gives the networks that this
        computer is in: seams for tests.
        """
        self._sandbox = sandbox
        self._home = home
        self._keep_out = lasting(keep_out)
        self._environment = environment or {}
        self._reach = reach or Reach()
        self._resolve = resolve or Names().look_up
        self._near = near

    @property
    def is_installed(self) -> bool:
        """Tell whether what it needs is there, but for the sandbox, which is looked for when it is needed."""
        try:
            installed()
        except NoBrowser:
            return False
        return True

    async def probe(self) -> None:
        """Start a browser and end it. Raises NoBrowser."""
        async with self._worker() as worker:
            try:
                async with asyncio.timeout(_BEGIN_SECONDS):
                    line = await worker.reader.readline()
            except (TimeoutError, OSError, ValueError) as failure:
                raise NoBrowser(_NOT_STARTED) from failure
            if not line:
                raise NoBrowser(_NOT_STARTED)

    @asynccontextmanager
    async def session(self, *, gate: Gate, ask: Ask) -> AsyncIterator[Session]:
        """Hold a browser. At the end nothing of it is left. Raises NoBrowser."""
        turned_away: list[Target] = []
        async with (
            self._worker() as worker,
            Proxy(worker.listening, self._reach, resolve=self._resolve, near=self._near, refused=turned_away.append),
        ):
            session = Session(worker, gate=gate, ask=ask, turned_away=turned_away)
            listening = asyncio.create_task(session.listen())
            try:
                await _begun(session)
                yield session
            finally:
                listening.cancel()
                await asyncio.gather(listening, return_exceptions=True)

    @asynccontextmanager
    async def _worker(self) -> AsyncIterator[Worker]:
        """Hold a worker in the sandbox. Raises NoBrowser."""
        installed()
        found = await self._sandbox()
        if not isinstance(found.programs, Bubblewrap):
            why = f"There is no sandbox for it. {found.why}".strip()
            raise NoBrowser(why, found.advice, reason=NotDoneReason.SANDBOX_UNAVAILABLE)
        bubblewrap = found.programs.executable
        async with chamber(
            bubblewrap, home=self._home, keep_out=[one.path for one in self._keep_out], environment=self._environment
        ) as worker:
            yield worker


async def _begun(session: Session) -> None:
    try:
        await session.begun()
    except (TimeoutError, SessionOver) as failure:
        raise NoBrowser(_NOT_STARTED) from failure
