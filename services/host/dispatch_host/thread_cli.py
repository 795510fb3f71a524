"""`dispatch-host thread`: shows a phone's thread, checks it, writes it to a file, checks such a file. Added by `cli`."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from dispatch.cli import Exit, guarded

from dispatch_host.command import Shared, at_desk

if TYPE_CHECKING:
    from dispatch.device.audit import Wrong
    from dispatch.device.thread_file import Checked

    from dispatch_host.front import Front


def thread(
    context: typer.Context,
    phone: Annotated[str, typer.Option("--phone", help="The phone's name; not needed with one phone only.")] = "",
    verify: Annotated[bool, typer.Option("--verify", help="Check every hash, link and signature.")] = False,
    export: Annotated[Path | None, typer.Option("--export", help="Write it to this file, with what proves it.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace the file if it is there.")] = False,
    file: Annotated[
        Path | None, typer.Option("--file", help="With --verify: check this file, and no thread of ours.")
    ] = None,
) -> None:
    """Show a phone's thread: every event, oldest first."""
    if (verify and export) or (file and not verify) or (force and not export) or (file and phone):
        raise typer.BadParameter("give --verify [--file FILE], or --export FILE [--force], or neither")
    shared: Shared = context.obj
    if file is not None:
        guarded(lambda: _check_file(shared, file), as_json=shared.as_json, language=shared.language)

    async def work(front: Front) -> Exit:
        if verify:
            return _say(shared, await _check(front, phone))
        if export is not None:
            return _exported(shared, await _export(front, phone, export, replace=force), export)
        return await _show(shared, front, phone)

    at_desk(shared, work)


async def _show(shared: Shared, front: Front, phone: str) -> Exit:
    from dispatch_host import telling  # noqa: PLC0415 -- quick `--help`

    async with contextlib.aclosing(front.read_thread(phone)) as events:
        async for content in events:
            shared.console.event(*telling.event(content, shared.console.words))
    return Exit.DONE


async def _check(front: Front, phone: str) -> Checked | Wrong:
    from dispatch.device.thread_file import Check  # noqa: PLC0415 -- quick `--help`

    check = Check()
    async with contextlib.aclosing(front.export_thread(phone)) as lines:
        async for line in lines:
            if (wrong := check.take(line)) is not None:
                return wrong
    return check.result()


async def _export(front: Front, phone: str, path: Path, *, replace: bool) -> Checked | Wrong:
    """Write the file if everything in it fits."""
    from dispatch.device.thread_file import Check, Checked  # noqa: PLC0415 -- quick `--help`
    from dispatch.device.thread_proof import ThreadFile  # noqa: PLC0415 -- as above

    check = Check()
    with ThreadFile(path, replace=replace) as file:
        async with contextlib.aclosing(front.export_thread(phone)) as lines:
            async for line in lines:
                if (wrong := check.take(line)) is not None:
                    return wrong
                file.write(line)
        found = check.result()
        if isinstance(found, Checked):
            file.finish()
    return found


def _check_file(shared: Shared, file: Path) -> Exit:
    from dispatch.device.thread_file import checked  # noqa: PLC0415 -- quick `--help`
    from dispatch.device.thread_proof import read_lines  # noqa: PLC0415 -- as above

    return _say(shared, checked(read_lines(file)), file=file)


def _say(shared: Shared, found: Checked | Wrong, *, file: Path | None = None) -> Exit:
    from dispatch.device.thread_proof import told  # noqa: PLC0415 -- quick `--help`

    event, words, code = told(found, file=file)
    shared.console.event(event, words)
    return code


def _exported(shared: Shared, found: Checked | Wrong, path: Path) -> Exit:
    from dispatch.device.thread_file import Checked as Whole  # noqa: PLC0415 -- quick `--help`

    if not isinstance(found, Whole):
        return _say(shared, found)
    shared.console.event(
        {"event": "exported", "file": str(path), "events": found.events, "lost": found.lost},
        f"Written to {path}: {found.events} events, with what proves them.",
    )
    return Exit.DONE
