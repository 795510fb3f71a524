"""What every command of `dispatch-phone` shares: the shared options, how a request is carried out, and the exit code.

Called by the command modules beside it. What costs time to import stands inside the functions that need it: a person waits for the
first line.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID

import typer
from dispatch import errors
from dispatch.cli import Console, Exit, guarded
from dispatch.device.home import Home
from dispatch.words import Language

Request = dict[str, Any]
Event = dict[str, Any]

Probe = Annotated[bool, typer.Option("--probe", help="Have each computer answer, from end to end.")]
Host = Annotated[str | None, typer.Option("--host", help="Which computer; needed with several only.")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Shared:
    """The shared options of this call, and its environment."""

    as_json: bool
    home: str | None
    passphrase: Path | None
    way: str
    environment: Mapping[str, str]
    language: Language | None = None
    log: Path | None = None
    """Where this phone's log goes; None: nowhere."""

    @property
    def plaintext(self) -> bool:
        """Whether the operator's word allows to speak in the clear off this computer."""
        return self.environment.get("DISPATCH_PLAINTEXT") == "1"


TRACES_SECONDS = 0.5
"""How long the end of a command may wait for the collector of traces, unless the environment says."""


def run(
    context: typer.Context,
    request: Callable[[], Request],
    *,
    refused: Callable[[errors.DispatchError], list[Event]] | None = None,
    nothing: str = "",
) -> None:
    """Carry a command out and leave with its exit code."""
    shared: Shared = context.obj

    def body() -> int:
        from dispatch.tracing import end_seconds, open_traces  # noqa: PLC0415 -- quick `--help`

        from mobile_sim.front import Front  # noqa: PLC0415 -- asyncio and what follows

        if shared.log is not None:
            from mobile_sim.logs import log_to  # noqa: PLC0415 -- only for this

            try:
                log_to(shared.log)
            except OSError as failure:
                raise errors.BadRequest(f"{shared.log} can't be written: {failure.strerror}") from failure
        try:
            traces = open_traces(shared.environment, service="phone", rng=os.urandom)
            traces_seconds = end_seconds(shared.environment, otherwise=TRACES_SECONDS)
        except ValueError as failure:
            raise errors.BadRequest(str(failure)) from failure
        console = Console.standard(as_json=shared.as_json, language=shared.language)
        terminal = sys.stdout.isatty()
        front = Front(
            console,
            terminal=terminal,
            asks=terminal and sys.stdin.isatty(),
            plaintext=shared.plaintext,
            way=shared.way,
            traces=traces,
        )
        try:
            home = Home.at(shared.home, app="dispatch-phone", passphrase_file=shared.passphrase)
            code = front.run(home, request())
        except errors.DispatchError as error:
            if refused is None:
                raise
            for event in refused(error):
                front.say(event)
            return Exit.FAILED
        finally:
            traces.close(within_seconds=traces_seconds)
        if nothing and not front.said and not shared.as_json:
            typer.echo(nothing)
        return code

    guarded(body, as_json=shared.as_json, language=shared.language)


def task_id(text: str) -> str:
    """Read a whole task's id. Raises BadParameter."""
    try:
        return str(UUID(text))
    except ValueError:
        raise typer.BadParameter(f"{text!r} is not a task's id (a UUID)") from None


def task_said(text: str) -> str:
    """Read a task's id or its beginning, which the desk completes. Raises BadParameter."""
    return text.lower() if _BEGINNING.fullmatch(text) else task_id(text)


_BEGINNING = re.compile(r"[0-9a-fA-F-]{4,35}")


def scanned(picture: Path) -> str:
    """Read the pairing link in a picture. Raises NotAPairingCode."""
    from dispatch.pairing.link import SCHEME  # noqa: PLC0415 -- only for pictures, as the library below

    from mobile_sim.camera import find_link  # noqa: PLC0415

    return find_link(picture, is_link=lambda text: text.startswith(SCHEME))
