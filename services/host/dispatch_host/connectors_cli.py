"""`dispatch-host connectors` and `connectors check NAME`: the servers that agents may use. Added to the program by `cli`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer
from dispatch.cli import Exit
from dispatch.plain import one_line

from dispatch_host.command import Shared, at_desk

if TYPE_CHECKING:
    from dispatch.api.host.v1.host_pb2 import Connector

    from dispatch_host.front import Front

connectors = typer.Typer(help="The servers that agents may use: mail, calendars, chats.")


@connectors.callback(invoke_without_command=True)
def list_when_alone(context: typer.Context) -> None:
    """The servers that agents may use; alone it lists them."""
    if context.invoked_subcommand is None:
        list_connectors(context)


@connectors.command("list")
def list_connectors(context: typer.Context) -> None:
    """List the connectors: how they are, their tools, what is permitted and what asks."""
    shared: Shared = context.obj

    async def work(front: Front) -> Exit:
        found = (await front.list_connectors()).connectors
        for one in found:
            shared.console.event(told(one), "\n".join(_lines(one)))
        if not found and not shared.as_json:
            shared.console.event({}, "There are none. docs/connectors.md says how to write connectors.json.")
        return Exit.DONE

    at_desk(shared, work)


@connectors.command("check")
def check(
    context: typer.Context, name: Annotated[str, typer.Argument(help="The connector.", show_default=False)]
) -> None:
    """Start one and tell its tools, or why it does not start."""
    shared: Shared = context.obj

    async def work(front: Front) -> Exit:
        one = (await front.check_connector(name)).connector
        wrote = [f"  it wrote: {one_line(one.wrote)}"] if one.wrote and one.state == "broken" else []
        shared.console.event({**told(one), "wrote": one.wrote}, "\n".join([*_lines(one), *wrote]))
        return Exit.FAILED if one.state in {"broken", "wrong"} else Exit.DONE

    at_desk(shared, work)


def told(one: Connector) -> dict[str, Any]:
    """Write a connector for programs."""
    return {
        "event": "connector",
        "connector": one.name,
        "state": one.state,
        "text": one.text,
        "by_url": one.by_url,
        "tools": [
            {
                "tool": tool.name,
                "about": tool.about,
                "permitted": tool.permitted,
                "asks": tool.asks,
                "digest": tool.digest,
            }
            for tool in one.tools
        ],
        "left_out": [{"tool": tool.name, "text": tool.text} for tool in one.left_out],
        "mistakes": list(one.mistakes),
    }


def _lines(one: Connector) -> Iterator[str]:
    yield f"{one_line(one.name, 80) or 'connectors.json'}: {one.state}" + (
        f", {one_line(one.text, 300)}" if one.text else ""
    )
    yield from (f"  {one_line(mistake, 300)}" for mistake in one.mistakes)
    for tool in one.tools:
        may = (
            "permitted" + (", asks each time" if tool.asks else ", not asked for")
            if tool.permitted
            else "not permitted"
        )
        yield f"  {tool.name} ({may}): {one_line(tool.about, 100)} [{tool.digest}]"
    yield from (f"  left out: {one_line(tool.name, 80)}, {tool.text}" for tool in one.left_out)
