"""The operator's commands for the keys that sign grants: `keys rotate`, `keys list`. A part of cli.py."""

from __future__ import annotations

import asyncio
import os
from typing import Annotated, Any

import typer
from dispatch.cli import Console, Exit, guarded
from dispatch.clock import SystemClock

from dispatch_pairing.options import Data, Database, Keys, storage

keys = typer.Typer(help="Rotate and list the keys that sign grants.", no_args_is_help=True)


@keys.command("rotate")
def rotate(
    context: typer.Context,
    data: Data,
    leaked: Annotated[
        bool, typer.Option("--leaked", help="Believe the key so far no more, from now on: devices renew at once.")
    ] = False,
    database: Database = None,
    keys_in: Keys = None,
) -> None:
    """Make a new key; a running service takes it by itself and interrupts nobody."""
    console = Console.standard(as_json=context.obj)

    def run() -> Exit:
        made = asyncio.run(_rotate(storage(data, database, keys_in), leaked=leaked))
        console.event(
            {"event": "rotated", "number": made}, f"Key {made} is made, and will sign when everybody knows it."
        )
        return Exit.DONE

    guarded(run, as_json=context.obj)


@keys.command("list")
def list_keys(context: typer.Context, data: Data, database: Database = None, keys_in: Keys = None) -> None:
    """List the keys, oldest first, and what the newest does."""
    console = Console.standard(as_json=context.obj)

    def run() -> Exit:
        for number, key_id, made_ms, does in asyncio.run(_list(storage(data, database, keys_in))):
            console.event(
                {"event": "key", "number": number, "key_id": key_id, "made_at": made_ms, "phase": does},
                f"{number}  {key_id}  {does}",
            )
        return Exit.DONE

    guarded(run, as_json=context.obj)


async def _rotate(storage: Any, *, leaked: bool) -> int:
    from dispatch_pairing.signing_keys import rotate  # noqa: PLC0415 -- quick `--help`

    async with storage.opened() as store:
        now_ms = SystemClock().wall_ms()
        made = await rotate(store=store, folder=storage.keys, now_ms=now_ms, rng=os.urandom, leaked=leaked)
    return made.number


async def _list(storage: Any) -> list[tuple[int, str, int, str]]:
    from dispatch_pairing.limits import Limits  # noqa: PLC0415 -- quick `--help`
    from dispatch_pairing.signing_keys import phase  # noqa: PLC0415 -- as above

    async with storage.opened() as store, store.read() as kept:
        known = await kept.service.signing_keys()
    now_ms = SystemClock().wall_ms()
    last = len(known) - 1
    return [
        (
            one.number,
            one.key_id.hex(),
            one.made_ms,
            phase(one, now_ms=now_ms, limits=Limits()).value if place == last else "earlier",
        )
        for place, one in enumerate(known)
    ]
