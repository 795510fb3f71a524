"""The command line of a host. Reads words and environment and hands them on; docs/cli.md is its contract.

Every command but `run` and those about the account speaks to a front desk: that of the running host through its socket, or
its own when nobody else owns the home. What is slow to import is imported where it is needed, so that `--help` is quick.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from dispatch import errors
from dispatch.cli import HOME_HELP, Exit, PassphraseFile, Spoken, Version, policy_told, program
from dispatch.device.account_cli import add_account_commands
from dispatch.device.owner_cli import add_owner_commands

from dispatch_host import store_backup
from dispatch_host.agent_cli import agent
from dispatch_host.command import Shared, at_desk, do, front_desk
from dispatch_host.connectors_cli import connectors
from dispatch_host.doctor_cli import doctor
from dispatch_host.folders_cli import folders
from dispatch_host.keep_awake_cli import keep_awake
from dispatch_host.permissions_cli import audit, permissions
from dispatch_host.questions_cli import answer, questions
from dispatch_host.run_cli import run
from dispatch_host.schedule_cli import schedule
from dispatch_host.service_cli import service
from dispatch_host.skills_cli import skills
from dispatch_host.tasks_cli import cancel, say, tasks
from dispatch_host.thread_cli import thread
from dispatch_host.watch_command import watch_status

if TYPE_CHECKING:
    from dispatch.device.home import Home

    from dispatch_host.front import Front

app = program(
    name="dispatch-host", about="Does the work that your phone sends, on this computer, within the limits you set."
)
app.add_typer(folders, name="folders")
app.add_typer(permissions, name="permissions")
app.add_typer(schedule, name="schedule")
app.add_typer(connectors, name="connectors")
app.add_typer(skills, name="skills")
app.add_typer(agent, name="agent")
store = typer.Typer(help="Back up and restore this computer's home.", no_args_is_help=True)
store_backup.add_to(store)
app.add_typer(store, name="store")
app.add_typer(service, name="service")

_END_SECONDS = 60.0
"""For the process that `stop` ends to be gone: what it has to tell takes as long as its operator set, or its disk does."""

Phone = Annotated[str, typer.Option("--phone", help="The phone's name; not needed with one phone only.")]


@app.callback()
def _shared(
    context: typer.Context,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object per line.")] = False,
    _version: Version = False,
    home: Annotated[str | None, typer.Option("--home", envvar="DISPATCH_HOME", help=HOME_HELP)] = None,
    passphrase: PassphraseFile = None,
    language: Spoken = None,
) -> None:
    context.obj = Shared(as_json=as_json, home=home, passphrase=passphrase, environment=os.environ, language=language)
    # Whatever this program writes is for its own user only; what agents write into approved folders, they decide.
    os.umask(0o077)


@app.command()
def pair(
    context: typer.Context,
    qr_png: Annotated[Path | None, typer.Option(help="Write the code as a PNG here.")] = None,
    qr_svg: Annotated[Path | None, typer.Option(help="Write the code as an SVG here.")] = None,
    timeout: Annotated[float, typer.Option(min=0, help="Give up after this many seconds; 0 for never.")] = 0,
) -> None:
    """Show codes until a phone is paired; then ask whether both show the same six digits."""
    shared: Shared = context.obj

    async def work() -> Exit:
        from dispatch_host.pair_command import pair_at  # noqa: PLC0415 -- quick `--help`

        try:
            async with front_desk(shared) as front:
                return await pair_at(front, shared.console, png=qr_png, svg=qr_svg, timeout_seconds=timeout)
        except errors.BadRequest:
            raise
        except errors.DispatchError as error:
            shared.console.event(
                {
                    "event": "not_paired",
                    "reason": errors.word(error.reason),
                    "text": error.sentence,
                    "advice": error.advice,
                    **policy_told(error),
                },
                shared.console.not_paired("Not paired:", error),
            )
            return Exit.FAILED

    do(shared, work)


@app.command()
def status(
    context: typer.Context,
    watch: Annotated[bool, typer.Option("--watch", help="Go on showing it, as a screen.")] = False,
    page: Annotated[
        bool, typer.Option("--page", help="Serve it as a page for this computer's browser, until Ctrl-C.")
    ] = False,
    port: Annotated[
        int, typer.Option("--port", min=0, max=65_535, help="With --page: the port; 0 for a free one.")
    ] = 0,
) -> None:
    """Say whether it runs, who is paired, what it works on and what agents may touch."""
    shared: Shared = context.obj
    if watch and page:
        raise typer.BadParameter("give --watch or --page")
    if watch:
        watch_status(shared)
        return
    if page:
        from dispatch_host.page_command import serve_page  # noqa: PLC0415 -- quick `--help`

        do(shared, lambda: serve_page(shared, port=port))

    async def work(front: Front) -> Exit:
        from dispatch_host import telling  # noqa: PLC0415 -- quick `--help`

        found = await front.status()
        home = str(shared.home.path)
        lines = "\n".join([*telling.status_lines(found, shared.console.words), f"  home: {home}"])
        shared.console.event({**telling.status(found), "home": home}, lines)
        return Exit.DONE

    at_desk(shared, work)


@app.command()
def unpair(context: typer.Context, phone: Phone = "") -> None:
    """End a pairing: the phone can send nothing more from this moment on."""
    shared: Shared = context.obj

    async def work(front: Front) -> Exit:
        ended = await front.unpair(phone)
        later = "" if ended.service_told else " The pairing service will be told when it can be reached."
        shared.console.event(
            {
                "event": "unpaired",
                "pair_ids": [pair_id.hex() for pair_id in ended.pair_ids],
                "service_told": ended.service_told,
            },
            f"Unpaired.{later}",
        )
        return Exit.DONE

    at_desk(shared, work)


@app.command()
def stop(context: typer.Context) -> None:
    """End the running host: its task is interrupted, the phones are told. Without one there is nothing to do."""
    shared: Shared = context.obj

    async def work() -> Exit:
        from dispatch.api.relay.v1.relay_pb2 import Condition  # noqa: PLC0415 -- quick `--help`

        from dispatch_host.control_client import ControlClient  # noqa: PLC0415

        home, was_running = shared.home, True
        try:
            async with ControlClient(home) as client:
                await client.stop(Condition.CONDITION_APP_CLOSED)
            await until_free(home, within_seconds=_END_SECONDS)
        except errors.NotRunning:
            was_running = False
        words = "Stopped." if was_running else "It was not running."
        shared.console.event({"event": "stopped", "was_running": was_running}, words)
        return Exit.DONE

    do(shared, work)


def _with_the_account(context: typer.Context, request: dict[str, Any], nothing: str) -> None:
    shared: Shared = context.obj

    async def work() -> Exit:
        from dispatch_host.owner_command import with_the_account  # noqa: PLC0415 -- quick `--help`

        return await with_the_account(shared.home, shared.console, request, nothing=nothing, plaintext=shared.plaintext)

    do(shared, work)


def _in_the_account(context: typer.Context, request: Callable[[], dict[str, Any]]) -> None:
    shared: Shared = context.obj

    async def work() -> Exit:
        from dispatch_host.account_commands import carry_out  # noqa: PLC0415 -- quick `--help`

        return await carry_out(shared.home, shared.console, request(), plaintext=shared.plaintext)

    do(shared, work)


app.command()(run)
app.command()(doctor)
app.command()(audit)
app.command()(questions)
app.command()(answer)
app.command()(tasks)
app.command()(cancel)
app.command()(say)
add_account_commands(app, _in_the_account, this="computer")
add_owner_commands(app, _with_the_account)
app.command("keep-awake")(keep_awake)
app.command()(thread)


async def until_free(home: Home, *, within_seconds: float) -> None:
    """Wait until the process has let go of the home, so that a `run` right behind works. Raises HomeInUse if it does not."""
    try:
        async with asyncio.timeout(within_seconds):
            while True:
                try:
                    with home.owned():
                        return
                except errors.HomeInUse:
                    await asyncio.sleep(0.05)
    except TimeoutError:
        raise errors.HomeInUse(str(home.path)) from None
