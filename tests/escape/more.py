"""Attempts that take more than one call: the assistant's programs and documents, undoing, and what an agent sends by the bridge."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from datetime import UTC
from functools import partial
from pathlib import Path
from typing import Any

from dispatch import errors
from dispatch_host.agents import AgentEvent, Artifact, NotDone, Result, Step, Task
from dispatch_host.agents.acp.sending import Sending
from dispatch_host.agents.builtin import commands, desk_grammar
from dispatch_host.agents.builtin.desk import Desk
from dispatch_host.agents.builtin.running import Runs
from dispatch_host.agents.toolbox import Work
from dispatch_host.agents.tools import FileTools
from dispatch_host.connectors.passing import passing
from dispatch_host.desktop.desktop import Window
from dispatch_host.permissions.permission import DESKTOP, TERMINAL
from dispatch_host.scope import KeptOut

from tests.escape.ground import Ground
from tests.escape.others import Attempt, Everybody, Here, calls, terminal_of
from tests.support.agents import OpenGate
from tests.support.desktop_end import RecordedDesktop, planted


def assistant_runs(request: str) -> Attempt:
    """Have the built-in assistant start a program, as it understands the words; what it does not understand it does not start."""

    async def attempt(ground: Ground, path: str) -> str:
        wanted = commands.understand(request.format(path=path, folder=ground.approved))
        if wanted is None:
            return ""
        runs = Runs(await terminal_of(ground), home=ground.root / "user", keep_out=[KeptOut.at(ground.host)])
        everybody = Everybody()
        gate = OpenGate(ground.folders, TERMINAL)
        return await _heard(runs.run(wanted, gate=gate, ask=everybody, memories=[]), everybody)

    return attempt


async def assistant_opens(ground: Ground, path: str) -> str:
    """Have the built-in assistant open a document, and read it as the application would."""
    wanted = desk_grammar.understand(f'open "{path}"')
    if wanted is None:
        return ""

    def came(desktop: RecordedDesktop) -> None:
        desktop.open = [*desktop.open, Window(len(desktop.open) + 1, "Reader", path[-20:])]

    desktop, everybody = RecordedDesktop(then=came), Everybody()
    home = ground.root / "user"
    desk = Desk(desktop, home=home, keep_out=[ground.host], planted=planted(home))
    gate = OpenGate(ground.folders, DESKTOP)
    if not await desk.takes(wanted, gate):
        return ""
    said = await _heard(desk.run(wanted, gate=gate, ask=everybody), everybody)
    opened = [subject.read_text(errors="replace") for what, subject in desktop.asked if what == "show"]  # type: ignore[attr-defined]
    return "\n".join((said, *opened))


async def _heard(events: AsyncGenerator[AgentEvent, None], everybody: Everybody) -> str:
    shown: list[str] = everybody.shown
    try:
        async with aclosing(events):
            async for event in events:
                match event:
                    case Step(title, detail):
                        shown += [title, detail]
                    case Result(text=text) | NotDone(text=text):
                        shown.append(text)
                    case _:
                        shown.append(str(event))
    except errors.NotPermitted as refused:
        shown.append(str(refused))
    return "\n".join(shown)


async def undone(ground: Ground, path: str | None) -> str:
    """Have a model change files and undo it, after what it changed was swapped for the bait, and the folder for the bait's.

    Without a path nothing is swapped.
    """
    call = partial(
        calls, FileTools(Here(ground), home=ground.root / "user", zone=lambda: UTC), ground, OpenGate(ground.folders)
    )
    edited, emptied = (_with_a_file(ground.approved / name) for name in ("edited", "emptied"))
    shown = [await call("edit_file", {"file": str(edited), "how": "append", "text": "pwned"})]
    if path is not None:
        edited.unlink()
        _try(lambda: edited.symlink_to(path))
    shown.append(await call("undo_change", {}))
    shown.append(await call("delete_files", {"files": [str(emptied)]}))
    if path is not None:
        emptied.parent.rmdir()
        _try(lambda: emptied.parent.symlink_to(os.path.dirname(path)))
    shown.append(await call("undo_change", {}))
    return "\n".join(shown)


def _with_a_file(folder: Path) -> Path:
    folder.mkdir(exist_ok=True)
    file = folder / "inner.txt"
    file.write_text("harmless")
    return file


def _try(make: Callable[[], object]) -> None:
    """Lay a link, where there can be one to such a path."""
    try:
        make()
    except (OSError, ValueError):
        return


async def agent_sends(ground: Ground, path: str) -> str:
    """Have an external agent send a file: by the socket that its bridge passes bytes to."""
    everybody = Everybody()

    async def tell(event: Any) -> None:
        match event:
            case Step(title, detail):
                everybody.shown.extend((title, detail))
            case Artifact(sent):
                everybody.shown.append(str(sent))
            case _:
                pass

    sending = Sending(lambda: FileTools(Here(ground), home=ground.root / "user", zone=lambda: UTC))
    work = Work(Task("task-1", "", ground.inbox), OpenGate(ground.folders), everybody, tell)
    async with passing([sending], work) as passed:
        reader, writer = await asyncio.open_unix_connection(passed.args[-1], limit=2**20)
        hello = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "a", "version": "1"}}
        for said in (
            {"id": 0, "method": "initialize", "params": hello},
            {"method": "notifications/initialized"},
            {"id": 1, "method": "tools/call", "params": {"name": "send_file", "arguments": {"file": path}}},
        ):
            writer.write(json.dumps({"jsonrpc": "2.0", **said}).encode() + b"\n")
            if "id" in said:
                everybody.shown.append(json.dumps(json.loads(await reader.readline()), ensure_ascii=False))
        writer.close()
    return "\n".join(everybody.shown)


MORE: Mapping[str, Attempt] = {
    "model: undo_change": undone,
    "external agent: send_file": agent_sends,
}
MORE_OPENED_BY_PATH: Mapping[str, Attempt] = {"assistant opens": assistant_opens}
MORE_PROGRAMS: Mapping[str, Attempt] = {
    "assistant runs: it": assistant_runs('run "{path}"'),
    "assistant runs: cat": assistant_runs("run \"timeout 2 cat '{path}'\" in {folder}"),
}
