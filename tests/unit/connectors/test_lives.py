"""Connectors that crash, hang, flood and lie: no task is held up, nothing is called twice, and nothing of them stays."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from dispatch_host.agents import Allowed, Approval, Denied, NobodyAnswered, Step
from dispatch_host.connectors.connector import Connector, Ending, Unavailable
from dispatch_host.connectors.definition import read
from dispatch_host.connectors.life import Life, State
from dispatch_host.scope import Folder

from tests.support.agents import Nobody
from tests.support.connector_world import YES, ConnectorWorld, failure
from tests.support.waiting import DEADLINE_SECONDS, until

ALWAYS_YES = [YES] * 8


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[ConnectorWorld]:
    """Give connectors with one server, `mail`."""
    async with ConnectorWorld(tmp_path) as world:
        world.defines(mail=world.program("mail"))
        yield world


def pids(world: ConnectorWorld) -> list[int]:
    return [int(line.split()[1]) for line in world.notes("mail") if line.startswith("started")]


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def life_of(world: ConnectorWorld) -> Any:
    [seen] = world.connectors.seen()
    return seen.life


@pytest.mark.big
async def test_a_server_that_dies_in_a_call_is_started_anew_and_the_call_is_not_made_again(
    world: ConnectorWorld,
) -> None:
    work = world.work("mail", replies=ALWAYS_YES)

    died = await failure(world.calls(work, "mail__die"))
    said = await world.calls(work, "mail__echo", text="back")

    assert "it ended. Nobody knows whether the call was carried out." in died
    assert said["text"] == "back"
    assert world.notes("mail").count("called die") == 1
    assert len(pids(world)) == 2
    assert world.broke == [Ending.BROKE]
    assert Step("The connector mail is not there", "The connector mail is not there: it ended.") in world.told


@pytest.mark.big
async def test_a_server_that_is_killed_between_two_calls_is_seen_to_be_gone(world: ConnectorWorld) -> None:
    work = world.work("mail", replies=ALWAYS_YES)
    await world.calls(work, "mail__echo")

    os.kill(pids(world)[0], signal.SIGKILL)
    await until(lambda: life_of(world).state is State.BROKEN)

    assert (await world.calls(work, "mail__echo", text="back"))["text"] == "back"


@pytest.mark.big
async def test_a_call_without_an_answer_ends_and_the_server_is_told(world: ConnectorWorld) -> None:
    world.defines(mail=world.program("mail", callSeconds=0.3))
    work = world.work("mail", replies=ALWAYS_YES)
    await world.tool(work, "mail__hang")

    assert "no answer in 0.3 s" in await failure(world.calls(work, "mail__hang"))

    await world.noted("mail", "cancelled hang")
    assert life_of(world).state is State.READY


async def test_whoever_cancels_a_call_is_let_go_and_the_server_is_told(world: ConnectorWorld) -> None:
    work = world.work("mail", replies=ALWAYS_YES)
    calling = asyncio.create_task(world.calls(work, "mail__hang"))
    await world.noted("mail", "called hang")

    calling.cancel()
    await asyncio.wait({calling})

    assert calling.cancelled()
    await world.noted("mail", "cancelled hang")
    assert (await world.calls(work, "mail__echo", text="well"))["text"] == "well"


@pytest.mark.big
@pytest.mark.parametrize("how", ["flood", "garbage"])
async def test_a_server_that_says_more_than_was_asked_for_is_ended(world: ConnectorWorld, how: str) -> None:
    work = world.work("mail", replies=ALWAYS_YES)

    assert "says more than anybody asked for" in await failure(world.calls(work, f"mail__{how}"))

    assert life_of(world).state is State.BROKEN
    await until(lambda: not is_alive(pids(world)[0]))


async def test_a_server_whose_message_has_too_many_values_is_ended_before_it_is_read(world: ConnectorWorld) -> None:
    work = world.work("mail", replies=ALWAYS_YES)

    assert "says more than anybody asked for" in await failure(world.calls(work, "mail__heavy"))

    assert life_of(world).state is State.BROKEN
    await until(lambda: not is_alive(pids(world)[0]))


@pytest.mark.big
async def test_a_server_that_never_gets_ready_holds_nothing_up_and_is_left_alone_for_a_while(
    world: ConnectorWorld,
) -> None:
    world.defines(
        mail=world.program("mail", "--never-ready", startSeconds=0.2),
        other=world.program("other"),
        gone={"command": "/no"},
    )
    work = world.work("mail", "other", "gone")

    for _ in range(5):
        tools = await world.connectors.tools(work)
        assert "other__echo" in [tool.name for tool in tools]
    assert not [tool for tool in tools if not tool.name.startswith("other")]

    by_name = {seen.name: seen.life for seen in world.connectors.seen()}
    assert by_name["mail"].why == "it was not ready in 0.2 s"
    assert by_name["gone"].why == "there is no program /no here"
    assert by_name["mail"].failures == 4  # the fifth time it was not tried


@pytest.mark.big
async def test_what_a_server_says_when_it_fails_is_shown_to_its_owner_without_secrets(world: ConnectorWorld) -> None:
    world.defines(mail=world.program("mail", "--dies", env={"PASSWORD": "${TOKEN}"}))

    await world.connectors.tools(world.work("mail"))

    [seen] = world.connectors.seen()
    await until(lambda: world.connectors.seen()[0].wrote)
    assert world.connectors.seen()[0].wrote == "(hidden) and other words no configuration, and the password is (hidden)"
    assert seen.life.state is State.BROKEN


@pytest.mark.parametrize(
    ("env", "why"),
    [
        ({"A": "${NOT_THERE}"}, "the variable NOT_THERE is not set for dispatch-host run"),
        ({"A": "${file:/no/such}"}, "the file /no/such can't be read: No such file or directory"),
        ({"A": "${file:~/open}"}, "the file ~/open can be read by others: chmod 600 it"),
    ],
)
async def test_a_secret_that_is_not_there_is_named_and_nothing_is_started(
    world: ConnectorWorld, env: dict[str, str], why: str
) -> None:
    (world.home / "open").write_text("x")
    world.defines(mail=world.program("mail", env=env))

    assert not await world.connectors.tools(world.work("mail"))

    assert life_of(world).why == why
    assert world.notes("mail") == []


@pytest.mark.big
async def test_all_that_a_server_started_ends_with_it(world: ConnectorWorld) -> None:
    world.starter.grace_seconds = DEADLINE_SECONDS  # to write that it leaves
    work = world.work("mail", replies=ALWAYS_YES)
    child = int((await world.calls(work, "mail__spawn"))["text"])
    assert is_alive(child)

    world.connectors.permissions_changed([], [])

    await until(lambda: not is_alive(child) and not is_alive(pids(world)[0]))
    await until(lambda: life_of(world).state is State.OFF)
    assert "left" in world.notes("mail")


@pytest.mark.big
async def test_a_server_is_kept_as_long_as_something_of_it_is_permitted(world: ConnectorWorld) -> None:
    work = world.work("mail", replies=ALWAYS_YES)
    await world.calls(work, "mail__echo")

    world.connectors.permissions_changed(["mail/other"], [])
    await world.calls(work, "mail__echo")

    assert len(pids(world)) == 1


@pytest.mark.big
async def test_a_connector_that_is_written_otherwise_starts_as_it_is_now(world: ConnectorWorld) -> None:
    work = world.work("mail", replies=ALWAYS_YES)
    echo = await world.tool(work, "mail__echo")
    world.defines(mail=world.program("mail", env={"NEW": "1"}))

    assert "NEW=1" in (await world.calls(work, "mail__environment"))["text"]

    await until(lambda: not is_alive(pids(world)[0]))
    world.defines()
    assert "no connector mail any more" in await failure(echo.run({}, work))
    await until(lambda: not is_alive(pids(world)[1]))


class TakenOut(Nobody):
    """A person who says yes, while the owner writes the file otherwise."""

    def __init__(self, meanwhile: Callable[[], None]) -> None:
        super().__init__(YES)
        self._meanwhile = meanwhile

    async def may(self, question: Approval) -> Allowed | Denied | NobodyAnswered:
        self._meanwhile()
        return await super().may(question)


@pytest.mark.parametrize("looks", [True, False])
@pytest.mark.parametrize("otherwise", [True, False])
async def test_a_connector_that_is_taken_out_while_its_question_is_open_is_not_called_nor_started_again(
    world: ConnectorWorld, *, looks: bool, otherwise: bool
) -> None:
    work = world.work("mail")
    echo = await world.tool(work, "mail__echo")
    [first] = pids(world)

    def meanwhile() -> None:
        world.defines(**({"mail": world.program("mail", env={"NEW": "1"})} if otherwise else {}))
        if looks:
            world.connectors.seen()

    work = replace(work, ask=TakenOut(meanwhile))

    assert "is another one now, or gone. The call was not made." in await failure(echo.run({"text": "hi"}, work))

    await until(lambda: not is_alive(first))
    assert "called echo" not in world.notes("mail")
    assert pids(world) == [first]


async def test_whoever_still_has_one_that_was_let_go_can_not_start_it_again(world: ConnectorWorld) -> None:
    definition = read(world.file.read_text()).by_name["mail"]
    async with asyncio.TaskGroup() as group:
        connector = Connector(definition, starter=world.starter, group=group, broke=world.broke.append)
        await connector.ready([])
        connector.let_go()

        with pytest.raises(Unavailable):
            await connector.ready([])

    assert [is_alive(pid) for pid in pids(world)] == [False]
    assert connector.life.state is State.OFF


async def test_one_that_is_ended_before_its_start_began_is_off_and_holds_nobody_up(world: ConnectorWorld) -> None:
    definition = read(world.file.read_text()).by_name["mail"]
    async with asyncio.TaskGroup() as group:
        connector = Connector(definition, starter=world.starter, group=group, broke=world.broke.append)
        starting = asyncio.create_task(connector.refreshed([]))
        while connector.life.state is not State.STARTING:  # noqa: ASYNC110 -- the next step of the loop would be too late
            await asyncio.sleep(0)
        await connector.stop()

        async with asyncio.timeout(DEADLINE_SECONDS):
            [gone] = await asyncio.gather(starting, return_exceptions=True)
        assert isinstance(gone, Unavailable)
        assert connector.life == Life()
        assert await connector.refreshed([])
        connector.let_go()


@pytest.mark.big
async def test_a_greeting_among_the_messages_is_passed_over(world: ConnectorWorld) -> None:
    world.defines(mail=world.program("mail", "--greets"))

    said = await world.calls(world.work("mail", replies=ALWAYS_YES), "mail__echo", text="hello")

    assert said["text"] == "hello"


@pytest.mark.big
async def test_checking_one_starts_it_whatever_is_permitted_and_ends_it(world: ConnectorWorld) -> None:
    seen = await world.connectors.check("mail", keep=False, folders=[])

    assert seen is not None
    assert "echo" in seen.offer.tools
    await until(lambda: not is_alive(pids(world)[0]))
    assert await world.connectors.check("other", keep=False, folders=[]) is None


async def test_a_confined_server_sees_the_approved_folders_and_ends_when_one_is_taken_back(
    world: ConnectorWorld, tmp_path: Path
) -> None:
    if (await world.terminal.found()).programs is None:
        pytest.skip("there is no sandbox here")
    folder = tmp_path / "approved"
    folder.mkdir()
    (folder / "server.py").write_text(CONFINED)
    how = {"command": "python3", "args": ["server.py"], "cwd": str(folder), "sandbox": True, "env": {"A": "${TOKEN}"}}
    world.defines(mail=how)
    work = world.work("mail", replies=ALWAYS_YES, folders=[Folder(folder)])

    said = (await world.calls(work, "mail__look"))["text"]

    assert said == f"(hidden) False {folder}"
    world.connectors.permissions_changed(["mail"], [])
    await until(lambda: life_of(world).state is State.OFF)


async def test_a_confined_server_that_agents_may_change_gets_no_secret(world: ConnectorWorld, tmp_path: Path) -> None:
    if (await world.terminal.found()).programs is None:
        pytest.skip("there is no sandbox here")
    folder = tmp_path / "approved"
    folder.mkdir()
    (folder / "server.py").write_text(CONFINED)
    how = {"command": "python3", "args": ["server.py"], "cwd": str(folder), "sandbox": True}
    world.defines(mail={**how, "env": {"A": "${TOKEN}"}}, plain={**how, "env": {"A": "a word"}})
    writable, only_read = [Folder(folder, writable=True)], [Folder(folder)]

    work = world.work("mail", "plain", replies=ALWAYS_YES, folders=writable)
    assert [tool.name for tool in await world.connectors.tools(work)] == ["plain__look"]
    assert (await world.calls(work, "plain__look"))["text"].startswith("a word ")
    assert "get its secrets" in world.told[0].detail
    [mail, plain] = world.connectors.seen(writable)
    assert (len(mail.mistakes), len(plain.mistakes)) == (1, 0)

    # And one that runs ends when agents may change it from then on.
    await world.connectors.tools(world.work("mail", folders=only_read))
    assert world.connectors.seen()[0].life.state is State.READY
    world.connectors.permissions_changed(["mail", "plain"], writable)
    await until(lambda: world.connectors.seen()[0].life.state is State.OFF)


PROJECT, LIBRARY = Path("/home/p"), Path("/home/p/lib")


@pytest.mark.parametrize(
    ("seen", "approved", "must_end"),
    [
        ([Folder(PROJECT, writable=True)], [Folder(PROJECT, writable=True)], False),
        ([Folder(PROJECT)], [Folder(PROJECT, writable=True), Folder(Path("/home/papers"))], False),
        ([Folder(PROJECT, writable=True)], [Folder(PROJECT)], True),
        ([Folder(PROJECT)], [], True),
        # The owner makes a folder within a writable one read-only, and approves one read-only that was not there before.
        (
            [Folder(PROJECT, writable=True), Folder(LIBRARY, writable=True)],
            [Folder(PROJECT, writable=True), Folder(LIBRARY)],
            True,
        ),
        ([Folder(PROJECT, writable=True)], [Folder(PROJECT, writable=True), Folder(LIBRARY)], True),
    ],
)
async def test_a_confined_server_does_not_go_on_with_more_than_is_approved_now(
    world: ConnectorWorld, seen: list[Folder], approved: list[Folder], *, must_end: bool
) -> None:
    world.defines(mail={**world.program("mail"), "sandbox": True})
    definition = read(world.file.read_text()).by_name["mail"]
    async with asyncio.TaskGroup() as group:
        connector = Connector(definition, starter=world.starter, group=group, broke=world.broke.append)
        connector.folders = seen

        assert connector.outgrows(approved) is must_end


CONFINED = f"""\
# A server by hand: the SDK is not in the sandbox.
import json, os, sys
INFO = {{"name": "c", "version": "1"}}
for line in sys.stdin:
    asked = json.loads(line)
    match asked.get("method"):
        case "initialize":
            said = {{"protocolVersion": "2025-06-18", "capabilities": {{"tools": {{}}}}, "serverInfo": INFO}}
        case "tools/list":
            said = {{"tools": [{{"name": "look", "inputSchema": {{"type": "object"}}}}]}}
        case "tools/call":
            seen = [os.environ["A"], os.path.exists({str(Path(__file__))!r}), os.getcwd()]
            said = {{"content": [{{"type": "text", "text": " ".join(map(str, seen))}}]}}
        case _:
            said = None
    if "id" in asked:
        end = {{"error": {{"code": -32601, "message": "no"}}}} if said is None else {{"result": said}}
        print(json.dumps({{"jsonrpc": "2.0", "id": asked["id"], **end}}), flush=True)
"""
