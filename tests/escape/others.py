"""The tools that are not the built-in assistant's own, as attempts: of a model, external agents, pages, the desktop, skills."""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import aclosing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeAlias

from dispatch import errors
from dispatch_host.agents import (
    AgentEvent,
    Allowed,
    Approval,
    Artifact,
    Choice,
    Reach,
    Said,
    Step,
    Task,
)
from dispatch_host.agents.acp.files import FileRefused, Files
from dispatch_host.agents.acp.terminals import ProgramRefused, Terminals
from dispatch_host.agents.builtin.approvals import approval, undoing
from dispatch_host.agents.builtin.program import run
from dispatch_host.agents.builtin.query import Query
from dispatch_host.agents.builtin.request import Request
from dispatch_host.agents.terminal import Terminal
from dispatch_host.agents.toolbox import Toolbox, ToolFailed, Work
from dispatch_host.agents.tools import FileTools, ProgramTools
from dispatch_host.browser import saving
from dispatch_host.changes import Plan
from dispatch_host.desktop.desktop import Window
from dispatch_host.desktop.tools import DesktopTools
from dispatch_host.permissions.permission import DESKTOP, TERMINAL
from dispatch_host.sandbox.bubblewrap import Bubblewrap
from dispatch_host.sandbox.probe import Found, probe
from dispatch_host.sandbox.unconfined import Unconfined
from dispatch_host.scope import Folder, KeptOut
from dispatch_host.skills.skills import Skills

from tests.escape.ground import Ground, NotHere
from tests.support.agents import OpenGate
from tests.support.desktop_end import RecordedDesktop, planted

Attempt: TypeAlias = Callable[[Ground, str], Awaitable[str]]
NOW = datetime(2026, 11, 21, 9, 30, tzinfo=UTC)


class Everybody:
    """Says yes to everything and takes the first of every choice, and keeps what was shown."""

    def __init__(self) -> None:
        self.shown: list[str] = []

    async def may(self, question: Approval) -> Allowed:
        self.shown += [question.text, question.preview, question.action.decode()]
        return Allowed(Reach.ALWAYS, "pocket")

    async def which(self, question: Choice) -> Said:
        self.shown += [question.text, *question.choices]
        return Said(question.choices[0], "pocket")


class Here:
    """The built-in assistant's worker in this process: as its `consult` and `propose`, without a process for each bait."""

    def __init__(self, ground: Ground) -> None:
        self._ground = ground

    async def consult(self, query: Query, work: Work) -> AsyncGenerator[AgentEvent, None]:
        events: list[AgentEvent] = []
        outcome = run(self._request(work, query=query), events.append)
        for event in events:
            yield event
        if outcome.plan is None:
            yield outcome.event
            return
        if outcome.undo:
            await work.ask.may(undoing(Plan.from_bytes(outcome.plan), work.gate.folders))
            events.clear()
            undone = run(self._request(work, undo=True), events.append)
            for event in events:
                yield event
            yield undone.event
            return
        async with aclosing(self.propose(Plan.from_bytes(outcome.plan), work)) as carried:
            async for event in carried:
                yield event

    async def propose(self, plan: Plan, work: Work) -> AsyncGenerator[AgentEvent, None]:
        question = approval(plan, "", work.gate.folders)
        await work.ask.may(question)
        events: list[AgentEvent] = []
        outcome = run(self._request(work, plan=question.action), events.append)
        for event in events:
            yield event
        yield outcome.event

    def _request(self, work: Work, **more: Any) -> Request:
        ground = self._ground
        return Request(
            "",
            work.gate.folders,
            (),
            NOW,
            str(ground.root / "user"),
            [ground.host],
            inbox=ground.inbox,
            task_id="task-1",
            earlier=["task-1"],
            records=ground.records,
            **more,
        )


async def calls(toolbox: Toolbox, ground: Ground, gate: OpenGate, name: str, arguments: Mapping[str, Any]) -> str:
    """Call a tool as a model would; gives all that anybody was told of it."""
    everybody = Everybody()
    shown: list[str] = everybody.shown

    async def tell(event: Any) -> None:
        match event:
            case Step(title, detail):
                shown.extend((title, detail))
            case Artifact(path):
                shown.append(str(path))
            case _:
                pass

    work = Work(Task("task-1", "", ground.inbox), gate, everybody, tell)
    tool = next(one for one in await toolbox.tools(work) if one.name == name)
    try:
        shown.append(await tool.run(arguments, work))
    except (ToolFailed, errors.NotPermitted) as refused:
        shown.append(str(refused))
    return "\n".join(shown)


