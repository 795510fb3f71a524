"""`dispatch-phone model`: the model that answers on this phone what needs no computer. Added to the program by `cli`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer
from dispatch.cli import Console, Exit, guarded
from dispatch.device.home import Home

from mobile_sim.command import Shared
from mobile_sim.files_cli import absolute

model = typer.Typer(name="model", help="The model that answers on this phone what needs no computer.")


@model.callback(invoke_without_command=True)
def show(context: typer.Context) -> None:
    """Say which it is."""
    if context.invoked_subcommand is None:
        _do(context, lambda _: None)


@model.command()
def use(
    context: typer.Context,
    url: Annotated[str, typer.Argument(help="Of a server that speaks as OpenAI's does: https://HOST/v1")],
    name: Annotated[str, typer.Argument(help="The model's name there.")],
    key_file: Annotated[Path | None, typer.Option("--key-file", help="A file with the key, if it wants one.")] = None,
) -> None:
    """Have it answer what needs no computer; what does goes there as ever."""

    def keep(home: Home) -> None:
        from mobile_sim.model import Model  # noqa: PLC0415 -- quick `--help`

        shared: Shared = context.obj
        chosen = Model(url=url, name=name, key_file=absolute(key_file) if key_file is not None else "")
        chosen.check(plaintext=shared.plaintext)
        chosen.keep(home)

    _do(context, keep)


@model.command()
def off(context: typer.Context) -> None:
    """Have none: everything goes to the computer."""

    def forget(home: Home) -> None:
        from mobile_sim.model import Model  # noqa: PLC0415 -- quick `--help`

        Model.forget(home)

    _do(context, forget)


def _do(context: typer.Context, work: Callable[[Home], None]) -> None:
    shared: Shared = context.obj

    def body() -> int:
        from mobile_sim.model import Model  # noqa: PLC0415 -- quick `--help`

        home = Home.at(shared.home, app="dispatch-phone", passphrase_file=shared.passphrase)
        work(home)
        now = Model.load(home)
        told = {"event": "model", "url": now.url, "model": now.name} if now else {"event": "model", "model": None}
        words = (
            f"{now.name} at {now.url} answers what needs no computer." if now else "Everything goes to the computer."
        )
        Console.standard(as_json=shared.as_json, language=shared.language).event(told, words)
        return Exit.DONE

    guarded(body, as_json=shared.as_json, language=shared.language)
