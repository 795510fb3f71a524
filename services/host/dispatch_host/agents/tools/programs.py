"""The toolbox of programs: one at a time, in an approved folder, in the sandbox, after a person has seen it and said yes."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import aclosing
from pathlib import Path

from dispatch_host.agents import places
from dispatch_host.agents.agent import Artifact, NotDone, NotDoneReason, Progress, Result, Step
from dispatch_host.agents.asking import JSON
from dispatch_host.agents.builtin.projects import Order
from dispatch_host.agents.builtin.running import Runs
from dispatch_host.agents.given import Given, listed, schema, words
from dispatch_host.agents.places import NoPlace
from dispatch_host.agents.terminal import Terminal
from dispatch_host.agents.toolbox import Tool, ToolFailed, Work
from dispatch_host.agents.tools.naming import absolute
from dispatch_host.permissions.permission import NETWORK, TERMINAL
from dispatch_host.scope import KeptOut

LINES = 300  # of the output, to the model
_ARGUMENTS = 256
_ARGUMENT = 16 * 1024


class ProgramTools:
    """Starts programs."""

    def __init__(self, terminal: Terminal, *, home: Path, keep_out: Sequence[KeptOut]) -> None:
        self._runs = Runs(terminal, home=home, keep_out=keep_out)
        self._home = home
        self._keep_out = keep_out

    async def tools(self, work: Work) -> Sequence[Tool]:
        """Give the tool where programs are permitted and there is a folder for them."""
        if not work.gate.has(TERMINAL) or not work.gate.folders:
            return []
        online = "It may use the network." if work.gate.has(NETWORK) else "It has no network."
        about = (
            "Start a program in an approved folder, in a sandbox that sees that one and those that the command names by their "
            f"paths. {online} The person sees the "
            'command and is asked first. No shell, unless you start one: ["sh", "-c", "…"]. At most 10 minutes.'
        )
        takes = schema(
            ["command", "folder"],
            command=listed("The program and its arguments, each by itself."),
            folder=words("Where it starts: a path, or an approved folder's name and what lies in it."),
        )
        return [Tool("run_program", about, takes, self._run)]

    async def _run(self, arguments: Mapping[str, JSON], work: Work) -> str:
        given = Given(arguments)
        command = given.texts("command", most=_ARGUMENTS, longest=_ARGUMENT)
        said = given.needed("folder")
        given.done()
        if not command or not command[0]:
            raise ToolFailed("command is a list that begins with a program.")
        await work.gate.use(TERMINAL, command[0])
        folders = work.gate.folders
        meant = absolute(said, folders, self._home)
        try:
            folder = await asyncio.to_thread(places.start, meant, folders, home=self._home, keep_out=self._keep_out)
        except NoPlace as none:
            raise ToolFailed(str(none)) from None
        running = self._runs.carry(Order([command], folder), gate=work.gate, ask=work.ask, lines=LINES)
        async with aclosing(running) as events:
            async for event in events:
                match event:
                    case Step() | Progress() | Artifact():
                        await work.tell(event)
                    case Result(text=text):
                        return text
                    case NotDone(reason=NotDoneReason.PROGRAM_FAILED, text=text):
                        return text  # it ran: what it said is what the model asked for
                    case NotDone(reason=NotDoneReason.PERSON_DENIED):
                        raise ToolFailed("The person said no, so nothing was started. Do not try it another way.")
                    case NotDone(reason=NotDoneReason.NOBODY_ANSWERED):
                        raise ToolFailed("Nobody answered in time, so nothing was started. That is not a no.")
                    case NotDone(text=text):
                        raise ToolFailed(text)
        raise ToolFailed("It ended without a word.")