def model(name: str, /, **arguments: Any) -> Attempt:
    """Have a model call a tool over files; `{path}` and `{folder}` stand for the bait and the approved folder."""

    async def attempt(ground: Ground, path: str) -> str:
        toolbox = FileTools(Here(ground), home=ground.root / "user", zone=lambda: UTC)
        return await calls(toolbox, ground, OpenGate(ground.folders), name, _written(arguments, ground, path))

    return attempt


def _written(value: Any, ground: Ground, path: str) -> Any:
    if isinstance(value, str):
        return value.replace("{path}", path).replace("{folder}", str(ground.approved))
    if isinstance(value, list):
        return [_written(one, ground, path) for one in value]
    return {name: _written(one, ground, path) for name, one in value.items()} if isinstance(value, dict) else value


async def terminal_of(ground: Ground) -> Terminal:
    found = await probe(home=ground.root / "user")
    if not isinstance(found.programs, Bubblewrap):
        raise NotHere(found.why)
    here = Found(Bubblewrap(found.programs.executable, home=ground.root / "user", keep_out=[ground.host]))

    async def looked() -> Found:
        return here

    return Terminal(looked, unconfined=Unconfined(home=ground.root / "user", keep_out=[ground.host]))


async def model_runs(ground: Ground, path: str) -> str:
    """Have a model start a program."""
    terminal = await terminal_of(ground)
    toolbox = ProgramTools(terminal, home=ground.root / "user", keep_out=[KeptOut.at(ground.host)])
    gate = OpenGate(ground.folders, TERMINAL)
    command = ["timeout", "2", "cat", path]
    return await calls(toolbox, ground, gate, "run_program", {"command": command, "folder": str(ground.approved)})


def _files(ground: Ground, everybody: Everybody) -> Files:
    return Files(
        task=Task("task-1", "", ground.inbox),
        gate=OpenGate(ground.folders),
        ask=everybody,
        agent="Scripty",
        home=ground.root / "user",
        keep_out=[KeptOut.at(ground.host)],
        records=ground.records,
    )


async def agent_reads(ground: Ground, path: str) -> str:
    """Have the host read for an external agent."""
    try:
        return await _files(ground, Everybody()).read(path, None, None)
    except (FileRefused, errors.NotPermitted) as refused:
        return str(refused)


async def agent_writes(ground: Ground, path: str) -> str:
    """Have the host write for an external agent."""
    everybody = Everybody()
    try:
        await _files(ground, everybody).write(path, "pwned")
    except (FileRefused, errors.NotPermitted) as refused:
        everybody.shown.append(str(refused))
    return "\n".join(everybody.shown)


async def agent_runs(ground: Ground, path: str) -> str:
    """Have the host start a program for an external agent."""
    everybody = Everybody()
    terminals = Terminals(
        terminal=await terminal_of(ground),
        gate=OpenGate(ground.folders, TERMINAL),
        ask=everybody,
        agent="Scripty",
        home=ground.root / "user",
        keep_out=[KeptOut.at(ground.host)],
    )
    try:
        name = await terminals.create(["timeout", "2", "cat", path], ground.approved, {}, None)
        await terminals.wait(name)
        return "\n".join((terminals.look(name)[0], *everybody.shown))
    except (ProgramRefused, errors.NotPermitted) as refused:
        return str(refused)
    finally:
        await terminals.close()


def download(*, into: bool) -> Attempt:
    """Have a page offer a file: under a name that is the bait, or for a folder that is."""

    async def attempt(ground: Ground, path: str) -> str:
        offered = os.memfd_create("download")
        os.write(offered, b"pwned")
        os.lseek(offered, 0, os.SEEK_SET)
        everybody = Everybody()
        try:
            saved = await saving.save(
                offered,
                name="pwned.txt" if into else path,
                url="https://x.example/",
                folder=Path(path) if into else ground.approved,
                gate=OpenGate(ground.folders),
                ask=everybody,
                keep_out=[ground.host],
            )
            everybody.shown.append(str(saved))
        except (saving.NotSaved, errors.NotPermitted) as refused:
            everybody.shown.append(str(refused))
        return "\n".join(everybody.shown)

    return attempt


