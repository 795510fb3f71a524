"""The tools that an agent is given beside its own: connectors, skills, the desktop, web pages. Real processes on all sides.

What the owner permits reaches a language model and an external agent; what is secret reaches neither, no log and no metric.
"""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from dispatch_host.browser.chamber import NoBrowser, installed

from tests.support.acp_desk import written_down
from tests.support.canary import find, find_in_files
from tests.support.connector_world import SERVER
from tests.support.model_host import KEY, host, takes_model
from tests.support.model_server import Call, ModelServer, Say
from tests.support.processes import Event, Process, run
from tests.support.world import World, scrape

pytestmark = [
    pytest.mark.big,
    pytest.mark.skipif(shutil.which("bwrap") is None, reason="bubblewrap is not on this machine"),
]

PASSWORD = "Kite-of-the-connector"
SKILL = "Harrier-in-the-skill"
WORDS = "Falcon-in-the-arguments"
OUTSIDE = "Osprey-outside"
SAID = (PASSWORD, SKILL, WORDS, OUTSIDE, KEY)
"""What no log and no metric may have."""
SKILLS = ["load_skill", "read_skill_file", "run_skill_script"]
DESKTOP = ["desktop_windows", "desktop_focus", "desktop_open_application", "desktop_open_document"]
PAGES = [
    "browser_open",
    "browser_read",
    "browser_click",
    "browser_fill",
    "browser_press",
    "browser_back",
    "browser_table",
    "browser_screenshot",
    "browser_download",
]


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    """Give a phone and a host that is paired and does not run, with two connectors, a skill, and files that may be changed."""
    async with World(tmp_path) as world:
        await world.services()
        await (await world.devices()).stop()
        home = Path(world.home("desk"))
        secret = world.folder / "password"
        secret.write_text(PASSWORD + "\n")
        secret.chmod(0o600)
        (home / "connectors.json").write_text(
            json.dumps({"mcpServers": {"mail": mail(world, secret), "gone": mail(world, secret, "--dies")}})
        )
        skill = home / "skills" / "tidy"
        skill.mkdir(parents=True)
        (skill / "SKILL.md").write_text(f"---\nname: tidy\ndescription: Tidies.\n---\n{SKILL}: run tidy.sh.\n")
        (skill / "tidy.sh").write_text('echo "tidied $1" > "$1.txt"; echo "$1 is tidy"\n')
        (world.folder / f"{OUTSIDE}.txt").write_text("nobody reads this\n")
        for permitted in (
            ("folder", str(world.folder / "files"), "--write"),
            ("terminal",),
            ("desktop",),
            ("browser",),
            ("connector", "mail/echo"),
        ):
            await desk(world, "permissions", "allow", *permitted)
        yield world


def mail(world: World, secret: Path, *options: str) -> dict[str, Any]:
    """Write down a connector that needs a password."""
    args = [str(SERVER), str(world.folder / "mail-notes"), *options]
    return {"command": sys.executable, "args": args, "env": {"PASSWORD": f"${{file:{secret}}}"}}


async def desk(world: World, *words: str) -> list[Event]:
    code, events = await host(world, *words)
    assert code == 0, events
    return events


def given() -> list[str]:
    """List what both kinds of agents are given with these permissions."""
    try:
        installed()
        pages = PAGES
    except NoBrowser:
        pages = []  # `.ci/run` runs this once more, where there is a browser
    return [*SKILLS, *DESKTOP, *pages, "mail__echo"]


async def says_yes(world: World, sending: Process, about: str) -> Event:
    """Answer a question on the phone; gives the question."""
    asked = await sending.event("asking", lambda event: about in event["text"])
    code, events = await run("dispatch-phone", "answer", asked["task_id"], "once", "--home", world.home("pocket"))
    assert (code, events[-1]["event"]) == (0, "answered"), events
    return asked


async def count(running: Process, ending: str) -> int:
    """Read from the host's metrics how often connectors could not be used."""
    line = f'dispatch_host_connector_failures_total{{ending="{ending}"}} '
    page = (await scrape((await running.event("running"))["metrics"])).decode()
    return int(float(next(one for one in page.splitlines() if one.startswith(line)).removeprefix(line)))


async def nobody_heard(world: World, running: Process) -> None:
    """See that what is secret is in no log and in no metric, and that the servers have nothing of it."""
    pages = [await scrape(world.relay_metrics), await scrape((await running.event("running"))["metrics"])]
    await running.stop()
    for said in (*SAID, str(world.folder / f"{OUTSIDE}.txt")):
        for process in (running, world.relay, world.pairing):
            assert find(said, bytes(process.stderr)) == []
        assert [find(said, page) for page in pages] == [[], []]
        assert find_in_files(said, world.folder / "relay") == []
        assert find_in_files(said, world.folder / "pairing") == []


