"""`dispatch-host status --watch`: what `status` says, as a screen that goes on. Called by `cli`."""

from __future__ import annotations

import sys

from dispatch import errors
from dispatch.cli import Exit

from dispatch_host.command import Shared, do, front_desk


def watch_status(shared: Shared) -> None:
    """Show the screen until the person leaves."""

    async def work() -> Exit:
        if shared.as_json or not (sys.stdin.isatty() and sys.stdout.isatty()):
            raise errors.BadRequest("--watch is for people at a terminal", metadata={"field": "watch"})
        try:
            from dispatch_host.watch.host_app import HostApp  # noqa: PLC0415 -- an extra
        except ImportError as missing:
            if (missing.name or "").partition(".")[0] != "textual":
                raise
            raise errors.NotSupported("a screen needs more: pip install 'dispatch-host[tui]'") from None
        from dispatch_host.watch.looking import Looking  # noqa: PLC0415 -- quick `--help`

        async with front_desk(shared) as front:
            # Of a host that does not run this is all there is. From here on nobody holds the home: `run` can begin.
            found = await front.status()
        await HostApp(Looking(shared.home, found), shared.console.words).run_async()
        return Exit.DONE

    do(shared, work)