async def desktop_opens(ground: Ground, path: str) -> str:
    """Have a document opened, and read it as the application would."""

    def came(desktop: RecordedDesktop) -> None:
        desktop.open = [*desktop.open, Window(len(desktop.open) + 1, "Reader", path[-20:])]

    desktop = RecordedDesktop(then=came)
    home = ground.root / "user"
    toolbox = DesktopTools(desktop, home=home, keep_out=[ground.host], planted=planted(home))
    said = await calls(toolbox, ground, OpenGate(ground.folders, DESKTOP), "desktop_open_document", {"document": path})
    opened = [subject.read_text(errors="replace") for what, subject in desktop.asked if what == "show"]  # type: ignore[attr-defined]
    return "\n".join((said, *opened))


def skill(tool: str) -> Attempt:
    """Have a skill that is full of baits read, or run, one of them. Its folder is the owner's, and no agent may write to it."""

    async def attempt(ground: Ground, path: str) -> str:
        named = path.removeprefix(f"{ground.approved}/")
        (ground.approved / "SKILL.md").write_text("---\nname: approved\ndescription: Baits.\n---\nNothing.\n")
        runs = tool == "run_skill_script"
        terminal = await terminal_of(ground) if runs else Terminal(_nothing, unconfined=Unconfined(home=ground.root))
        home, keep_out = ground.root / "user", [KeptOut.at(ground.host)]
        skills = Skills(lambda: [home], terminal=terminal, agents_own=list, home=home, keep_out=keep_out)
        elsewhere = ground.root / "elsewhere"
        elsewhere.mkdir(exist_ok=True)
        given = {"arguments": [], "folder": str(elsewhere)} if runs else {}
        gate = OpenGate([Folder(elsewhere, writable=True)], TERMINAL) if runs else OpenGate()
        return await calls(skills, ground, gate, tool, {"name": "approved", "path": named, **given})

    return attempt


async def _nothing() -> Found:
    raise AssertionError("reading starts no program")


_MODELS: Mapping[str, Mapping[str, Any]] = {
    "read_file": {"file": "{path}"},
    "describe_file": {"file": "{path}"},
    "read_rows": {"file": "{path}"},
    "measure_column": {"file": "{path}", "column": "a"},
    "send_file": {"file": "{path}"},
    "search_in_files": {"phrase": "canary", "file": "{path}"},
    "list_folder": {"folder": "{path}"},
    "find_files": {"folder": "{path}"},
    "disk_usage": {"folder": "{path}"},
    "find_duplicates": {"folder": "{path}"},
    "unzip_file": {"file": "{path}"},
    "convert_file": {"file": "{path}"},
    "zip_files": {"files": ["{path}"], "target": "out"},
    "rename_files": {"files": ["{path}"], "rule": "prefix", "text": "x"},
    "sort_files": {"folder": "{path}"},
    "write_file": {"file": "{path}", "content": "pwned"},
    "delete_files": {"files": ["{path}"]},
    "move_files": {"files": ["{path}"], "name": "renamed"},
    "copy_files": {"files": ["{path}"], "name": "copied"},
    "make_folder": {"folder": "{path}/pwned"},
    "edit_file": {"file": "{path}", "how": "append", "text": "pwned"},
}

OTHERS: Mapping[str, Attempt] = {
    **{f"model: {name}": model(name, **arguments) for name, arguments in _MODELS.items()},
    "model: write_file into": model("write_file", file="{path}/pwned.txt", content="pwned"),
    "model: delete_files in": model("delete_files", folder="{path}"),
    "model: move_files into": model("move_files", files=["{folder}/plain.txt"], to="{path}"),
    "model: copy_files into": model("copy_files", files=["{folder}/plain.txt"], to="{path}"),
    "model: read_file attached": model("read_file", file="attached:{path}"),
    "external agent: read": agent_reads,
    "external agent: write": agent_writes,
    "browser: browser_download as": download(into=False),
    "browser: browser_download into": download(into=True),
    "skill: read_skill_file": skill("read_skill_file"),
}
OPENED_BY_PATH: Mapping[str, Attempt] = {"desktop: desktop_open_document": desktop_opens}
"""An application is given a path: who may write to the folder can swap what is there in that moment (docs/desktop.md)."""
PROGRAMS: Mapping[str, Attempt] = {
    "model: run_program": model_runs,
    "external agent: terminal": agent_runs,
    "skill: run_skill_script": skill("run_skill_script"),
}
