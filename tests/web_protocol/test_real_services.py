"""A phone in TypeScript and a host in Python are one pair: the ceremony, sessions, tasks, files, by Connect and WebSockets."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.processes import Process, run
from tests.support.world import ACCOUNT, PASSWORD, World
from tests.web_protocol.web_phone import Line, WebPhone, built

# That of some page: a program that is no browser says none, and is let in all the same.
ORIGIN = "https://phone.example"


@pytest.fixture(scope="module")
def compiled() -> None:
    """Once for all: it takes longer than any of the tests."""
    built()


@pytest.fixture
async def phone(compiled: None) -> AsyncIterator[WebPhone]:
    async with WebPhone() as phone:
        yield phone


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with World(tmp_path) as world:
        await world.services_for_browsers(ORIGIN)
        files = tmp_path / "files"
        files.mkdir()
        (files / "small.bin").write_bytes(b"x" * 10)
        (files / "large.bin").write_bytes(b"x" * 5_000_000)
        await world.sign_in("dispatch-host", "desk")
        code, events = await run("dispatch-host", "folders", "add", str(files), "--home", world.home("desk"))
        assert code == 0, events
        yield world


async def pair(world: World, phone: WebPhone) -> Line:
    """Pair the two by the link, both people saying yes."""
    signed_in = await phone.wish("sign_in", address=world.pairing_web, account=ACCOUNT, password=PASSWORD)
    assert "refused" not in signed_in
    host = await world.start("dispatch-host", "pair", "--home", world.home("desk"))
    link = (await host.event("qr"))["link"]
    pairing = phone.begin("pair", link=link)
    shown = await phone.line(lambda line: line.get("event") == "code")
    on_host = await host.event("code")
    assert shown["code"] == on_host["code"]
    await host.say("yes")
    await phone.wish("yes")
    paired = await pairing
    assert "refused" not in paired
    assert await host.ended() == 0
    return paired


async def together(world: World, phone: WebPhone) -> Process:
    """Pair them, run the host and open the phone's line."""
    await pair(world, phone)
    host = await world.run_host("desk")
    await phone.wish("attach")
    await phone.line(lambda line: line.get("complete") is True)
    return host


async def test_a_phone_in_typescript_pairs_sends_a_task_and_reads_its_result(world: World, phone: WebPhone) -> None:
    await together(world, phone)

    sent = await phone.wish("send", text="What are the largest files?")

    assert sent["verdict"] == "taken"
    task = sent["task"]
    done = await phone.line(lambda line: str(line.get(task, "")).startswith("done"))
    assert await world.sample('dispatch_relay_streams{carrier="web",kind="phone"}') == 1
    assert done[task].index("large.bin") < done[task].index("small.bin")
    events = (await phone.wish("events"))["events"].split()
    assert [name for name in events if name in {"paired", "accepted", "started", "ended"}] == [
        "paired", "accepted", "started", "ended",
    ]  # fmt: skip


async def test_files_go_both_ways_whole(world: World, phone: WebPhone) -> None:
    await together(world, phone)

    sent = await phone.wish("send_file", text="List attachments", name="notes.txt", content="one line\n" * 20_000)

    assert sent["verdict"] == "taken"
    done = await phone.line(lambda line: str(line.get(sent["task"], "")).startswith("done"))
    assert "notes.txt" in done[sent["task"]]
    asked = await phone.wish("send", text="Send me large.bin")
    await phone.line(lambda line: str(line.get(asked["task"], "")).startswith("done"))
    got = await phone.wish("fetch")
    content = (world.folder / "files" / "large.bin").read_bytes()
    assert (got["name"], got["sha256"]) == ("large.bin", hashlib.sha256(content).hexdigest())


async def test_a_host_that_was_stopped_is_refused_with_the_cause_and_comes_back(world: World, phone: WebPhone) -> None:
    host = await together(world, phone)
    code, _ = await run("dispatch-host", "stop", "--home", world.home("desk"))
    assert code == 0
    assert await host.ended() == 0

    refused = await phone.wish("send", text="What are the largest files?")

    assert (refused["verdict"], refused["reason"]) == ("refused", "HOST_APP_CLOSED")
    await world.run_host("desk")
    again = await phone.wish("send", text="What are the largest files?", id=refused["task"])
    # An attempt that meets the new process before the handshake is refused, and goes again by itself.
    assert again["verdict"] == "taken"
    assert again["attempt"] >= 2
    await phone.line(lambda line: str(line.get(refused["task"], "")).startswith("done"))


async def test_a_phone_whose_line_was_cut_goes_on_where_it_was(world: World, phone: WebPhone) -> None:
    await together(world, phone)
    first = await phone.wish("send", text="What are the largest files?")
    await phone.line(lambda line: str(line.get(first["task"], "")).startswith("done"))
    seen = len(phone.lines)

    await phone.wish("cut")

    await phone.line(lambda line: line.get("complete") is True, after=seen)
    second = await phone.wish("send", text="What are the largest files?")
    assert second["verdict"] == "taken"
    await phone.line(lambda line: str(line.get(second["task"], "")).startswith("done"))
    events = (await phone.wish("events"))["events"].split()
    assert events.count("accepted") == events.count("ended") == 2


async def test_a_host_that_ends_the_pairing_is_heard_and_the_line_ends(world: World, phone: WebPhone) -> None:
    await together(world, phone)

    code, events = await run("dispatch-host", "unpair", "--home", world.home("desk"))

    assert code == 0, events
    gone = await phone.line(lambda line: line.get("event") == "gone")
    assert gone["reason"] in {"NOT_PAIRED", "HOST_REVOKED"}
