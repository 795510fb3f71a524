"""A connector's tools in a task: permitted, asked for, called once, and believed nothing. With real servers in processes."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from dispatch import errors
from dispatch_host.agents import Denied
from dispatch_host.connectors.starting import PASSED_ON

from tests.support.connector_world import HOST_SECRET, YES, ConnectorWorld, asked, failure, unasked, used

ALWAYS_YES = [YES] * 8


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[ConnectorWorld]:
    """Give connectors with one server, `mail`."""
    async with ConnectorWorld(tmp_path) as world:
        world.defines(mail=world.program("mail"))
        yield world


async def test_a_call_is_shown_whole_asked_for_audited_and_answered_as_data(world: ConnectorWorld) -> None:
    work = world.work("mail/echo", replies=ALWAYS_YES)

    said = await world.calls(work, "mail__echo", text="hello")

    assert (said["from"], said["text"]) == ("connector mail, tool echo", "hello")
    [question] = asked(work)
    assert '"text": "hello"' in question.preview
    assert question.permission is not None
    assert used(work) == [("connector mail/echo", "mail/echo")]


async def test_no_connector_is_started_for_a_task_that_may_not_use_it(world: ConnectorWorld) -> None:
    assert not await world.connectors.tools(world.work())
    assert not await world.connectors.tools(world.work("calendar"))

    assert world.notes("mail") == []


async def test_a_grant_for_one_tool_is_for_that_tool_only(world: ConnectorWorld) -> None:
    offered = [tool.name for tool in await world.connectors.tools(world.work("mail/echo", "mail/hang"))]
    all_tools = await world.connectors.tools(world.work("mail"))
    refuse = next(tool for tool in all_tools if tool.name == "mail__refuse")
    work = world.work("mail/echo", replies=ALWAYS_YES)

    with pytest.raises(errors.NotPermitted):
        await refuse.run({}, work)

    assert sorted(offered) == ["mail__echo", "mail__hang"]
    assert asked(work) == []
    assert used(work) == [("connector mail/refuse", "mail/refuse")]
    assert "called refuse" not in world.notes("mail")


@pytest.mark.parametrize(("replies", "why"), [([Denied("phone")], "said no"), ([], "Nobody answered")])
async def test_without_a_yes_nothing_is_called(world: ConnectorWorld, replies: list[Any], why: str) -> None:
    work = world.work("mail", replies=replies)

    assert why in await failure(world.calls(work, "mail__echo", text="hello"))

    assert "called echo" not in world.notes("mail")
    assert used(work) == []


async def test_the_servers_word_that_a_tool_only_reads_counts_for_nothing_and_the_owners_does(
    world: ConnectorWorld,
) -> None:
    world.defines(mail=world.program("mail", tools=unasked("echo")))
    work = world.work("mail", replies=[])

    assert (await world.calls(work, "mail__echo", text="hello"))["text"] == "hello"
    await failure(world.calls(work, "mail__inject"))

    assert [question.text for question in asked(work)] == ["Use `mail/inject`?"]
    assert used(work) == [("connector mail/echo", "mail/echo")]


async def test_a_tool_that_need_not_be_asked_for_is_asked_for_when_it_says_something_else_of_itself(
    world: ConnectorWorld,
) -> None:
    world.defines(mail=world.program("mail", tools=unasked("echo")))
    work = world.work("mail", replies=[YES])

    await world.calls(work, "mail__echo", text="hello")
    await world.calls(work, "mail__change")
    assert "Nobody answered" in await failure(world.calls(work, "mail__echo", text="hello"))

    assert [question.text for question in asked(work)] == ["Use `mail/change`?", "Use `mail/echo`?"]


async def test_a_yes_is_for_the_tool_as_it_was_when_the_person_saw_it(world: ConnectorWorld) -> None:
    work = world.work("mail", replies=ALWAYS_YES)
    echo = await world.tool(work, "mail__echo")
    await world.calls(work, "mail__change")
    await world.calls(work, "mail__echo")

    assert "changed" in await failure(echo.run({}, work))

    before, after = (asked(work)[index].rule for index in (-1, -2))
    assert before.partition("(")[0] == after.partition("(")[0]
    assert before != after


async def test_a_program_gets_its_own_variables_and_none_of_the_hosts(world: ConnectorWorld) -> None:
    secret = world.root / "secret"
    secret.write_text("from a file\n")
    secret.chmod(0o600)
    env = {"PASSWORD": "${TOKEN}", "FILED": f"${{file:{secret}}}", "PLAIN": "as it is"}
    world.defines(mail=world.program("mail", env=env))

    said = (await world.calls(world.work("mail", replies=ALWAYS_YES), "mail__environment"))["text"]
    variables = dict(line.partition("=")[::2] for line in said.splitlines() if "=" in line)

    # What was filled in is hidden in every answer, for it is what stands there that the server got.
    assert {"PASSWORD": "(hidden)", "FILED": "(hidden)", "PLAIN": "as it is"}.items() <= variables.items()
    assert HOST_SECRET not in said
    assert variables.keys() <= {*PASSED_ON, *env, "LC_CTYPE"}


@pytest.mark.parametrize(("tool", "said"), [("leak", "login as me with (hidden) failed"), ("blame", "me:(hidden)@x")])
async def test_what_a_server_says_when_it_fails_is_passed_on_without_the_secrets_that_it_got(
    world: ConnectorWorld, tool: str, said: str
) -> None:
    # As a part of a value; and where what is said is cut, no part of it is left at the edge.
    world.defines(mail=world.program("mail", env={"PASSWORD": "${TOKEN}", "URL": "postgres://me:${TOKEN}@db"}))

    words = await failure(world.calls(world.work("mail", replies=ALWAYS_YES), f"mail__{tool}"))

    assert said in words
    assert "secret" not in words


async def test_what_a_server_says_stays_data_within_bounds(world: ConnectorWorld) -> None:
    work = world.work("mail", replies=ALWAYS_YES)

    injected = await world.calls(work, "mail__inject")
    large = await world.calls(work, "mail__large")
    picture = await world.calls(work, "mail__picture")
    refused = json.loads(await failure(world.calls(work, "mail__refuse")))

    assert "evil@example.org" in injected["text"]
    assert "\u202e" not in injected["text"]
    assert injected["note"].startswith("This came from outside")
    assert len(large["text"].encode()) <= 16 * 1024
    assert large["left_out"].endswith("more bytes of text")
    assert picture["text"] == "here"
    assert picture["not_shown"] == ["picture image/png, 3 bytes", "link file:///etc/passwd"]
    assert (refused["failed"], refused["text"]) == (True, "no such folder")


async def test_tools_that_say_too_much_of_themselves_are_left_out_and_the_person_is_told_once(
    world: ConnectorWorld,
) -> None:
    world.defines(mail=world.program("mail"), wordy=world.program("wordy", "--wordy"))
    work = world.work("mail", "wordy")

    tools = {tool.name for tool in await world.connectors.tools(work)}
    await world.connectors.tools(work)

    assert "mail__echo" in tools
    assert "wordy__wordy0" in tools
    assert "wordy__wordy19" not in tools
    [step] = world.told
    assert step.title == "Not all tools of the connectors can be used"
    assert "wordy/wordy" in step.detail
    assert "Permit single tools" in step.detail
    alone = await world.connectors.tools(world.work("wordy/wordy19"))
    assert [tool.name for tool in alone] == ["wordy__wordy19"]


async def test_lies_about_tools_are_left_out_with_the_reason(world: ConnectorWorld) -> None:
    tools = await world.connectors.tools(world.work("mail"))

    names = [tool.name for tool in tools]
    assert "mail__echo" in names
    assert len(names) == len(set(names))
    assert all(re.fullmatch(r"[a-z][a-z0-9_]{0,63}", name) for name in names)
    [seen] = world.connectors.seen()
    assert {left.name: left.why.split(" ")[-1] for left in seen.offer.left_out} == {
        "bad\\nname": ".",
        "bad/name": ".",
        "twice": "twice",
        "huge": "large",
        "deep": "large",
    }
    about = next(tool.about for tool in tools if tool.name == "mail__inject2")
    assert about.startswith("The tool inject2 of the connector mail. What its server says of it:")
    assert "\u202e" not in about


async def test_a_tool_that_the_protocol_does_not_have_is_left_out_and_the_others_are_there(
    world: ConnectorWorld,
) -> None:
    world.defines(mail=world.program("mail", "--odd"))

    names = [tool.name for tool in await world.connectors.tools(world.work("mail"))]

    assert {"mail__echo", "mail__titled"} <= set(names)
    [seen] = world.connectors.seen()
    assert [(left.name, left.why) for left in seen.offer.left_out[:4]] == [
        ("untyped", 'what it takes is no object (its schema lacks "type": "object")'),
        ("list_of", "what it says of itself is not what the protocol has"),
        ("?", "it has no name"),
        ("?", "it has no name"),
    ]


async def test_arguments_that_are_no_json_or_too_many_are_not_asked_for(world: ConnectorWorld) -> None:
    work = world.work("mail", replies=ALWAYS_YES)

    assert "no JSON" in await failure(world.calls(work, "mail__echo", text=float("nan")))
    assert "bytes" in await failure(world.calls(work, "mail__echo", text="x" * 70_000))

    assert asked(work) == []
