"""`dispatch-host agent` and `agent use NAME`: which agents there are, and which of them does the tasks. Added by `cli`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer
from dispatch.cli import Exit
from dispatch.plain import one_line

from dispatch_host.command import Shared, at_desk

if TYPE_CHECKING:
    from dispatch.api.host.v1.host_pb2 import AgentStatus

    from dispatch_host.front import Front

agent = typer.Typer(help="Which agents this computer knows, and which of them does the tasks.")


@agent.callback(invoke_without_command=True)
def list_when_alone(context: typer.Context) -> None:
    """Which agents this computer knows; alone it lists them."""
    if context.invoked_subcommand is None:
        list_agents(context)


@agent.command("list")
def list_agents(context: typer.Context) -> None:
    """List the agents, and why some can't be used now."""
    shared: Shared = context.obj

    async def work(front: Front) -> Exit:
        for one in (await front.list_agents()).agents:
            shared.console.event(
                {
                    "event": "agent",
                    "agent": one.name,
                    "about": one.about,
                    "chosen": one.chosen,
                    "usable": not one.why_not,
                    "text": one.why_not,
                },
                _line(one),
            )
        return Exit.DONE

    at_desk(shared, work)


@agent.command("use")
def use(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="built-in, llm, or another of the list.", show_default=False)],
) -> None:
    """Let this agent do the tasks, from the next one on."""
    shared: Shared = context.obj

    async def work(front: Front) -> Exit:
        chosen = await front.choose_agent(name)
        shared.console.event(
            {"event": "agent_chosen", "agent": chosen}, f"{one_line(chosen, 80)} does the tasks, from the next one on."
        )
        return Exit.DONE

    at_desk(shared, work)


def _line(one: AgentStatus) -> str:
    mark = "*" if one.chosen else " "
    about = f": {one_line(one.about, 200)}" if one.about else ""
    return f"{mark} {one_line(one.name, 80)}{about}" + (
        f"\n    not now: {one_line(one.why_not, 1000)}" if one.why_not else ""
    )
