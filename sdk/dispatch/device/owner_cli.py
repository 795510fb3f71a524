"""The words of `devices`, `rename`, `revoke` and `history`, added to the command line of phone and host. docs/cli.md has them.

What costs time to import is the caller's to import late: here is only what `--help` needs.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Annotated, Any

import typer

HISTORY_LINES = 50

Request = dict[str, Any]
CarryOut = Callable[[typer.Context, Request, str], None]
"""Carries a request of `dispatch.device.owner` out and leaves with its exit code; the text is for an empty answer."""

_Device = Annotated[str, typer.Argument(help="Its name, or its id as `devices` shows it.", show_default=False)]


def add_owner_commands(app: typer.Typer, carry_out: CarryOut) -> None:
    """Add the four commands to a program."""

    @app.command()
    def devices(context: typer.Context) -> None:
        """List the account's devices: what they are, when they were seen, with whom they are paired."""
        carry_out(context, {"do": "devices"}, "")

    @app.command()
    def rename(
        context: typer.Context,
        device: _Device,
        name: Annotated[str, typer.Argument(help="What it is called from now on.", show_default=False)],
    ) -> None:
        """Call a device of the account something else in these lists."""
        carry_out(context, {"do": "rename", "device": device, "name": name}, "")

    @app.command()
    def revoke(
        context: typer.Context,
        device: _Device,
        yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    ) -> None:
        """End all rights of a device for good: lost, stolen, sold. It is cut off at once, also if it is off just now."""
        ask = not yes and sys.stdin.isatty()
        carry_out(context, {"do": "revoke", "device": device, "ask": ask}, "")

    @app.command()
    def history(
        context: typer.Context,
        limit: Annotated[int, typer.Option("--limit", min=1, help="At most so many, newest first.")] = HISTORY_LINES,
    ) -> None:
        """List the account's tasks as the servers know them: when, from where, to where, how they ended. Never content."""
        carry_out(context, {"do": "history", "limit": limit}, "No task was sent yet.")