async def test_a_language_model_uses_a_connector_and_a_skill_as_the_phone_allows(world: World) -> None:
    outside = world.folder / f"{OUTSIDE}.txt"
    for permitted in ("mail/die", "mail/leak", "gone"):
        await desk(world, "permissions", "allow", "connector", permitted)
    async with ModelServer() as server:
        running = await world.run_host("desk", "--metrics", "127.0.0.1:0")
        await takes_model(world, server)
        assert [await count(running, ending) for ending in ("not_started", "broke")] == [0, 0]

        looks = [
            Call("mail__echo", {"text": WORDS}),
            Call("load_skill", {"name": "tidy"}),
            Call("read_file", {"file": str(outside)}),
        ]
        script = {"name": "tidy", "path": "tidy.sh", "arguments": ["desk"], "folder": "files"}
        server.says(
            Say("I look.", looks),
            Say(calls=[Call("run_skill_script", script), Call("mail__leak")]),
            Say(calls=[Call("mail__die")]),
            Say("All is tidy."),
        )
        sending = await world.start("dispatch-phone", "send", "tidy up", "--home", world.home("pocket"))

        assert WORDS in (await says_yes(world, sending, "mail/echo"))["detail"]
        assert "tidy/tidy.sh desk" in (await says_yes(world, sending, "tidy.sh"))["detail"]
        await says_yes(world, sending, "mail/leak")
        task_id = (await says_yes(world, sending, "mail/die"))["task_id"]
        assert (await sending.event("done"))["text"] == "All is tidy."

        assert {*given(), "mail__die", "mail__leak"} <= set(server.asked[0].tools)
        echoed, skill, refused, ran, leaked, died = server.asked[-1].given
        assert WORDS in echoed
        assert SKILL in skill
        assert refused.startswith("Not permitted")
        assert "desk is tidy" in ran
        assert "login as me with (hidden) failed" in leaked
        assert "Nobody knows whether the call was carried out" in died
        assert (world.folder / "files" / "desk.txt").read_text() == "tidied desk\n"
        missing = await sending.event("step", lambda event: "connector gone is not there" in event["title"])
        notes = (world.folder / "mail-notes").read_text().splitlines()
        assert [notes.count(f"called {name}") for name in ("echo", "leak", "die")] == [1, 1, 1]
        used = [
            (one["permission"], one["subject"], one["verdict"]) for one in await desk(world, "audit", "--task", task_id)
        ]
        assert [one for one in used if one[0].startswith(("connector", "terminal"))] == [
            ("connector mail/echo", "mail/echo", "allowed"),
            ("terminal", "tidy/tidy.sh", "allowed"),
            ("connector mail/leak", "mail/leak", "allowed"),
            ("connector mail/die", "mail/die", "allowed"),
        ]
        assert (f"folder {outside}", "read_file", "refused") in used
        approved = " ".join(subject for _, subject, verdict in used if verdict == "approved")
        assert "the script `tidy.sh` of the skill `tidy`" in approved
        assert await count(running, "broke") == 1
        assert await count(running, "not_started") >= 1  # it was tried again, as often as there was time for
        assert find(PASSWORD, json.dumps([sending.events, missing]).encode()) == []
        assert find(PASSWORD, "".join(one.said for one in server.asked).encode()) == []
    await nobody_heard(world, running)


async def test_an_external_agent_is_given_the_same_and_no_more(world: World) -> None:
    (Path(world.home("desk")) / "agents.toml").write_text(written_down())
    await desk(world, "agent", "use", "acp:scripted")
    running = await world.run_host("desk", "--metrics", "127.0.0.1:0")
    steps = [{"tools": None}, {"tool": ["load_skill", {"name": "tidy"}]}, {"tool": ["mail__echo", {"text": WORDS}]}]
    steps += [{"tool": ["mail__leak", {}]}, {"variable": "PASSWORD"}]
    wanted = f"script:{json.dumps(steps)}"
    sending = await world.start("dispatch-phone", "send", wanted, "--home", world.home("pocket"))

    assert WORDS in (await says_yes(world, sending, "mail/echo"))["detail"]
    done = await sending.event("done")

    tools, skill, echoed, refused, variable = [json.loads(line) for line in done["text"].splitlines()]
    assert sorted(tools) == sorted(["send_file", *given()])
    assert SKILL in skill["text"]
    assert WORDS in echoed["text"]
    assert refused == {"failed": "There is no such tool, or it is not permitted."}
    assert variable == {"PASSWORD": None}
    used = [(one["permission"], one["subject"]) for one in await desk(world, "audit", "--task", done["task_id"])]
    assert ("connector mail/echo", "mail/echo") in used
    assert [await count(running, ending) for ending in ("not_started", "broke")] == [0, 0]
    await nobody_heard(world, running)
