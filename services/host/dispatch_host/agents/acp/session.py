"""One task with one external agent: starts its program, opens or continues a session, puts the prompt, and says how it ended.

Called by agent.py. The steps are docs/external-agents.md, One task.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias, TypeVar

from acp import PROTOCOL_VERSION, RequestError
from acp.client import ClientSideConnection
from acp.schema import (
    AcpMcpServer,
    ClientCapabilities,
    EnvVariable,
    FileSystemCapabilities,
    HttpMcpServer,
    Implementation,
    InitializeResponse,
    McpServerStdio,
    PromptCapabilities,
    PromptResponse,
    SessionCapabilities,
    SessionNotification,
    SseMcpServer,
)
from pydantic import ValidationError

from dispatch_host.agents.acp import endings
from dispatch_host.agents.acp.client import Client, Opened
from dispatch_host.agents.acp.earlier import earlier_session, memory_of
from dispatch_host.agents.acp.files import Files
from dispatch_host.agents.acp.finding import Ready
from dispatch_host.agents.acp.presets import Preset
from dispatch_host.agents.acp.prompt import prompt
from dispatch_host.agents.acp.story import Story
from dispatch_host.agents.acp.terminals import Terminals
from dispatch_host.agents.acp.wire import Wire
from dispatch_host.agents.agent import AgentEvent, Gate, NotDone, NotDoneReason, Result, Task, Turn
from dispatch_host.agents.asking import JSON, Ask
from dispatch_host.agents.terminal import Terminal
from dispatch_host.connectors.passing import Passed
from dispatch_host.sandbox.program import Conversation, Limits, Program
from dispatch_host.scope import Folder, KeptOut

_T = TypeVar("_T")
_MIB = 1024**2
LIMITS = Limits(seconds=24 * 3600.0, memory_bytes=8192 * _MIB, processes=1024, open_files=4096, output_bytes=512 * _MIB)
_AUTH_REQUIRED = -32000
_ENDING_SECONDS = 1.0
_SESSION_CHARACTERS = 512

Tell = Callable[[AgentEvent], Awaitable[None]]
Server: TypeAlias = HttpMcpServer | SseMcpServer | AcpMcpServer | McpServerStdio
"""As the SDK's lists have them; we only tell of the last."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Errand:
    """What a task brings."""

    task: Task
    gate: Gate
    history: Sequence[Turn]
    ask: Ask
    tell: Tell
    confined: bool
    passed: Passed | None
    """How it reaches the host's tools; None where there are none for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Means:
    """What the host brings. The same for all tasks of an agent."""

    preset: Preset
    terminal: Terminal
    home: Path
    keep_out: Sequence[KeptOut]
    records: Path | None
    start_seconds: float
    """For each answer before the prompt."""
    let_go_seconds: float
    """For one that is cancelled, to note that."""


class _Failed(Exception):
    """The task ends here; the agent is of no more use to it."""

    def __init__(self, reason: NotDoneReason, text: str) -> None:
        super().__init__(text)
        self.reason = reason


class Session:
    """One task. Made for it, run once."""

    def __init__(self, means: Means, errand: Errand) -> None:
        self._means = means
        self._errand = errand
        self._title = means.preset.title
        self._story = Story()
        files = Files(
            task=errand.task,
            gate=errand.gate,
            ask=errand.ask,
            agent=self._title,
            home=means.home,
            keep_out=means.keep_out,
            records=means.records,
        )
        self._terminals = Terminals(
            terminal=means.terminal,
            gate=errand.gate,
            ask=errand.ask,
            agent=self._title,
            home=means.home,
            keep_out=means.keep_out,
        )
        self._client = Client(story=self._story, files=files, terminals=self._terminals)
        self._memory: dict[str, JSON] = {}
        self._log_ins: Sequence[str] = ()  # the ways that it offers

    async def run(self, ready: Ready, folder: Path) -> Result | NotDone:
        """Do the task in a folder. Raises NoProgram, NoSandbox, NotPermitted."""
        means, errand = self._means, self._errand
        bridge = [] if errand.passed is None else [Folder(errand.passed.folder)]
        program = Program(
            ready.argv, folder, own=[*ready.own, *bridge], variables=ready.variables, sockets=bool(bridge)
        )
        async with means.terminal.converse(
            program, LIMITS, gate=errand.gate, network=means.preset.network, confined=errand.confined
        ) as conversation:
            wire = Wire(conversation, updated=self._updated)
            try:
                async with self._connected(wire) as connection:
                    return await self._turn(connection, folder)
            except _Failed as failed:
                return NotDone(failed.reason, str(failed), self._memory)
            except RequestError as refused:
                if refused.code == _AUTH_REQUIRED:  # some say so at once, some when they are asked something
                    return NotDone(
                        NotDoneReason.AGENT_UNAVAILABLE,
                        endings.log_in(means.preset, self._log_ins, refused),
                        self._memory,
                    )
                return NotDone(
                    NotDoneReason.AGENT_FAILED, f"{self._title} failed: {endings.said(refused)}", self._memory
                )
            except ValidationError:
                return NotDone(
                    NotDoneReason.AGENT_FAILED, endings.nonsense(self._title, "it sent an answer that is none")
                )
            except ConnectionError:
                why = endings.nonsense(self._title, wire.broken) if wire.broken else await self._lost(conversation)
                return NotDone(NotDoneReason.AGENT_FAILED, why, self._memory)

    @asynccontextmanager
    async def _connected(self, wire: Wire) -> AsyncIterator[ClientSideConnection]:
        """Hold the SDK's connection; whatever the agent still has running ends with it."""
        # The SDK takes any object with the methods that an agent may call; its Protocol also wants those that are never called.
        self._client.taken = wire.taken
        connection = ClientSideConnection(self._client, wire)  # type: ignore[arg-type]
        try:
            yield connection
        finally:
            self._client.opened = None
            await connection.close()
            await self._terminals.close()

    async def _turn(self, connection: ClientSideConnection, folder: Path) -> Result | NotDone:
        hello = await self._greet(connection)
        self._log_ins = [way.name for way in hello.auth_methods or []]
        opened, missed = await self._open(connection, hello, folder)
        capabilities = hello.agent_capabilities
        takes = (capabilities and capabilities.prompt_capabilities) or PromptCapabilities()
        blocks = await asyncio.to_thread(prompt, self._errand.task, missed, takes)
        self._client.opened = opened
        prompting = asyncio.ensure_future(connection.prompt(session_id=opened.session_id, prompt=list(blocks)))
        try:
            stopped = (await asyncio.shield(prompting)).stop_reason
        except asyncio.CancelledError:
            await self._let_go(connection, opened, prompting)
            raise
        return endings.ended(self._title, stopped, self._story.result, self._client.refusals, self._memory)

    async def _greet(self, connection: ClientSideConnection) -> InitializeResponse:
        hello = await self._soon(
            connection.initialize(
                protocol_version=PROTOCOL_VERSION,
                client_capabilities=ClientCapabilities(
                    fs=FileSystemCapabilities(read_text_file=True, write_text_file=self._means.records is not None),
                    terminal=True,
                ),
                client_info=Implementation(name="dispatch", title="Dispatch", version="1"),
            )
        )
        if hello.protocol_version != PROTOCOL_VERSION:
            text = f"{self._title} speaks another version of the Agent Client Protocol than this host (1)."
            raise _Failed(NotDoneReason.AGENT_UNAVAILABLE, text)
        return hello

    async def _open(
        self, connection: ClientSideConnection, hello: InitializeResponse, folder: Path
    ) -> tuple[Opened, Sequence[Turn]]:
        """Continue the session of the thread, or open one; gives it with the turns that it has not seen."""
        can = hello.agent_capabilities
        sessions = (can and can.session_capabilities) or SessionCapabilities()
        resumes, loads = sessions.resume is not None, bool(can and can.load_session)
        folders = [one.path for one in self._errand.gate.folders]
        more = [str(one) for one in folders if one != folder] if sessions.additional_directories is not None else None
        servers = _servers(self._errand.passed)
        earlier = earlier_session(self._errand.history, self._means.preset.name)
        session_id = ""
        if earlier.session_id and earlier.folder == folder and (resumes or loads):
            continued = connection.resume_session if resumes else connection.load_session
            with contextlib.suppress(
                RequestError, ValidationError
            ):  # it may have forgotten it: then there is a new one
                await self._soon(
                    continued(
                        cwd=str(folder),
                        session_id=earlier.session_id,
                        additional_directories=more,
                        mcp_servers=servers,
                    )
                )
                session_id = earlier.session_id
        missed = earlier.missed if session_id else self._errand.history
        if not session_id:
            opened = await self._soon(
                connection.new_session(cwd=str(folder), additional_directories=more, mcp_servers=servers)
            )
            session_id = opened.session_id
        if (resumes or loads) and len(session_id) <= _SESSION_CHARACTERS:
            self._memory = memory_of(self._means.preset.name, session_id, folder)
        return Opened(session_id, folder), missed

    async def _updated(self, notification: SessionNotification) -> None:
        opened = self._client.opened  # None while an old session is read back, and when all is over
        if opened is not None and notification.session_id == opened.session_id:
            for event in self._story.heard(notification):
                await self._errand.tell(event)

    async def _soon(self, answer: Awaitable[_T]) -> _T:
        try:
            async with asyncio.timeout(self._means.start_seconds):
                return await answer
        except TimeoutError:
            raise _Failed(NotDoneReason.AGENT_FAILED, f"{self._title} was started, and did not answer.") from None

    async def _let_go(
        self, connection: ClientSideConnection, opened: Opened, prompting: asyncio.Future[PromptResponse]
    ) -> None:
        """Say to the agent that it is cancelled, so that it can note that, and wait for a moment."""
        self._client.opened = None
        with contextlib.suppress(TimeoutError, ConnectionError):
            async with asyncio.timeout(self._means.let_go_seconds):
                await connection.cancel(session_id=opened.session_id)
                await asyncio.wait([prompting])
        prompting.cancel()
        await asyncio.gather(prompting, return_exceptions=True)

    async def _lost(self, conversation: Conversation) -> str:
        """Say how the program ended. One that only fell silent is not waited for."""
        end = None
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_ENDING_SECONDS):
                end = await conversation.exit()
        return endings.lost(self._title, end, conversation.complaint)


def _servers(passed: Passed | None) -> list[Server]:
    """Tell of the bridge as the protocol has it: a server by stdio, which every agent can start."""
    if passed is None:
        return []
    variables = [EnvVariable(name=name, value=value) for name, value in passed.env.items()]
    return [McpServerStdio(name=passed.name, command=passed.command, args=list(passed.args), env=variables)]
