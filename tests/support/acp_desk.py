"""A person with an external agent: the scripted one of `acp_agent.py`, in the real sandbox, and one thread."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from dispatch_host.agents import AgentEvent, Allowed, Approval, Choice, Denied, NotDone, Reach, Result, Said, Step, Turn
from dispatch_host.agents.acp.agent import LET_GO_SECONDS, External
from dispatch_host.agents.acp.presets import Preset
from dispatch_host.agents.acp.sending import Sending
from dispatch_host.agents.builtin.driver import BuiltIn
from dispatch_host.agents.terminal import Terminal
from dispatch_host.agents.toolbox import Toolbox
from dispatch_host.agents.tools import FileTools
from dispatch_host.connectors.passing import SYSTEM_PATH
from dispatch_host.permissions.permission import TERMINAL, Permission
from dispatch_host.sandbox.probe import Found
from dispatch_host.sandbox.unconfined import Unconfined
from dispatch_host.scope import Folder, KeptOut

from tests.support.agents import Nobody, OpenGate, last, leaves_nothing, run, turn

PROGRAM = Path(__file__).with_name("acp_agent.py")
ONCE, TASK, DENIED = Allowed(Reach.ONCE, "pocket"), Allowed(Reach.TASK, "pocket"), Denied("pocket")


def scripted(*options: str, network: bool = False, sessions: Path | None = None, **more: Any) -> Preset:
    """Give the preset of the scripted agent. `sessions` is where it keeps what it can load again."""
    kept = () if sessions is None else ("--sessions", str(sessions))
    return Preset(
        name="scripted",
        title="Scripty",
        command=(sys.executable, "-s", "-P", str(PROGRAM), *options, *kept),
        read=(str(PROGRAM.parent), sys.base_prefix, sys.prefix),
        write=() if sessions is None else (str(sessions),),
        network=network,
        # What is compiled already is not compiled again, in each of the sandboxes.
        fixed={} if sys.pycache_prefix is None else {"PYTHONPYCACHEPREFIX": sys.pycache_prefix},
        **more,
    )


def written_down() -> str:
    """Write the scripted agent down as an owner writes down an agent of their own, for `agents.toml`."""
    preset = scripted()
    lines = {"title": preset.title, "command": preset.command, "read": preset.read, "network": False}
    return "\n".join(["[acp.scripted]", *(f"{name} = {json.dumps(value)}" for name, value in lines.items())])


def sending(desk: Desk) -> Sending:
    """Give the tool that sends files, as the host gives it to external agents."""

    def files() -> FileTools:
        assistant = BuiltIn(home=desk.home, keep_out=[desk.keep_out], records=desk.keep_out / "changes")
        return FileTools(assistant, home=desk.home)

    return Sending(files)


class Desk:
    """The person, their folder and what they say."""

    def __init__(
        self, home: Path, probe: Callable[[], Awaitable[Found]], *, environment: Mapping[str, str] | None = None
    ):
        self.home = home
        self.code = home / "code"
        self.code.mkdir(parents=True)
        self.folders = [Folder(self.code, writable=True)]
        self.permissions: list[Permission] = [TERMINAL]
        self.without_sandbox = False
        self.keep_out = home / "host"
        self.keep_out.mkdir()
        self.environment = {"PATH": os.environ["PATH"], **(environment or {})}
        self.toolboxes: list[Toolbox] = []
        self.system_path = SYSTEM_PATH
        self.preset = scripted()
        self.start_seconds = 60.0
        self.let_go_seconds = LET_GO_SECONDS
        self.history: list[Turn] = []
        self.asked: list[Approval | Choice] = []
        self.gate = OpenGate()
        self.events: Sequence[AgentEvent] = []
        self.terminal = Terminal(probe, unconfined=Unconfined(home=home, keep_out=[self.keep_out]))

    @property
    def agent(self) -> External:
        return External(
            self.preset,
            terminal=self.terminal,
            home=self.home,
            environment=self.environment,
            keep_out=[KeptOut.at(self.keep_out)],
            records=self.keep_out / "changes",
            toolboxes=self.toolboxes,
            system_path=self.system_path,
            start_seconds=self.start_seconds,
            let_go_seconds=self.let_go_seconds,
        )

    def opens(self) -> OpenGate:
        """Give a gate with what is permitted."""
        self.gate = OpenGate(self.folders, *self.permissions, without_sandbox=self.without_sandbox)
        return self.gate

    async def asks(self, text: str, *replies: Allowed | Denied | Said) -> Result | NotDone:
        """Send a task and give its end. Nothing is left of it."""
        person = Nobody(*replies)
        async with leaves_nothing():
            self.events = await run(self.agent, text, gate=self.opens(), ask=person, history=self.history)
        self.asked = person.asked
        end = last(self.events)
        self.history.append(turn(text, end))
        return end

    async def plays(
        self, *steps: Mapping[str, Any], replies: Sequence[Allowed | Denied | Said] = ()
    ) -> Result | NotDone:
        """Have the agent do exactly this."""
        return await self.asks(f"script:{json.dumps(steps)}", *replies)

    async def tells(self, *steps: Mapping[str, Any], replies: Sequence[Allowed | Denied | Said] = ()) -> list[Any]:
        """Have the agent do this, and give what it told of each step."""
        end = await self.plays(*steps, replies=replies)
        assert isinstance(end, Result), end
        return [json.loads(line) for line in end.text.splitlines()]

    @property
    def steps(self) -> list[str]:
        return [event.title for event in self.events if isinstance(event, Step)]
