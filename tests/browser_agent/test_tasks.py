"""A web page as a person asks for it, from the phone: real processes, and the picture on the phone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.processes import run
from tests.support.site import Site
from tests.support.world import World


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    """A host and a phone, paired, whose host's agents may open pages of this computer."""
    async with World(tmp_path) as world:
        await world.services()
        host = await world.devices()
        await host.stop()
        code, events = await run("dispatch-host", "permissions", "allow", "browser", "--home", world.home("desk"))
        assert code == 0, events
        await world.run_host("desk", env={"DISPATCH_HOST_BROWSER_NETWORKS": "127.0.0.1/32"})
        yield world


async def test_a_page_is_summarised_and_a_picture_of_it_comes_to_the_phone(world: World, site: Site) -> None:
    words = " ".join(f"The tea number {n} is grown on a hill." for n in range(12))
    url = site.page("/tea", f"<title>Teas</title><p>{words}</p>")
    pocket = world.home("pocket")

    code, events = await run("dispatch-phone", "send", f"open {url} and summarise it", "--home", pocket)
    assert code == 0, events
    assert "grown on a hill" in events[-1]["text"]
    assert "Teas" in events[-1]["text"]

    code, events = await run("dispatch-phone", "send", f"screenshot of {url}", "--home", pocket)
    assert code == 0, events
    (picture,) = [event for event in events if event["event"] == "artifact"]
    target = world.folder / "got"
    target.mkdir()
    code, events = await run(
        "dispatch-phone", "files", "get", picture["file_id"], "--into", str(target), "--home", pocket
    )
    assert code == 0, events
    (got,) = target.iterdir()
    assert (await asyncio.to_thread(got.read_bytes)).startswith(b"\x89PNG")

    _, events = await run("dispatch-host", "audit", "--home", world.home("desk"))
    noted = {event.get("subject") for event in events if event.get("permission") == "browser"}
    assert site.origin in noted
    assert not any("/tea" in str(one) for one in noted)
