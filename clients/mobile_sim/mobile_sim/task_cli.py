"""The words of the commands about tasks: `send`, `resend`, `cancel`, `answer`, `tasks`, `outbox`, `dismiss`. Added by `cli`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated
from uuid import uuid4

import typer

from mobile_sim.command import Host, Request, run, task_id, task_said
from mobile_sim.files_cli import absolute, most_bytes

TASKS = 50

Wait = Annotated[float | None, typer.Option("--wait", min=0, help="Stop watching after so many seconds.")]
TaskWord = Annotated[
    str, typer.Argument(metavar="TASK_ID", help="The task's id, or its beginning.", show_default=False)
]

outbox = typer.Typer(name="outbox", help="What was not sent or was refused: its words are kept, and wait for you.")


def add_task_commands(app: typer.Typer) -> None:
    """Add them to the program."""
    for command in (send, resend, cancel, answer, tasks, dismiss):
        app.command()(command)
    app.add_typer(outbox)


def send(
    context: typer.Context,
    text: Annotated[str, typer.Argument(help="What you want done, in your words. - reads it from standard input.")],
    host: Host = None,
    wait: Wait = None,
    task: Annotated[
        str | None, typer.Option("--id", help="The task's id (UUID), to try again or to look again.")
    ] = None,
    attach: Annotated[
        list[Path] | None, typer.Option("--attach", help="A file that goes with it; may be given several times.")
    ] = None,
    here: Annotated[
        bool | None,
        typer.Option(
            "--here/--to-host", help="Have this phone's own model answer, or the computer; decided unless said."
        ),
    ] = None,
    into: Annotated[
        str | None, typer.Option("--into", metavar="TASK_ID", help="Add the words to a task that runs.")
    ] = None,
) -> None:
    """Send a task and watch it to its end. Ctrl-C stops watching, not the task."""
    if into is not None:
        _steer(context, text, task_said(into), alone=not (host or wait or task or attach or here is not None))
        return
    # Made here: when another process that does this for us ends, we go on with the same task.
    known = task_id(task) if task is not None else str(uuid4())

    def request() -> Request:
        from mobile_sim.keyboard import read_all  # noqa: PLC0415

        paths = [absolute(path) for path in attach or []]
        words = read_all() if text == "-" else text
        route = "auto" if here is None else "here" if here else "host"
        return {
            "do": "send", "text": words, "host": host, "wait": wait, "id": known, "attach": paths, "route": route
        } | most_bytes(context)  # fmt: skip

    run(context, request)


def _steer(context: typer.Context, text: str, known: str, *, alone: bool) -> None:
    def request() -> Request:
        from dispatch import errors  # noqa: PLC0415 -- quick `--help`

        from mobile_sim.keyboard import read_all  # noqa: PLC0415

        if not alone:
            raise errors.BadRequest("--into takes words only", metadata={"field": "into"})
        return {"do": "steer", "id": known, "text": read_all() if text == "-" else text}

    run(context, request)


def resend(
    context: typer.Context,
    task: Annotated[
        str | None, typer.Argument(metavar="TASK_ID", help="Which; the newest in the outbox unless said.")
    ] = None,
    wait: Wait = None,
) -> None:
    """Send a task of the outbox again, as the same task: it can't run twice."""
    known = None if task is None else task_said(task)
    run(context, lambda: {"do": "resend", "id": known, "wait": wait} | most_bytes(context))


def cancel(context: typer.Context, task: TaskWord) -> None:
    """Cancel a task that waits or runs."""
    known = task_said(task)
    run(context, lambda: {"do": "cancel", "id": known})


def answer(
    context: typer.Context,
    task: TaskWord,
    words: Annotated[
        list[str],
        typer.Argument(help="once, task, always or deny; a choice or its number; or words.", show_default=False),
    ],
) -> None:
    """Answer what a task asks; the first answer, here or at the computer, counts."""
    known = task_said(task)
    run(context, lambda: {"do": "answer", "id": known, "answer": " ".join(words)})


def dismiss(context: typer.Context, task: TaskWord) -> None:
    """Wait no longer for a task whose computer does not come back."""
    known = task_said(task)
    run(context, lambda: {"do": "dismiss", "id": known})


def tasks(
    context: typer.Context,
    host: Host = None,
    limit: Annotated[int, typer.Option("--limit", min=1, help="At most so many, the newest.")] = TASKS,
) -> None:
    """List the tasks and how each stands, oldest first. Works without a network."""
    run(
        context,
        lambda: {"do": "tasks", "host": host, "limit": limit},
        nothing="Nothing was asked yet: dispatch-phone send TEXT",
    )


@outbox.callback(invoke_without_command=True)
def show_outbox(context: typer.Context) -> None:
    """List what was not sent or was refused: its words are kept, and nothing but `resend` sends them."""
    if context.invoked_subcommand is None:
        run(context, lambda: {"do": "outbox"}, nothing="Nothing waits to be sent again.")


@outbox.command("list")
def list_outbox(context: typer.Context) -> None:
    """List what was not sent or was refused."""
    run(context, lambda: {"do": "outbox"}, nothing="Nothing waits to be sent again.")


@outbox.command("drop")
def drop(context: typer.Context, task: TaskWord) -> None:
    """Take a task out of the outbox; its words are deleted."""
    known = task_said(task)
    run(context, lambda: {"do": "drop", "id": known})
