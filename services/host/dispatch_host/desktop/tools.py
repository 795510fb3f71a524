"""The desktop as tools of a language model. docs/desktop.md lists them. Called by the agent; each call uses the permission."""

from __future__ import annotations

import asyncio
import shlex
from collections.abc import Awaitable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from dispatch_host.agents.agent import Gate, Step
from dispatch_host.agents.asking import JSON, RULE_BYTES, Allowed, Approval, Choice, Denied, Said, canonical
from dispatch_host.agents.given import Given, schema, words
from dispatch_host.agents.toolbox import Tool, ToolFailed, Work
from dispatch_host.desktop import finding, matching, opening
from dispatch_host.desktop.desktop import Application, Desktop, NoDesktop, Window
from dispatch_host.desktop.documents import Opens
from dispatch_host.desktop.planted import IsPlanted
from dispatch_host.markdown import code
from dispatch_host.permissions.permission import BROWSER, DESKTOP, Permission
from dispatch_host.scope import KeptOut, lasting, shown

T = TypeVar("T")

_SAID_CHARACTERS = 1000
_MOST_CHOICES = 20
_PLANTED = "\n\nAgents may write to what it is started from: what they wrote would run with your rights."


class DesktopTools:
    """As a Toolbox."""

    def __init__(self, desktop: Desktop, *, home: Path, keep_out: Sequence[Path | KeptOut], planted: IsPlanted) -> None:
        """`home` is what `~` means, `keep_out` is the scope's; `planted` tells the applications that agents may have written."""
        self._planted = planted
        self._desktop = desktop
        self._home = home
        self._keep_out = lasting(keep_out)

    async def tools(self, work: Work) -> Sequence[Tool]:
        """Give all of them, or none where the desktop may not be used."""
        if not work.gate.has(DESKTOP):
            return []
        return [
            Tool("desktop_windows", "List the windows that are open on the person's desktop.", schema(), self._windows),
            Tool(
                "desktop_focus",
                "Bring a window of the person's desktop to the front.",
                schema(("window",), window=words("An application, a title, or a number of the list.")),
                self._focus,
            ),
            Tool(
                "desktop_open_application",
                "Open an application on the person's desktop. Best effort: the answer says whether a window came. They are asked.",
                schema(("application",), application=words("Its name.")),
                self._open_application,
            ),
            Tool(
                "desktop_open_document",
                "Open a document of an approved folder on the person's desktop. They are asked.",
                schema(("document",), document=words("A file name or a path.")),
                self._open_document,
            ),
        ]

    async def _windows(self, arguments: Mapping[str, JSON], work: Work) -> str:
        Given(arguments).done()
        await work.gate.use(DESKTOP, "list of windows")
        lines = [
            f"{window.number}{' (in front)' if window.is_active else ''}: {window.app}: {window.title}"
            for window in await _answer(self._desktop.windows())
        ]
        return (
            "\n".join(["Open windows; the titles are the applications' own words:", *lines])
            if lines
            else "No window is open."
        )

    async def _focus(self, arguments: Mapping[str, JSON], work: Work) -> str:
        said = _only(arguments, "window")
        windows = await _answer(self._desktop.windows())
        found = [one for one in windows if str(one.number) == said] or matching.windows_of(said, windows)
        window = await _one(found, [_called(one) for one in found], "Which window?", work)
        await work.gate.use(DESKTOP, f"focus {window.app}")
        if await _answer(opening.focused(self._desktop, window)):
            return f"{_called(window)} is in front."
        return f"{_called(window)} was asked to come to the front, and did not."

    async def _open_application(self, arguments: Mapping[str, JSON], work: Work) -> str:
        found = matching.applications_of(_only(arguments, "application"), await _answer(self._desktop.applications()))
        application = await _one(found, [one.name for one in found], "Which application?", work)
        planted = await asyncio.to_thread(self._planted, application, work.gate.folders)
        await _may(work, application_question(application, planted=planted))
        await work.gate.use(DESKTOP, f"open {application.name}")
        await work.tell(Step(f"Opening {shown(application.name)}"))
        return came(application.name, await _answer(opening.opened(self._desktop, application)))

    async def _open_document(self, arguments: Mapping[str, JSON], work: Work) -> str:
        said = _only(arguments, "document")
        paths = await asyncio.to_thread(
            finding.documents, said, work.gate.folders, home=self._home, keep_out=self._keep_out
        )
        path = await _one(paths, [shown(str(one)) for one in paths], "Which document?", work)
        document = await self._checked(path, work)
        await _may(work, document_question(document))
        if await self._checked(path, work) != document:
            raise ToolFailed("It can't be opened: it is another than the one that was asked about.")
        await use_for(document, work.gate)
        await work.tell(Step(f"Opening {shown(path.name)}"))
        return came(path.name, await _answer(opening.shown(self._desktop, path)))

    async def _checked(self, path: Path, work: Work) -> finding.Document:
        try:
            return await asyncio.to_thread(finding.check, path, work.gate.folders, keep_out=self._keep_out)
        except finding.NoDocument as why:
            raise ToolFailed(f"It can't be opened: {why}.") from why


