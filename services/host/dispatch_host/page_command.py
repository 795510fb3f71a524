"""`dispatch-host status --page`: serves the page and says where it is. Called by `cli`."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from dispatch import errors
from dispatch.cli import Exit

from dispatch_host.control_client import ControlClient
from dispatch_host.folders_cli import warnings_about

if TYPE_CHECKING:
    from dispatch_host.command import Shared


async def serve_page(shared: Shared, *, port: int) -> Exit:
    """Serve until Ctrl-C. Raises NotSupported where the extra is missing, BadRequest where the port is taken."""
    try:
        from dispatch_host.page.serving import serve  # noqa: PLC0415 -- an extra
    except ImportError as missing:
        if (missing.name or "").partition(".")[0] not in {"markdown_it", "starlette", "uvicorn"}:
            raise
        raise errors.NotSupported("the page needs more: pip install 'dispatch-host[page]'") from None

    def serving(address: str) -> None:
        shared.console.event(
            {"event": "page", "url": address},
            f"Open this in a browser on this computer. Whoever has it can do what you can: keep it.\n  {address}",
        )

    home = shared.home
    try:
        await serve(
            lambda: ControlClient(home),
            shared.console.words,
            warn=lambda path, writable: warnings_about(home.path, path, writable=writable),
            port=port,
            rng=os.urandom,
            serving=serving,
        )
    except OSError as failure:
        raise errors.BadRequest(str(failure), metadata={"field": "port"}) from failure
    return Exit.DONE
