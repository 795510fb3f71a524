"""`dispatch-host tasks`, `cancel` and `say`: the tasks of all phones, and the owner's word to one. Added by `cli`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer
from dispatch.cli import Exit

from dispatch_host.command import Shared, at_desk, task_meant

if TYPE_CHECKING:
    from dispatch_host.front import Front

TASKS = 20

TaskWord = Annotated[
    str, typer.Argument(metavar="TASK_ID", help="The task's id, or its beginning.", show_default=False)
]


def tasks(
    context: typer.Context,
    limit: Annotated[int, typer.Option("--limit", min=0, help="At most so many that are over, the newest.")] = TASKS,
) -> None:
    """List the tasks of all phones and how each stands, oldest first."""
    shared: Shared = context.obj

    async def work(front: Front) -> Exit:
        from dispatch_host import telling  # noqa: PLC0415 -- quick `--help`

        found = await front.list_tasks(limit)
        questions = {one.task_id: one for one in (await front.list_questions()).questions}
        for one in found.tasks:
            asked = questions.get(one.task_id)
            shared.console.event(
                telling.listed(one, asked), "\n".join(telling.listed_lines(one, asked, shared.console.words))
            )
        if not found.tasks and not shared.as_json:
            shared.console.event({}, "Nothing was asked yet.")
        return Exit.DONE

    at_desk(shared, work)


def cancel(context: typer.Context, task: TaskWord) -> None:
    """Cancel a task that waits or runs, with all that it started."""
    shared: Shared = context.obj

    async def work(front: Front) -> Exit:
        from dispatch_host import telling  # noqa: PLC0415 -- quick `--help`

        ended = await front.cancel_task(await task_meant(front, task))
        words = "Cancelled." if ended.state == "cancelled" else f"It was over already: {ended.state}."
        shared.console.event({"event": ended.state, **telling.task(ended)}, words)
        return Exit.DONE if ended.state == "cancelled" else Exit.REFUSED

    at_desk(shared, work)


def say(
    context: typer.Context,
    task: TaskWord,
    text: Annotated[str, typer.Argument(help="What it is to know as well.", show_default=False)],
) -> None:
    """Add words to the task that runs; its agent takes them when it gets to it."""
    shared: Shared = context.obj

    async def work(front: Front) -> Exit:
        from dispatch.device.telling import task_word  # noqa: PLC0415 -- quick `--help`

        wanted = await task_meant(front, task)
        await front.steer_task(wanted, text)
        shared.console.event(
            {"event": "steering", "task_id": task_word(wanted)}, "Said; its agent takes it when it gets to it."
        )
        return Exit.DONE

    at_desk(shared, work)