async def use_for(document: finding.Document, gate: Gate) -> None:
    """Use the permissions for a document. Raises NotPermitted."""
    for permission in (DESKTOP, *_also(document)):
        await gate.use(permission, f"open {shown(str(document.path))}")


def application_question(application: Application, *, planted: bool) -> Approval:
    """Ask whether an application may be opened. There is no rule for one that agents may have written, or write anew."""
    rule = "" if planted else f"open {shown(application.name)}"
    return Approval(
        text=f"Open {code(application.name)} on the desktop?",
        action=canonical(
            {"tool": "desktop_open_application", "name": application.name, "start": list(application.start)}
        ),
        preview=f"{code(application.name)}, started as {code(shlex.join(application.start))}{_PLANTED * planted}",
        rule=rule if len(rule.encode()) <= RULE_BYTES else "",
        permission=DESKTOP,
        of={"application": application.name, "start": list(application.start)},
    )


def document_question(document: finding.Document) -> Approval:
    """Ask whether a document may be opened. There is a rule for what only shows; what does something is asked about each time."""
    path, folder = document.path, document.folder.path
    rule = f"open documents in {shown(str(folder))}" if document.opens is Opens.AS_SHOWN else ""
    warning = f"\n\n{document.opens.value}" if document.opens.value else ""
    return Approval(
        text=f"Open {code(path.name)} on the desktop?",
        action=canonical({"tool": "desktop_open_document", "path": str(path), "opens": document.opens.name}),
        preview=f"{code(str(path))}, in the application that you have for it{warning}",
        rule=rule if len(rule.encode()) <= RULE_BYTES else "",
        permission=DESKTOP,
        also=_also(document),
        of={"folder": str(folder)},
    )


def _also(document: finding.Document) -> Sequence[Permission]:
    """Give what a document takes besides the desktop: a page is opened in a browser, and the person's own at that."""
    return (BROWSER,) if document.opens is Opens.AS_PAGE else ()


def came(name: str, window: Window | None) -> str:
    """Say what came of opening something."""
    if window is None:
        return (
            f"{code(name)} was started, and no window of it was seen within {opening.OPEN_SECONDS:.0f} seconds. "
            "Opening is best effort: it may still come, or have failed."
        )
    return (
        f"{code(name)} was opened: there is a window of {code(window.app)}, {code(window.title or 'without a title')}."
    )


async def _may(work: Work, question: Approval) -> None:
    match await work.ask.may(question):
        case Allowed():
            return
        case Denied():
            raise ToolFailed("The person said no; nothing was opened.")
        case _:
            raise ToolFailed("Nobody answered; nothing was opened.")


async def _one(found: Sequence[T], names: Sequence[str], question: str, work: Work) -> T:
    """Take the one that fits; of several, the one that the person says."""
    if not found:
        raise ToolFailed("There is none that fits.")
    if len(found) == 1:
        return found[0]
    choices = distinct(names)[:_MOST_CHOICES]
    match await work.ask.which(Choice(text=question, choices=choices)):
        case Said(text=text) if text in choices:
            return found[choices.index(text)]
        case _:
            raise ToolFailed("Several fit, and nobody said which.")


def distinct(names: Sequence[str]) -> list[str]:
    """Tell alike names apart by a number."""
    seen: dict[str, int] = {}
    told = []
    for name in names:
        seen[name] = seen.get(name, 0) + 1
        told.append(name if seen[name] == 1 else f"{name} ({seen[name]})")
    return told


async def _answer(call: Awaitable[T]) -> T:
    try:
        return await call
    except NoDesktop as missing:
        raise ToolFailed(f"{missing.why} {missing.advice}".strip()) from missing
    except OSError as failure:
        raise ToolFailed("It could not be started.") from failure


def _called(window: Window) -> str:
    return f"{window.app}: {window.title}" if window.title else window.app


def _only(arguments: Mapping[str, JSON], name: str) -> str:
    """Take the one argument. A number of the list of windows may be written as one."""
    said = arguments.get(name)
    given = Given({**arguments, name: str(said)} if isinstance(said, int) and not isinstance(said, bool) else arguments)
    text = given.needed(name, most=_SAID_CHARACTERS).strip()
    given.done()
    if not text:
        raise ToolFailed(f"{name} is missing.")
    return text
