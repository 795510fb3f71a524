"""What an agent may call while it works, as the SDK's `Client`: each call goes to the part that deals with it.

Whatever goes wrong in a call is its answer, and nobody else's trouble: the SDK would log other errors with all that they quote.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from acp import RequestError
from acp.schema import (
    CreateTerminalResponse,
    EnvVariable,
    KillTerminalResponse,
    PermissionOption,
    ReadTextFileResponse,
    ReleaseTerminalResponse,
    RequestPermissionResponse,
    TerminalExitStatus,
    TerminalOutputResponse,
    ToolCallUpdate,
    WaitForTerminalExitResponse,
    WriteTextFileResponse,
)
from dispatch import errors
from dispatch.runtime.logs import get_logger

from dispatch_host.agents.acp import asked
from dispatch_host.agents.acp.files import FileRefused, Files
from dispatch_host.agents.acp.story import Story
from dispatch_host.agents.acp.terminals import ProgramRefused, Terminals
from dispatch_host.agents.agent import NotDoneReason
from dispatch_host.agents.asking import Allowed, Denied, NobodyAnswered
from dispatch_host.sandbox.program import Exit

_LOG = get_logger()

_R = TypeVar("_R")
_REFUSED = -32000
_SIGNALS = 128


def _answered(
    handler: Callable[..., Awaitable[_R]],
) -> Callable[..., Coroutine[Any, Any, _R]]:
    """Check whose session is meant, and make every error the agent's answer. The SDK calls by names."""

    async def call(self: Client, session_id: str, **given: Any) -> _R:
        if self.opened is None or session_id != self.opened.session_id:
            raise RequestError.invalid_params({"details": "there is no such session"})
        try:
            return await handler(self, **given)
        except (FileRefused, ProgramRefused) as refused:
            if refused.reason is not None:
                self.refusals.add(refused.reason)
            raise RequestError(_REFUSED, str(refused)) from None
        except errors.NotPermitted as refused:
            missing = refused.metadata.get("permission", "")
            raise RequestError(_REFUSED, f"not permitted on this computer: {missing}") from None
        except RequestError:
            raise
        except Exception as failure:
            _LOG.warning("a request of an external agent failed", cause=type(failure).__name__)
            raise RequestError.internal_error() from None

    return call


@dataclass(frozen=True, slots=True)
class Opened:
    """The session: its id, and where its programs start."""

    session_id: str
    folder: Path


class Client:
    """One task's side of the protocol."""

    def __init__(self, *, story: Story, files: Files, terminals: Terminals) -> None:
        self.opened: Opened | None = None
        """Set once, before the prompt: until then nothing is answered."""
        self.refusals: set[NotDoneReason] = set()
        """What a person said no to, or nobody said anything to."""
        self.taken: Callable[[], Awaitable[None]] = _at_once
        """Waits until the agent has taken what was said to it before. Set once, with the connection."""
        self._story = story
        self._files = files
        self._terminals = terminals
        self._asking, self._answering = asyncio.Lock(), asyncio.Lock()

    @_answered
    async def request_permission(
        self, tool_call: ToolCallUpdate, options: list[PermissionOption]
    ) -> RequestPermissionResponse:
        """Put a tool call to the person."""
        async with self._asking:
            files = self._files
            try:
                call = self._story.call(tool_call)
                question = asked.question(call, options, agent=files.agent, folders=files.gate.folders, home=files.home)
            except (ValueError, RecursionError):
                raise RequestError.invalid_params({"details": "this can't be shown to a person"}) from None
            reply = await files.ask.may(question)
        if isinstance(reply, Allowed):
            files.approved(asked.approved(call))
        elif isinstance(reply, Denied):
            self.refusals.add(NotDoneReason.PERSON_DENIED)
        elif isinstance(reply, NobodyAnswered):
            self.refusals.add(NotDoneReason.NOBODY_ANSWERED)
        return asked.answer(reply, options)

    @_answered
    async def read_text_file(
        self, path: str, line: int | None = None, limit: int | None = None
    ) -> ReadTextFileResponse:
        """Read a file for it."""
        async with self._large():
            return ReadTextFileResponse(content=await self._files.read(path, line, limit))

    @_answered
    async def write_text_file(self, path: str, content: str) -> WriteTextFileResponse:
        """Write a file for it, after a yes."""
        async with self._asking:
            await self._files.write(path, content)
        return WriteTextFileResponse()

    @_answered
    async def create_terminal(
        self,
        command: str,
        args: list[str] | None = None,
        env: list[EnvVariable] | None = None,
        cwd: str | None = None,
        output_byte_limit: int | None = None,
    ) -> CreateTerminalResponse:
        """Start a program for it, after a yes."""
        # Some give a whole line for a shell as the command.
        argv = ["/bin/sh", "-c", command] if not args and " " in command.strip() else [command, *(args or [])]
        variables = {one.name: one.value for one in env or []}
        folder = Path(cwd) if cwd is not None else self._folder()
        async with self._asking:
            name = await self._terminals.create(argv, folder, variables, output_byte_limit)
        return CreateTerminalResponse(terminal_id=name)

    @_answered
    async def terminal_output(self, terminal_id: str) -> TerminalOutputResponse:
        """Tell a program's output so far."""
        async with self._large():
            text, truncated, end = self._terminals.look(terminal_id)
            status = None if end is None else TerminalExitStatus(**_ended(end))
            return TerminalOutputResponse(output=text, truncated=truncated, exit_status=status)

    @_answered
    async def wait_for_terminal_exit(self, terminal_id: str) -> WaitForTerminalExitResponse:
        """Tell a program's end when it comes."""
        return WaitForTerminalExitResponse(**_ended(await self._terminals.wait(terminal_id)))

    @_answered
    async def kill_terminal(self, terminal_id: str) -> KillTerminalResponse:
        """End a program."""
        await self._terminals.kill(terminal_id)
        return KillTerminalResponse()

    @_answered
    async def release_terminal(self, terminal_id: str) -> ReleaseTerminalResponse:
        """End a program and forget it."""
        await self._terminals.release(terminal_id)
        return ReleaseTerminalResponse()

    @asynccontextmanager
    async def _large(self) -> AsyncIterator[None]:
        """Wait to make an answer that may be megabytes: one at a time, and none while others wait to be taken."""
        async with self._answering:
            await self.taken()
            yield

    def _folder(self) -> Path:
        assert self.opened is not None  # noqa: S101  nothing is answered before
        return self.opened.folder


async def _at_once() -> None:
    """Wait for nothing: nothing was said yet."""


def _ended(end: Exit) -> dict[str, Any]:
    """Write an end as the protocol has it."""
    if end.code is None:
        return {"signal": end.ended.value}
    if end.code > _SIGNALS:
        return {"signal": str(end.code - _SIGNALS)}
    return {"exit_code": end.code}
