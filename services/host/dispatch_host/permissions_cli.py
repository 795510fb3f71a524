"""`dispatch-host permissions`, `permissions allow`, `permissions revoke` and `audit`: what agents may do here, and did.

Added to the program by `cli`.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Annotated, Any

import typer
from dispatch import errors
from dispatch.cli import Exit

from dispatch_host.command import Shared, at_desk, task_meant
from dispatch_host.folders_cli import say_allowed

if TYPE_CHECKING:
    from dispatch.api.thread.v1.thread_pb2 import Permission

    from dispatch_host.front import Front

permissions = typer.Typer(help="What agents may do on this computer.")

What = Annotated[
    list[str],
    typer.Argument(
        metavar="PERMISSION",
        help="folder PATH, terminal, network, browser, desktop, connector NAME or connector NAME/TOOL.",
        show_default=False,
    ),
]


@permissions.callback(invoke_without_command=True)
def list_when_alone(context: typer.Context) -> None:
    """What agents may do on this computer; alone it lists that."""
    if context.invoked_subcommand is None:
        list_permissions(context)


@permissions.command("list")
def list_permissions(context: typer.Context) -> None:
    """List what is permitted, and what was allowed always."""
    shared: Shared = context.obj

    async def work(front: Front) -> Exit:
        from dispatch.device import permission_words  # noqa: PLC0415 -- quick `--help`

        found = await front.list_permissions()
        for one in map(permission_words.permission, found.permissions):
            shared.console.event({"event": "permission", **one}, f"Agents may {permission_words.words(one)}")
        for rule in map(permission_words.always, found.always):
            shared.console.event(
                {"event": "always", **rule}, f"They need not ask to {permission_words.rule_words(rule)}"
            )
        if not found.permissions and not shared.as_json:
            shared.console.event({}, "Nothing is permitted. dispatch-host permissions allow …")
        return Exit.DONE

    at_desk(shared, work)


@permissions.command("allow")
def allow(
    context: typer.Context,
    what: What,
    write: Annotated[bool, typer.Option("--write", help="Of a folder: agents may also change what is in it.")] = False,
    lasting: Annotated[
        str, typer.Option("--for", help="How long, as 90s, 30m, 2h or 7d; for good unless given.", show_default=False)
    ] = "",
    without_sandbox: Annotated[
        bool,
        typer.Option(
            "--without-sandbox", help="Of the terminal: programs may run unconfined where there is no sandbox."
        ),
    ] = False,
) -> None:
    """Permit something, in force at once; again to change it."""
    shared: Shared = context.obj

    async def work(front: Front) -> Exit:
        from dispatch.device import permission_words  # noqa: PLC0415 -- quick `--help`

        wanted = _named(what, write=write, without_sandbox=without_sandbox)
        for_ms = permission_words.duration_ms(lasting) if lasting else 0
        given = permission_words.permission(await front.allow_permission(wanted, for_ms))
        told, words = {"event": "permission", **given}, f"Agents may {permission_words.words(given)}"
        if given["permission"] == "folder":
            say_allowed(shared, told, words, given["name"], writable=given["write"])
        else:
            note = await without_effect(front, given)
            shared.console.event(told | ({"note": note} if note else {}), f"{words}\n  {note}" if note else words)
        return Exit.DONE

    at_desk(shared, work)


async def without_effect(front: Front, given: dict[str, Any]) -> str:
    """Say what a permission lacks to allow anything; empty for nothing."""
    if given["permission"] == "network":
        from dispatch.device import permission_words  # noqa: PLC0415 -- quick `--help`

        held = map(permission_words.permission, (await front.list_permissions()).permissions)
        if not any(one["permission"] == "terminal" for one in held):
            return "It allows nothing yet: no program may be started (dispatch-host permissions allow terminal)."
    if given["permission"] == "connector":
        name = given["name"].partition("/")[0]
        if name not in {one.name for one in (await front.list_connectors()).connectors}:
            return f"It allows nothing yet: no connector is called {name} (dispatch-host connectors)."
    return ""


@permissions.command("revoke")
def revoke(context: typer.Context, what: What) -> None:
    """Take a permission back, or what was allowed always (`always RULE`), in force at once."""
    shared: Shared = context.obj

    async def work(front: Front) -> Exit:
        if what[0] == "always":
            if len(what) == 1:
                raise errors.BadRequest("always RULE, as `permissions` lists it", metadata={"field": "permission"})
            rule = " ".join(what[1:])
            revoked, told, said = await front.revoke_rule(rule), {"rule": rule}, f"without asking: {rule}"
        else:
            from dispatch.device import permission_words  # noqa: PLC0415 -- quick `--help`

            one = _named(what)
            revoked, told = await front.revoke_permission(one), permission_words.permission(one)
            said = f"use this permission any longer: {' '.join(what)}"
        words = f"Agents may not {said}" if revoked else "It was not permitted"
        shared.console.event({"event": "revoked", **told, "revoked": revoked}, words)
        return Exit.DONE

    at_desk(shared, work)


def audit(
    context: typer.Context,
    last: Annotated[int, typer.Option("--last", min=0, help="Most lines; 0 for all.")] = 50,
    task: Annotated[str, typer.Option("--task", help="Only those of this task.", show_default=False)] = "",
) -> None:
    """Tell what agents used their permissions for, oldest first."""
    shared: Shared = context.obj

    async def work(front: Front) -> Exit:
        from dispatch_host import telling  # noqa: PLC0415 -- quick `--help`

        async for line in front.read_audit(last, await task_meant(front, task) if task else b""):
            shared.console.event(telling.audit_line(line), telling.audit_words(line))
        return Exit.DONE

    at_desk(shared, work)


def _named(what: list[str], *, write: bool = False, without_sandbox: bool = False) -> Permission:
    from dispatch.device import permission_words  # noqa: PLC0415 -- quick `--help`

    # A folder as others see it.
    words = [what[0], os.path.abspath(os.path.expanduser(what[1]))] if what[0] == "folder" and len(what) == 2 else what
    return permission_words.named(words, write=write, without_sandbox=without_sandbox)
