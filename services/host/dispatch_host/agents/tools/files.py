"""The toolbox of files: looks and changes, done in the built-in assistant's worker, within the approved folders.

What is said here is checked there again: this decides only what is meant, and what the audit log has of it.
"""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing
from datetime import tzinfo
from functools import partial
from pathlib import Path
from typing import Protocol

from dispatch_host.agents.agent import AgentEvent, Artifact, NotDone, NotDoneReason, Progress, Result, Step
from dispatch_host.agents.asking import JSON
from dispatch_host.agents.builtin.query import CHANGES, Action, Query
from dispatch_host.agents.given import Given, schema, words
from dispatch_host.agents.toolbox import Tool, ToolFailed, Work
from dispatch_host.agents.tools.changing import CHANGING, CONTENT_CHARACTERS
from dispatch_host.agents.tools.naming import ATTACHED, absolute, attachment, meant, outside
from dispatch_host.agents.tools.reading import LOOKING, FileTool
from dispatch_host.changes import BadPlan, Plan, Write
from dispatch_host.permissions.permission import Kind, Permission
from dispatch_host.scope import shown


class Assistant(Protocol):
    """Does queries and plans: the built-in assistant."""

    def consult(self, query: Query, work: Work) -> AsyncGenerator[AgentEvent, None]:
        """Do a query; the last event is its end."""
        ...

    def propose(self, plan: Plan, work: Work) -> AsyncGenerator[AgentEvent, None]:
        """Ask for a plan, and carry it out."""
        ...


class FileTools:
    """Looks at files and changes them."""

    def __init__(self, assistant: Assistant, *, home: Path, zone: Callable[[], tzinfo | None] = lambda: None) -> None:
        """`home` is what `~` means, `zone` gives the one that times are of, as it is then."""
        self._assistant = assistant
        self._home = home
        self._zone = zone

    async def tools(self, work: Work) -> Sequence[Tool]:
        """Give the looks where there is something to look at, and the changes where something may be changed."""
        looking = LOOKING if work.gate.folders or work.task.inbox is not None else ()
        if not any(folder.writable for folder in work.gate.folders):
            return [self._tool(one) for one in looking]
        write = Tool(
            "write_file",
            "Write a new text file. The person sees it and is asked first; it can't replace a file that is there.",
            schema(
                ["file", "content"],
                file=words("Its path, or an approved folder's name and what lies in it."),
                content=words("The whole text."),
            ),
            self._write,
        )
        return [*(self._tool(one) for one in (*looking, *CHANGING)), write]

    def _tool(self, one: FileTool) -> Tool:
        assert isinstance(one.takes, Mapping)  # noqa: S101 -- `schema` makes them
        return Tool(one.name, one.about, one.takes, partial(self._run, one))

    async def _run(self, one: FileTool, arguments: Mapping[str, JSON], work: Work) -> str:
        """Do what a model asks for. Raises ToolFailed, and NotPermitted as the gate gave it."""
        given = Given(arguments)
        query = one.query(given, partial(self._path, work), self._zone())
        given.done()
        said = [*query.places, *query.paths, *([query.file] if query.file is not None else [])]
        if query.target is not None and query.target.startswith("/"):  # a folder, and no new name
            said.append(query.target)
        if query.action is not Action.UNDO:
            await self._note(one.name, said, work, changing=query.action in CHANGES)
        return await self._heard(self._assistant.consult(query, work), work, quiet=query.action not in CHANGES)

    async def _write(self, arguments: Mapping[str, JSON], work: Work) -> str:
        given = Given(arguments)
        said = self._path(work, given.needed("file"))
        content = given.content("content", most=CONTENT_CHARACTERS)
        given.done()
        if not content:
            raise ToolFailed("content is missing.")
        if not said.startswith("/"):
            raise ToolFailed("file is a path, or an approved folder's name and what lies in it.")
        await self._note("write_file", [said], work, changing=True)
        plan = _new_file(said, content)
        try:
            return await self._heard(self._assistant.propose(plan, work), work, quiet=False)
        except BadPlan:
            raise ToolFailed(
                "That can't be written: a text has at most 128 KiB, and a path no more than 16,384 letters."
            ) from None

    def _path(self, work: Work, said: str) -> str:
        if said.startswith(ATTACHED):
            return attachment(said, work.task)
        return absolute(said, work.gate.folders, self._home)

    async def _note(self, tool: str, said: Sequence[str], work: Work, *, changing: bool) -> None:
        """Use the permission for what is meant; what leads out of all folders is refused, and the audit log has it."""
        gate = work.gate
        inbox = str(work.task.inbox) if work.task.inbox is not None else None
        inside = [path for path in said if inbox is None or not path.startswith(f"{inbox}/")]
        if said and not inside:
            return
        if (leads_out := outside(inside, gate.folders)) is not None:
            await gate.use(Permission(Kind.FOLDER, leads_out, changing), tool)
            raise ToolFailed("That is not in an approved folder.")
        for folder in meant(inside, gate.folders):
            # A change is noted as one when it is made, after the yes; here it is only looked at.
            await gate.use(Permission(Kind.FOLDER, str(folder.path)), tool)
        if changing and inside and not any(folder.writable for folder in meant(inside, gate.folders)):
            folder = meant(inside, gate.folders)[0]
            await gate.use(Permission(Kind.FOLDER, str(folder.path), write=True), tool)

    async def _heard(self, events: AsyncGenerator[AgentEvent, None], work: Work, *, quiet: bool) -> str:
        """Pass on what a person should see, and give the end as words. Raises ToolFailed when it was not done.

        `quiet`: the steps of a look say no more than that the tool was called.
        """
        async with aclosing(events) as running:
            async for event in running:
                match event:
                    case Progress() | Artifact():
                        await work.tell(event)
                    case Step() if not quiet:
                        await work.tell(event)
                    case Result(text=text):
                        return text
                    case NotDone(reason=NotDoneReason.PERSON_DENIED):
                        raise ToolFailed("The person said no, so nothing was changed. Do not try it another way.")
                    case NotDone(reason=NotDoneReason.NOBODY_ANSWERED):
                        raise ToolFailed("Nobody answered in time, so nothing was changed. That is not a no.")
                    case NotDone(text=text):
                        raise ToolFailed(text)
        raise ToolFailed("It ended without a word.")


def _new_file(said: str, content: str) -> Plan:
    target = os.path.normpath(said)
    return Plan(f"Write {shown(os.path.basename(target))}", (Write(target, content),))
