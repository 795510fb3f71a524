"""`dispatch-host service`: has the system start this host whenever its person signs in. A part of cli.py; docs/service.md."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from dispatch import errors
from dispatch.cli import Exit, guarded

from dispatch_host.command import Shared

if TYPE_CHECKING:
    from dispatch_host.at_sign_in.manager import Manager, Said
    from dispatch_host.at_sign_in.units import Service

service = typer.Typer(help="Have this computer start the host when you sign in.", no_args_is_help=True)


@service.command()
def install(
    context: typer.Context,
    options: Annotated[
        list[str] | None, typer.Argument(help="Options of `run`, behind `--`.", show_default=False)
    ] = None,
) -> None:
    """Start the host now, and each time you sign in; said again, it takes the new options."""
    shared: Shared = context.obj

    def body() -> Exit:
        manager = _manager(shared)
        said = manager.install(_service(shared, options or []))
        if said.code:
            return _refused(shared, manager, said)
        told = {"event": "installed", "file": str(manager.file)}
        shared.console.event(told, f"The host runs, and starts whenever you sign in ({manager.file}).")
        return Exit.DONE

    guarded(body, as_json=shared.as_json, language=shared.language)


@service.command()
def uninstall(context: typer.Context) -> None:
    """Stop the host, and start it no more by itself. Its home stays."""
    shared: Shared = context.obj

    def body() -> Exit:
        manager = _manager(shared)
        said = manager.uninstall()
        if said.code:
            return _refused(shared, manager, said)
        shared.console.event({"event": "uninstalled", "file": str(manager.file)}, "The host starts no more by itself.")
        return Exit.DONE

    guarded(body, as_json=shared.as_json, language=shared.language)


@service.command()
def status(context: typer.Context) -> None:
    """Say whether it is installed, and whether it runs."""
    shared: Shared = context.obj

    def body() -> Exit:
        standing = _manager(shared).standing()
        told = {
            "event": "service",
            "installed": standing.installed,
            "running": standing.running,
            "file": str(standing.file),
        }
        words = ("Runs." if standing.running else "Does not run.") if standing.installed else "Is not installed."
        shared.console.event(told, f"{words} {standing.file}")
        return Exit.DONE

    guarded(body, as_json=shared.as_json, language=shared.language)


def _manager(shared: Shared) -> Manager:
    from dispatch_host.at_sign_in.manager import Launchd, Systemd  # noqa: PLC0415 -- quick `--help`

    if sys.platform == "darwin":
        return Launchd(Path.home(), os.getuid())
    if sys.platform == "win32":
        raise errors.BadRequest(
            "there is no service of this kind on Windows yet: have the Task Scheduler run it at sign-in"
        )
    return Systemd(Path(shared.environment.get("XDG_CONFIG_HOME") or Path.home() / ".config"))


def _service(shared: Shared, options: list[str]) -> Service:
    from dispatch_host.at_sign_in.units import Service  # noqa: PLC0415 -- as above

    home, passphrase = shared.home, shared.home.passphrase_file
    words = [sys.executable, "-m", "dispatch_host"]
    if not home.keyring_service:  # it was named
        words += ["--home", str(home.path)]
    environment = {} if passphrase is None else {"DISPATCH_PASSPHRASE_FILE": str(passphrase)}
    if shared.plaintext:
        environment["DISPATCH_PLAINTEXT"] = "1"
    return Service(words=[*words, "run", *options], environment=environment)


def _refused(shared: Shared, manager: Manager, said: Said) -> Exit:
    told = {"event": "failed", "file": str(manager.file), "text": said.words}
    shared.console.event(told, shared.console.styled(said.words or f"It ended with {said.code}.", fg="red"))
    return Exit.FAULT
