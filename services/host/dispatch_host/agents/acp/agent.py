"""An external agent as an Agent: finds its program, checks what it needs, and passes on what a session gives.

Light to import and to make; the SDK is loaded when a task starts.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from pathlib import Path
from typing import TYPE_CHECKING

from dispatch import errors

from dispatch_host.agents.acp.earlier import earlier_session
from dispatch_host.agents.acp.finding import NotInstalled, find
from dispatch_host.agents.acp.presets import Preset
from dispatch_host.agents.acp.tools import passed_on
from dispatch_host.agents.agent import AgentEvent, Gate, NotDone, NotDoneReason, Result, Task, Turn
from dispatch_host.agents.asking import Ask
from dispatch_host.agents.driving import Events, driven
from dispatch_host.agents.terminal import NoSandbox, Terminal
from dispatch_host.agents.toolbox import Toolbox, Work
from dispatch_host.agents.words import Words
from dispatch_host.connectors.passing import SYSTEM_PATH
from dispatch_host.permissions.permission import NETWORK, TERMINAL, Kind, Permission
from dispatch_host.sandbox.program import NoProgram
from dispatch_host.scope import Folder, KeptOut

if TYPE_CHECKING:
    from dispatch_host.agents.acp.session import Session, Tell
    from dispatch_host.connectors.passing import Passed

START_SECONDS = 60.0
LET_GO_SECONDS = 0.2
_EVENTS = 64  # that wait for the thread; then the agent is read no further


class External:
    """One external agent."""

    takes_words = False  # the protocol has no place for words while a prompt is worked on

    def __init__(
        self,
        preset: Preset,
        *,
        terminal: Terminal,
        home: Path,
        environment: Mapping[str, str],
        keep_out: Sequence[KeptOut] = (),
        records: Path | None = None,
        toolboxes: Sequence[Toolbox] = (),
        system_path: str = SYSTEM_PATH,
        start_seconds: float = START_SECONDS,
        let_go_seconds: float = LET_GO_SECONDS,
    ) -> None:
        """`home` is the owner's, `environment` the host's. `keep_out` and `records` are as in the built-in assistant.

        `toolboxes` hold what it may call of the host's beside files and programs: connectors, skills, pages, the desktop.
        `system_path` is where the bridge to them is looked for, and `start_seconds` is for each answer before the prompt,
        `let_go_seconds` for one that is cancelled to note that.
        """
        self._preset = preset
        self._terminal = terminal
        self._home = home
        self._environment = environment
        self._keep_out = keep_out
        self._records = records
        self._toolboxes = toolboxes
        self._system_path = system_path
        self._start_seconds = start_seconds
        self._let_go_seconds = let_go_seconds

    async def run(
        self, task: Task, *, gate: Gate, history: Sequence[Turn], ask: Ask, words: Words
    ) -> AsyncGenerator[AgentEvent, None]:
        """Do one task. Closing this generator, or cancelling its reader, kills the agent's program with all that it started."""
        del words
        events: Events = asyncio.Queue(_EVENTS)
        tools = Work(task, gate, ask, events.put, earlier=[turn.task_id for turn in history if turn.task_id])
        try:
            async with aclosing(driven(lambda: self._work(tools, history, events.put), events)) as told:
                async for event in told:
                    yield event
        finally:
            await tools.closing.aclose()

    async def _work(self, work: Work, history: Sequence[Turn], tell: Tell) -> Result | NotDone:
        title, gate = self._preset.title, work.gate
        folders = gate.folders
        if not folders:
            text = f"{title} works in approved folders, and there is none: `dispatch-host folders add PATH`."
            return NotDone(NotDoneReason.FOLDER_NOT_APPROVED, text)
        try:
            ready = await asyncio.to_thread(find, self._preset, home=self._home, environment=self._environment)
        except NotInstalled as missing:
            return NotDone(NotDoneReason.AGENT_UNAVAILABLE, str(missing))
        try:
            confined = await self._terminal.is_confined(gate, self._preset.command[0])
            if self._preset.network and not gate.has(NETWORK):
                await gate.use(NETWORK, self._preset.command[0])
        except errors.NotPermitted:
            return NotDone(NotDoneReason.NOT_PERMITTED, self._not_permitted(gate))
        except NoSandbox as missing:
            return NotDone(NotDoneReason.SANDBOX_UNAVAILABLE, self._no_sandbox(missing))
        for folder in folders:
            await gate.use(Permission(Kind.FOLDER, str(folder.path), folder.writable), f"given to {title}")
        try:
            async with passed_on(self._toolboxes, work, system_path=self._system_path) as passed:
                session = await asyncio.to_thread(self._session, work, history, tell, confined, passed)
                return await session.run(ready, self._folder(folders, history))
        except NoProgram as cannot:
            return NotDone(NotDoneReason.FOLDER_NOT_APPROVED, f"{title} was not started: {cannot}.")
        except NoSandbox as missing:
            return NotDone(NotDoneReason.SANDBOX_UNAVAILABLE, self._no_sandbox(missing))

    def _session(
        self,
        work: Work,
        history: Sequence[Turn],
        tell: Tell,
        confined: bool,
        passed: Passed | None,
    ) -> Session:
        """Make the session of a task. Loads the SDK, which takes a while."""
        from dispatch_host.agents.acp.session import Errand, Means, Session  # noqa: PLC0415 -- as said above

        means = Means(
            preset=self._preset,
            terminal=self._terminal,
            home=self._home,
            keep_out=self._keep_out,
            records=self._records,
            start_seconds=self._start_seconds,
            let_go_seconds=self._let_go_seconds,
        )
        errand = Errand(
            task=work.task,
            gate=work.gate,
            history=history,
            ask=work.ask,
            tell=tell,
            confined=confined,
            passed=passed,
        )
        return Session(means, errand)

    def _folder(self, folders: Sequence[Folder], history: Sequence[Turn]) -> Path:
        """Choose where it works: where it worked last, else the first folder that it may change."""
        last = earlier_session(history, self._preset.name).folder
        if last is not None and any(folder.path == last for folder in folders):
            return last
        return next((folder for folder in folders if folder.writable), folders[0]).path

    def _not_permitted(self, gate: Gate) -> str:
        """Say what it needs, all at once."""
        title = self._preset.title
        missing = [] if gate.has(TERMINAL) else [f"`terminal`, since {title} is a program"]
        if self._preset.network and not gate.has(NETWORK):
            missing.append("`network`, since it works at its provider's")
        commands = [f"`dispatch-host permissions allow {one.split('`')[1]}`" for one in missing]
        return f"{title} needs the permission {' and '.join(missing)}. On the computer: {', '.join(commands)}."

    def _no_sandbox(self, missing: NoSandbox) -> str:
        return (
            f"{self._preset.title} can't be started on this computer without a sandbox. {missing.why} {missing.advice}\n\n"
            "Its owner may accept that programs run without one: `dispatch-host permissions allow terminal --without-sandbox`."
        )
