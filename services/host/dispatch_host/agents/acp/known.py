"""The external agents as the registry lists them: the presets, the owner's own, and what is wrong with those. Quick to import."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from importlib.util import find_spec
from pathlib import Path

from dispatch_host.agents.acp.agent import External
from dispatch_host.agents.acp.finding import NotInstalled, changes, find
from dispatch_host.agents.acp.own import FILE, read_own
from dispatch_host.agents.acp.presets import PRESETS, Preset
from dispatch_host.agents.registry import Known
from dispatch_host.agents.terminal import Terminal
from dispatch_host.agents.toolbox import Toolbox
from dispatch_host.scope import KeptOut

_NO_SDK = "The Agent Client Protocol is not installed: pip install 'dispatch-host[acp]'."


def external_agents(
    own_file: Path,
    *,
    home: Path,
    environment: Mapping[str, str],
    terminal: Terminal,
    keep_out: Sequence[KeptOut],
    records: Path,
    toolboxes: Sequence[Toolbox] = (),
) -> Sequence[Known]:
    """List them. `own_file` is where the owner's own are written down; the rest is as in `External`."""
    own = read_own(own_file)
    presets = {preset.name: preset for preset in (*PRESETS, *own.presets)}

    def make(preset: Preset) -> External:
        return External(
            preset,
            terminal=terminal,
            home=home,
            environment=environment,
            keep_out=keep_out,
            records=records,
            toolboxes=toolboxes,
        )

    found = [
        Known(
            name=f"acp:{preset.name}",
            about=about(preset),
            make=partial(make, preset),
            why_not=partial(_why_not, preset, home, environment),
        )
        for preset in presets.values()
        if preset.name not in own.mistakes
    ]
    return [*found, *(_mistaken(name, text, make) for name, text in own.mistakes.items())]


def own_folders(own_file: Path, *, home: Path) -> Callable[[], Sequence[Path]]:
    """Give what tells the folders that external agents have for themselves, to change, as they lead now.

    Of every agent that is known, installed or not: one that is chosen to-morrow, or was till yesterday, writes there as well.
    """
    presets = {preset.name: preset for preset in (*PRESETS, *read_own(own_file).presets)}
    return lambda: [path for preset in presets.values() for path in changes(preset, home=home)]


def about(preset: Preset) -> str:
    """Say what an agent is, and all that it gets beside the approved folders."""
    gets = [
        f"reads {', '.join(preset.read)}" if preset.read else "",
        f"changes {', '.join(preset.write)}" if preset.write else "",
        f"gets {', '.join((*preset.variables, *preset.secrets))}" if preset.variables or preset.secrets else "",
        "needs the network" if preset.network else "has no network",
    ]
    return f"{preset.title}, an external agent in the sandbox: {'; '.join(filter(None, gets))}"


async def _why_not(preset: Preset, home: Path, environment: Mapping[str, str]) -> str:
    if find_spec("acp") is None:
        return _NO_SDK
    try:
        await asyncio.to_thread(find, preset, home=home, environment=environment)
    except NotInstalled as missing:
        return str(missing)
    return ""


def _mistaken(name: str, text: str, make: Callable[[Preset], External]) -> Known:
    """Stand for an agent of the file that has a mistake; without a name, for the file."""

    async def wrong() -> str:
        return text

    why_not: Callable[[], Awaitable[str]] = wrong
    preset = Preset(name=name, title=name or FILE, command=("",))
    return Known(
        name=f"acp:{name or FILE}", about="an external agent of your own", make=partial(make, preset), why_not=why_not
    )
