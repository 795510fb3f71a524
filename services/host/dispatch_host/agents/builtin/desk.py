"""The desktop for the built-in assistant, as desk_grammar.py understood it: windows, documents, apps. In the host's process.

A person who names it in so many words is not asked again, but about what does something when it is opened, or what agents may have
written; what fits several is asked about. Called by the driver.
"Open …" is for this only where the desktop is permitted: else it means what it meant before.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from pathlib import Path
from typing import TypeVar

from dispatch_host.agents.agent import AgentEvent, Gate, NotDone, NotDoneReason, Result, Step
from dispatch_host.agents.asking import Allowed, Ask, Choice, Denied, NobodyAnswered, Said
from dispatch_host.agents.builtin.desk_grammar import Kind, WantedOfDesktop
from dispatch_host.agents.builtin.markdown import Answer, cell, code, plural
from dispatch_host.desktop import finding, matching, opening
from dispatch_host.desktop.desktop import Application, Desktop, NoDesktop, Window
from dispatch_host.desktop.documents import Opens
from dispatch_host.desktop.planted import IsPlanted
from dispatch_host.desktop.tools import application_question, came, distinct, document_question, use_for
from dispatch_host.permissions.permission import DESKTOP
from dispatch_host.scope import KeptOut, lasting, shown

T = TypeVar("T")

_MOST_CHOICES = 20


class Desk:
    """What the built-in assistant does with the desktop."""

    def __init__(self, desktop: Desktop, *, home: Path, keep_out: Sequence[Path | KeptOut], planted: IsPlanted) -> None:
        """`home` is what `~` means, `keep_out` is the scope's; `planted` tells the applications that agents may have written."""
        self._planted = planted
        self._desktop = desktop
        self._home = home
        self._keep_out = lasting(keep_out)

    async def takes(self, wanted: WantedOfDesktop, gate: Gate) -> bool:
        """Tell whether a request is one for this: "open" may mean something else."""
        if wanted.kind in (Kind.WINDOWS, Kind.FOCUS):
            return True
        if not gate.has(DESKTOP):
            return False
        if wanted.kind is Kind.DOCUMENT:
            return True
        try:
            return bool(matching.applications_of(wanted.name, await self._desktop.applications()))
        except (NoDesktop, TimeoutError):
            return False

    async def run(self, wanted: WantedOfDesktop, *, gate: Gate, ask: Ask) -> AsyncGenerator[AgentEvent, None]:
        """Do it. Raises NotPermitted as the gate gave it."""
        try:
            match wanted.kind:
                case Kind.WINDOWS:
                    yield await self._windows(gate)
                case Kind.FOCUS:
                    yield await self._focus(wanted.name, gate, ask)
                case Kind.DOCUMENT:
                    found = await self._document(wanted.name, gate, ask)
                    if isinstance(found, finding.Document):
                        await use_for(found, gate)
                        yield Step(f"Opening {shown(found.path.name)}")
                        yield Result(came(found.path.name, await opening.shown(self._desktop, found.path)))
                    else:
                        yield found
                case Kind.APPLICATION:
                    application = await self._application(wanted.name, gate, ask)
                    if isinstance(application, Application):
                        await gate.use(DESKTOP, f"open {shown(application.name)}")
                        yield Step(f"Opening {shown(application.name)}")
                        yield Result(came(application.name, await opening.opened(self._desktop, application)))
                    else:
                        yield application
        except NoDesktop as missing:
            yield NotDone(NotDoneReason.TOOL_UNAVAILABLE, f"{missing.why} {missing.advice}".strip())
        except (OSError, TimeoutError):
            yield NotDone(NotDoneReason.AGENT_FAILED, "The desktop did not do it.")

    async def _windows(self, gate: Gate) -> Result:
        await gate.use(DESKTOP, "list of windows")
        windows = await self._desktop.windows()
        if not windows:
            return Result("No window is open.")
        answer = Answer()
        answer.add(f"{plural(len(windows), 'window')} open:")
        answer.add(
            "\n".join(f"- **{cell(one.app)}** {cell(one.title)}{' (in front)' * one.is_active}" for one in windows)
        )
        return Result(answer.text())

    async def _focus(self, name: str, gate: Gate, ask: Ask) -> Result | NotDone:
        await gate.use(DESKTOP, "list of windows")
        found = matching.windows_of(name, await self._desktop.windows())
        if not found:
            return Result(f"No window of {code(name)} is open.")
        window = await _which(found, [_called(one) for one in found], "Which window do you mean?", ask)
        if not isinstance(window, Window):
            return window
        await gate.use(DESKTOP, f"focus {window.app}")
        if await opening.focused(self._desktop, window):
            return Result(f"{code(_called(window))} is in front now.")
        return Result(f"I asked for {code(_called(window))} to come to the front, and it did not.")

    async def _document(self, name: str, gate: Gate, ask: Ask) -> finding.Document | Result | NotDone:
        folders = gate.folders
        paths = await asyncio.to_thread(finding.documents, name, folders, home=self._home, keep_out=self._keep_out)
        if not paths:
            return Result(f"There is no file {code(name)} in the approved folders.")
        path = await _which(paths, [shown(str(one)) for one in paths], "Which document do you mean?", ask)
        if isinstance(path, NotDone):
            return path
        document = await self._checked(path, gate)
        if isinstance(document, Result) or document.opens is Opens.AS_SHOWN:
            return document
        # The person has named it, and may not know what it does.
        match await ask.may(document_question(document)):
            case Allowed():
                if await self._checked(path, gate) == document:
                    return document
                return Result(
                    f"{code(path.name)} is another now than the one that was asked about. Nothing was opened."
                )
            case reply:
                return _not_opened(reply, path.name)

    async def _checked(self, path: Path, gate: Gate) -> finding.Document | Result:
        try:
            return await asyncio.to_thread(finding.check, path, gate.folders, keep_out=self._keep_out)
        except finding.NoDocument as why:
            return Result(f"{code(path.name)} can't be opened: {why}.")

    async def _application(self, name: str, gate: Gate, ask: Ask) -> Application | NotDone:
        found = matching.applications_of(name, await self._desktop.applications())
        application = await _which(found, [one.name for one in found], "Which application do you mean?", ask)
        if isinstance(application, NotDone) or not await asyncio.to_thread(self._planted, application, gate.folders):
            return application
        # The person has named it, and may not know what would run by now.
        match await ask.may(application_question(application, planted=True)):
            case Allowed():
                return application
            case reply:
                return _not_opened(reply, application.name)


def _not_opened(reply: Denied | NobodyAnswered, name: str) -> NotDone:
    if isinstance(reply, Denied):
        return NotDone(NotDoneReason.PERSON_DENIED, f"You said no; {code(name)} was not opened.")
    return NotDone(NotDoneReason.NOBODY_ANSWERED, f"Nobody answered; {code(name)} was not opened.")


async def _which(found: Sequence[T], names: Sequence[str], question: str, ask: Ask) -> T | NotDone:
    """Take the one that fits; of several, the one that the person says."""
    if len(found) == 1:
        return found[0]
    choices = distinct(names)[:_MOST_CHOICES]
    reply = await ask.which(Choice(text=question, choices=choices))
    if isinstance(reply, Said) and reply.text in choices:
        return found[choices.index(reply.text)]
    listed = "\n".join(f"- {code(one)}" for one in choices)
    return NotDone(NotDoneReason.NOBODY_ANSWERED, f"Nothing was done. {question}\n\n{listed}")


def _called(window: Window) -> str:
    return f"{window.app}: {window.title}" if window.title else window.app
