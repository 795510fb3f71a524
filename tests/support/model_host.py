"""A host of a world whose agent is a language model: the scripted provider of `model_server.py`, and what the owner types."""

from __future__ import annotations

import json
from pathlib import Path

from tests.support.model_server import ModelServer
from tests.support.processes import Event, run
from tests.support.world import World

KEY = "Kestrel-in-the-key"
"""The key of the provider, which nobody but the provider may see."""


async def host(world: World, *words: str) -> tuple[int, list[Event]]:
    """Run `dispatch-host` for the host of the world; gives the exit code and the events."""
    return await run("dispatch-host", *words, "--home", world.home("desk"))


async def takes_model(world: World, server: ModelServer) -> None:
    """Approve the files, and choose the language model, which a host that runs takes from then on."""
    code, events = await host(world, "folders", "add", str(world.folder / "files"), "--write")
    assert code == 0, events
    code, events = await host(world, "agent", "use", "llm")
    assert (code, events[-1]["reason"]) == (9, "AGENT_UNAVAILABLE")
    key = world.folder / "key"
    key.write_text(KEY)
    key.chmod(0o600)
    said = {"provider": "anthropic", "model": "scripted", "base_url": server.address, "key_file": str(key)}
    lines = [f"{name} = {json.dumps(value)}" for name, value in said.items()]
    (Path(world.home("desk")) / "agents.toml").write_text("\n".join(["[llm]", *lines]))
    code, events = await host(world, "agent", "use", "llm")
    assert (code, events) == (0, [{"event": "agent_chosen", "agent": "llm"}])
