"""One connector while the host runs: started when somebody uses it, kept, and left alone for a while when it broke.

The connection lives in a task of its own, in the group that was handed in: the SDK's streams have to end where they began.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, Any, TypeVar

from dispatch.plain import one_line
from dispatch.runtime.logs import get_logger

from dispatch_host.connectors.answer import Answer
from dispatch_host.connectors.definition import ByProgram, Definition
from dispatch_host.connectors.failures import CallFailed, LineBroken
from dispatch_host.connectors.life import PATIENCE_SECONDS, Event, Life, State
from dispatch_host.connectors.offer import Offer, Offered
from dispatch_host.connectors.owners import HAS_CODE
from dispatch_host.connectors.starting import NotStarted, Opening, Starter
from dispatch_host.scope import Folder
from dispatch_host.scope.given import still_given

if TYPE_CHECKING:
    from dispatch_host.connectors.line import Line

_WHY_CHARACTERS = 300

_LOG = get_logger()

T = TypeVar("T")


class Ending(StrEnum):
    """How a connector broke."""

    NOT_STARTED = "not_started"
    BROKE = "broke"


class Unavailable(Exception):
    """The connector is not there now. The text is for a person: which one, and why. `asked` tells that it went with a question."""

    def __init__(self, why: str, *, asked: bool = False) -> None:
        super().__init__(why)
        self.asked = asked


class Connector:
    """One connector."""

    def __init__(
        self,
        definition: Definition,
        *,
        starter: Starter,
        group: asyncio.TaskGroup,
        broke: Callable[[Ending], None],
    ) -> None:
        """`broke` is told each time that it breaks."""
        # Fixed after __init__.
        self.definition = definition
        self._starter = starter
        self._group = group
        self._broke = broke
        # Touched on one loop.
        self.life = Life()
        self.offer = Offer()
        self.wrote = ""  # the end of what it wrote to its standard error, when it was last started in vain or ended
        self.folders: Sequence[Folder] = ()
        self._line: Line | None = None
        self._task: asyncio.Task[None] | None = None
        self._is_ending = False
        self._stops = 0  # how often somebody wanted it ended
        self._is_let_go = False
        self._hidden: Callable[[str], str] = str  # takes the secrets of the last start out of a text
        self._hidden_where_filled_in: Callable[[str], str] = str
        self._over = asyncio.Event()
        self._settled = asyncio.Event()
        self._one_start = asyncio.Lock()

    @property
    def is_confined(self) -> bool:
        """Tell whether it sees the approved folders, and nothing else."""
        return isinstance(self.definition.how, ByProgram) and self.definition.how.sandbox

    async def ready(self, folders: Sequence[Folder]) -> Line:
        """Give its connection; starts it when it is off, or broke and its pause is over or soon will be. Raises Unavailable.

        `folders` are all that are approved. Whoever is cancelled in here leaves the start to go on: the next to come finds it.
        """
        async with self._one_start:
            if self._is_let_go:
                raise Unavailable(self._not_there())
            if self.life.state in {State.OFF, State.BROKEN}:
                await self._start(folders)
            await self._settled.wait()
            if self._line is None:
                raise Unavailable(self._not_there())
            return self._line

    async def refreshed(self, folders: Sequence[Folder]) -> Offer:
        """Ask what it offers now. Raises Unavailable."""
        line = await self.ready(folders)
        try:
            self.offer = await self._asking(line.offer())
        except CallFailed as failure:
            raise Unavailable(f"The connector {self.definition.name} does not tell its tools: {failure}.") from None
        return self.offer

    async def call(self, tool: Offered, arguments: Mapping[str, Any], folders: Sequence[Folder]) -> Answer:
        """Call a tool, once: what gets no answer is not called again. Raises Unavailable and CallFailed."""
        line = await self.ready(folders)
        if self.offer.tools.get(tool.name) != tool:
            raise CallFailed("its tools have changed meanwhile: look at them again")
        answer = await self._asking(line.call(tool.name, arguments))
        self.life = self.life.worked()
        return answer.without(self._hidden if answer.failed else self._hidden_where_filled_in)

    async def stop(self) -> None:
        """End it, as its owner wants it; a start that waits for its turn does not come about."""
        self._stops += 1
        if self._task is not None:
            self._end(self._task)
            await asyncio.wait({self._task})

    def let_go(self) -> None:
        """End it for good: it is not in the file any more as it is here, or the host ends. Whoever still has it can't start it."""
        self._is_let_go = True
        self._stops += 1
        if self._task is not None:
            self._end(self._task)

    def outgrows(self, folders: Sequence[Folder]) -> bool:
        """Tell whether it must not go on with these folders approved, and no others."""
        if self.is_confined and still_given(self.folders, folders) != list(self.folders):
            return True
        return bool(self.not_the_owners(folders))

    def not_the_owners(self, folders: Sequence[Folder]) -> Sequence[str]:
        """Name the keys of its definition for which it is not started with these folders approved."""
        return self._starter.not_the_owners(self.definition, folders)

    async def _start(self, folders: Sequence[Folder]) -> None:
        pause, stops = self.life.wait_seconds(self._now()), self._stops
        if pause > PATIENCE_SECONDS:
            raise Unavailable(f"{self._not_there()} It is tried again in {pause:.0f} s.")
        await asyncio.sleep(pause)
        if self._task is not None:
            await asyncio.wait({self._task})  # the end of the last one
        if self._stops != stops:
            raise Unavailable(self._not_there())
        # Here on the loop, a few looks at names: a folder that is approved from now on ends it.
        if theirs := self._starter.not_the_owners(self.definition, folders):
            raise Unavailable(f"The connector {self.definition.name} is not started: {why_theirs(theirs)}.")
        self._take(Event.WANTED)
        self.folders = folders if self.is_confined else ()
        self._settled.clear()
        self._is_ending = False
        self._task = self._group.create_task(self._live(self.folders))
        self._task.add_done_callback(self._ended)

    async def _asking(self, asking: Awaitable[T]) -> T:
        """Ask the server something, and know what it means when that fails."""
        try:
            return await asking
        except CallFailed as failure:
            raise CallFailed(str(failure), one_line(self._hidden(failure.said), _WHY_CHARACTERS)) from None
        except LineBroken as broken:
            self._break(str(broken))
            raise Unavailable(self._not_there(), asked=True) from None

    async def _live(self, folders: Sequence[Folder]) -> None:
        """Hold the connection from its beginning to its end."""
        over = self._over = asyncio.Event()
        opening = Opening(ended=over.set)
        self._hidden, self._hidden_where_filled_in = opening.hidden, opening.hidden_where_filled_in
        seconds = self.definition.start_seconds
        too_slow = asyncio.get_running_loop().call_later(seconds, self._break, f"it was not ready in {seconds:g} s")
        try:
            async with self._starter.started(self.definition, opening, folders) as line:
                self.offer = await line.offer()
                too_slow.cancel()
                self._line = line
                self._take(Event.CAME)
                self._settled.set()
                await over.wait()
                # Before it is closed: nothing more is asked of it.
                if self._is_ending:
                    self._left()
                self._went("it says more than anybody asked for" if opening.meter.is_over else "it ended")
        except asyncio.CancelledError:
            self._left()
        except Exception as failure:
            # Whatever the SDK, or a hostile server, comes up with ends here, and is said.
            self._went(opening.hidden(_named(failure)))
        finally:
            too_slow.cancel()
            self.wrote = opening.wrote()
            self._settled.set()

    def _ended(self, _: asyncio.Task[None]) -> None:
        """Be off also where it was cut off before it began."""
        self._left()
        self._settled.set()

    def _left(self) -> None:
        """Be off; unless it broke, and that is said already."""
        if self.life.state in {State.STARTING, State.READY}:
            self._line = None
            self._take(Event.LEFT)

    def _break(self, why: str) -> None:
        """Give it up, whatever it does."""
        if self._task is not None and self.life.state in {State.STARTING, State.READY}:
            self._end(self._task)
            self._went(why)

    def _end(self, task: asyncio.Task[None]) -> None:
        """End the connection's task: asked, where it waits to be; cut off, once, where it is still starting.

        One that ends already is left to it: it has a program to end.
        """
        self._over.set()
        if not self._is_ending and self.life.state is State.STARTING:
            task.cancel()
        self._is_ending = True

    def _went(self, why: str) -> None:
        if self.life.state not in {State.STARTING, State.READY}:
            return  # it was given up before it ended
        ending = Ending.NOT_STARTED if self.life.state is State.STARTING else Ending.BROKE
        self._line = None
        self.life = self.life.after(Event.WENT, self._now(), why=one_line(why, _WHY_CHARACTERS))
        self._settled.set()
        self._broke(ending)
        _LOG.warning("connector broke", connector=self.definition.name, ending=ending, failures=self.life.failures)

    def _take(self, event: Event) -> None:
        self.life = self.life.after(event, self._now())

    def _now(self) -> float:
        return asyncio.get_running_loop().time()

    def _not_there(self) -> str:
        return f"The connector {self.definition.name} is not there: {self.life.why or 'it was ended'}."


def why_theirs(keys: Sequence[str]) -> str:
    """Say why a program that is not the owner's own is not started, without a path."""
    return (
        f"agents may write to what it is started from ({', '.join(keys)}), and what they wrote would run with your rights or get "
        "its secrets. Move it; or approve less, once you have looked at what is there"
        + ('. If its code leads nowhere there, say "ours": true' if any(key.endswith(HAS_CODE) for key in keys) else "")
    )


def _named(failure: BaseException) -> str:
    """Say what went wrong, without the words of a server: the innermost of a group, by its kind."""
    while isinstance(failure, BaseExceptionGroup):
        failure = failure.exceptions[0]
    if isinstance(failure, NotStarted | LineBroken):
        return str(failure)
    return f"it can't be reached ({type(failure).__name__})"
